/* The words about namespaces. The settings that are named were read after something was refused:
 * what a system allows is found by trying, never concluded from what its settings or its version
 * say. */
#include "payload/launch/diagnosis.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "payload/launch/diagnosis_say.h"

/* The kernel counts what a user has in a namespace, and those below it, against the limits of each
 * namespace up to the initial one, user_namespaces(7). */
static int explain_limit(const struct facts *facts, int code, const char *what, struct error *error)
{
    const struct {
        long limit;
        const char *name;
        const char *kind;
    } rows[] = {{facts->max_user_namespaces, "user.max_user_namespaces", "user"},
                {facts->max_mount_namespaces, "user.max_mnt_namespaces", "mount"},
                {facts->max_pid_namespaces, "user.max_pid_namespaces", "pid"}};
    for (size_t index = 0; index < sizeof rows / sizeof *rows; index++) {
        if (rows[index].limit == 0)
            return diagnosis_say(
                error, code, what,
                "%s namespaces are switched off by %s = 0; root can enable them with: "
                "sysctl -w %s=15000",
                rows[index].kind, rows[index].name, rows[index].name);
    }
    if (facts->in_user_namespace || facts->max_user_namespaces == SETTING_ABSENT)
        return diagnosis_say(
            error, code, what,
            "namespaces are nested too deep here (at most 32), or the system around "
            "allows no more of them; its root can raise that with: sysctl -w "
            "user.max_user_namespaces=15000");
    return diagnosis_say(
        error, code, what,
        "this user has as many namespaces as user.max_user_namespaces = %ld allows "
        "(lsns lists them); root can raise that with: sysctl -w "
        "user.max_user_namespaces=%ld",
        facts->max_user_namespaces, 2 * facts->max_user_namespaces);
}

static int explain_missing(const struct facts *facts, int code, const char *what,
                           struct error *error)
{
    if (!facts->has_user_namespaces)
        return diagnosis_say(
            error, code, what,
            "this kernel, %s, is built without user namespaces (CONFIG_USER_NS=y is "
            "missing): another one has to be booted",
            facts->kernel);
    if (facts->max_user_namespaces == 0) /* RHEL 7 */
        return explain_limit(facts, code, what, error);
    if (facts->seccomp) /* some filters answer ENOSYS */
        return 0;
    return diagnosis_say(
        error, code, what,
        "this kernel, %s, refuses such namespaces (on RHEL 7 root can enable them with: "
        "grubby --update-kernel=ALL --args=user_namespace.enable=1; then reboot)",
        facts->kernel);
}

static int explain_apparmor_restriction(int code, const char *what, struct error *error)
{
    return diagnosis_say(
        error, code, what,
        "user namespaces are taken their privileges by "
        "kernel.apparmor_restrict_unprivileged_userns; root can give them back with: "
        "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0");
}

static int explain_seccomp(int code, const char *what, struct error *error)
{
    return diagnosis_say(
        error, code, what,
        "refused by the seccomp filter of the container or service around; start the "
        "container with: --security-opt seccomp=unconfined (docker, podman), or "
        "seccompProfile: {type: Unconfined} (kubernetes)");
}

/* A security module that confines this process. 0 when there is none. */
static int explain_confinement(const struct facts *facts, int code, const char *what,
                               struct error *error)
{
    if (facts->apparmor_profile[0] && strcmp(facts->apparmor_profile, "unprivileged_userns") != 0)
        return diagnosis_say(
            error, code, what,
            "refused by the AppArmor profile %s; docker and podman start a container "
            "without one with: --security-opt apparmor=unconfined",
            facts->apparmor_profile);
    if (strstr(facts->selinux_type, "container"))
        return diagnosis_say(
            error, code, what,
            "refused by SELinux, which confines this container as %s; docker and podman "
            "start one that is not with: --security-opt label=disable",
            facts->selinux_type);
    return 0;
}

static int explain_unknown(const struct facts *facts, int code, const char *what,
                           struct error *error)
{
    if (facts->selinux_type[0])
        return diagnosis_say(
            error, code, what,
            "perhaps by SELinux, which confines this process as %s; root can look with: "
            "ausearch -m avc -ts recent",
            facts->selinux_type);
    return diagnosis_say(
        error, code, what,
        "no known setting says why; root may find a security module that does with: "
        "dmesg");
}

int diagnosis_namespaces_of(const struct facts *facts, int code, const char *what,
                            struct error *error)
{
    if (code == -ENOSPC || code == -EUSERS)
        return explain_limit(facts, code, what, error);
    int result = 0;
    if (code == -EINVAL || code == -ENOSYS)
        result = explain_missing(facts, code, what, error);
    else if (code == -EPERM && facts->unprivileged_user_namespace == 0)
        return diagnosis_say(
            error, code, what,
            "user namespaces are switched off by kernel.unprivileged_userns_clone = 0; "
            "root can enable them with: sysctl -w kernel.unprivileged_userns_clone=1");
    else if (code == -EPERM && facts->chrooted)
        return diagnosis_say(error, code, what,
                             "the kernel permits no user namespaces inside a chroot; enter that "
                             "directory otherwise, for example with: bwrap --dev-bind DIRECTORY / "
                             "COMMAND");
    else if (code != -EPERM && code != -EACCES)
        return error_system(error, code, "%s", what);
    /* AppArmor says EACCES, a filter may say anything, but those of containers say EPERM. */
    if (result == 0 && facts->seccomp && code != -EACCES)
        return explain_seccomp(code, what, error);
    if (result == 0)
        result = explain_confinement(facts, code, what, error);
    if (result == 0 && facts->apparmor_restriction > 0)
        return explain_apparmor_restriction(code, what, error);
    if (result == 0 && facts->seccomp)
        return explain_seccomp(code, what, error);
    return result < 0 ? result : explain_unknown(facts, code, what, error);
}

int diagnosis_inside_of(const struct facts *facts, int code, const char *what, struct error *error)
{
    if (code != -EPERM && code != -EACCES)
        return error_system(error, code, "%s", what);
    int result = explain_confinement(facts, code, what, error);
    if (result < 0)
        return result;
    if (facts->apparmor_restriction > 0)
        return explain_apparmor_restriction(code, what, error);
    if (facts->seccomp)
        return explain_seccomp(code, what, error);
    return explain_unknown(facts, code, what, error);
}

int diagnosis_namespaces(int code, const char *what, struct error *error)
{
    struct facts facts;
    facts_read("/proc", &facts);
    return diagnosis_namespaces_of(&facts, code, what, error);
}

int diagnosis_inside(int code, const char *what, struct error *error)
{
    struct facts facts;
    facts_read("/proc", &facts);
    return diagnosis_inside_of(&facts, code, what, error);
}

int diagnosis_root_map(int code, const char *what, struct error *error)
{
    struct facts facts;
    facts_read("/proc", &facts);
    const bool confined = facts.apparmor_profile[0] || facts.selinux_type[0];
    if (code != -EPERM || confined || !kernel_is_at_least(facts.kernel, 5, 12))
        return diagnosis_inside_of(&facts, code, what, error);
    return diagnosis_say(error, code, what,
                         "this root has no CAP_SETFCAP, without which he cannot be himself in a "
                         "user namespace; docker and podman give it with: --cap-add SETFCAP (or "
                         "let an ordinary user run it)");
}
