/* What the system says of itself in /proc: read only after it has refused something, to find the
 * words for it. What it allows is found by trying. */
#ifndef CVMFSEXEC_LAUNCH_FACTS_H
#define CVMFSEXEC_LAUNCH_FACTS_H

#include <stdbool.h>

#define SETTING_ABSENT (-1)

struct facts {
    /* Settings, as sysctl(8) shows them, or SETTING_ABSENT. The namespaces(7) ones are those of the
     * user namespace of this process. */
    long max_user_namespaces;         /* user.max_user_namespaces */
    long max_mount_namespaces;        /* user.max_mnt_namespaces */
    long max_pid_namespaces;          /* user.max_pid_namespaces */
    long unprivileged_user_namespace; /* kernel.unprivileged_userns_clone, Debian */
    long apparmor_restriction;        /* kernel.apparmor_restrict_unprivileged_userns, Ubuntu */

    bool has_user_namespaces; /* the kernel was built with them */
    bool in_user_namespace;   /* not in the initial one */
    bool root_is_mapped;      /* user 0 exists here: without, setuid programs have no effect */
    bool seccomp;             /* system calls are filtered, seccomp(2) */
    bool no_new_privileges;   /* setuid programs have no effect, prctl(2) */
    bool chrooted;            /* the root directory is no mount point */

    char apparmor_profile[64]; /* that is enforced; or "" */
    char selinux_type[64];     /* that is confined; or "" */
    char kernel[64];           /* release, as uname(2) has it */
};

/* Never fails: what cannot be read is as if it were not there. `proc` is "/proc". */
void facts_read(const char *proc, struct facts *facts);

/* Whether a release like "5.14.0-427.el9" is at least this version. */
bool kernel_is_at_least(const char *release, long major, long minor);

#endif
