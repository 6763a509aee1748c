/* What a system says of itself, and the words that are made of it: each case is a system that was
 * met somewhere. Refusals that can be arranged are tried in tests/e2e/launcher_check.t. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "payload/base/file.h"
#include "payload/base/remove.h"
#include "payload/base/scope.h"
#include "payload/base/text.h"
#include "payload/launch/diagnosis.h"
#include "payload/launch/facts.h"
#include "tests/unit/tap.h"

/* A directory in the place of /proc. */
struct fake_proc {
    char path[64];
};

static void fake_proc_make(struct fake_proc *proc)
{
    (void)snprintf(proc->path, sizeof proc->path, "/tmp/test_diagnosis.XXXXXX");
    if (!mkdtemp(proc->path))
        abort();
}

static void fake_proc_write(const struct fake_proc *proc, const char *name, const char *content)
{
    auto_text struct text path = TEXT_INIT;
    if (text_printf(&path, "%s/%s", proc->path, name) < 0)
        abort();
    char *slash = strrchr(path.bytes, '/');
    *slash = '\0';
    if (directory_make(AT_FDCWD, path.bytes, 0755) < 0)
        abort();
    *slash = '/';
    if (file_replace(AT_FDCWD, path.bytes, content, strlen(content), 0644) < 0)
        abort();
}

static void fake_proc_remove(struct fake_proc *proc)
{
    (void)directory_remove(AT_FDCWD, proc->path);
}

#define auto_fake_proc __attribute__((cleanup(fake_proc_remove)))

static void a_proc_without_anything_has_no_facts(void)
{
    struct facts facts;
    facts_read("/nonexistent", &facts);
    CHECK(facts.max_user_namespaces == SETTING_ABSENT &&
              facts.apparmor_restriction == SETTING_ABSENT,
          "settings are absent");
    CHECK(facts.has_user_namespaces && facts.root_is_mapped && !facts.in_user_namespace &&
              !facts.seccomp && !facts.no_new_privileges && !facts.chrooted,
          "nothing is said to be missing that could not be looked at");
}

static void settings_and_status_are_read(void)
{
    auto_fake_proc struct fake_proc proc;
    fake_proc_make(&proc);
    fake_proc_write(&proc, "sys/user/max_user_namespaces", "0\n");
    fake_proc_write(&proc, "sys/user/max_mnt_namespaces", "15000\n");
    fake_proc_write(&proc, "sys/user/max_pid_namespaces", "\n");
    fake_proc_write(&proc, "sys/kernel/unprivileged_userns_clone", "1\n");
    fake_proc_write(&proc, "self/status",
                    "Name:\tSeccomp:\t2\nNoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t1\n");
    struct facts facts;
    facts_read(proc.path, &facts);
    CHECK(facts.max_user_namespaces == 0 && facts.max_mount_namespaces == 15000 &&
              facts.max_pid_namespaces == SETTING_ABSENT && facts.unprivileged_user_namespace == 1,
          "settings are numbers");
    CHECK(facts.seccomp && facts.no_new_privileges, "a filter, and no new privileges");
    CHECK(!facts.has_user_namespaces, "a process without ns/user has none");
    fake_proc_write(&proc, "self/status", "Name:\tx\nSeccomp:\t1\n");
    fake_proc_write(&proc, "self/ns/user", "");
    facts_read(proc.path, &facts);
    CHECK(!facts.seccomp && !facts.no_new_privileges && facts.has_user_namespaces,
          "strict mode is no filter");
}

static bool map_says(const char *map, bool in_user_namespace, bool root_is_mapped)
{
    auto_fake_proc struct fake_proc proc;
    fake_proc_make(&proc);
    fake_proc_write(&proc, "self/uid_map", map);
    struct facts facts;
    facts_read(proc.path, &facts);
    return facts.in_user_namespace == in_user_namespace && facts.root_is_mapped == root_is_mapped;
}

static void id_maps_tell_user_namespaces(void)
{
    CHECK(map_says("         0          0 4294967295\n", false, true), "the initial one");
    CHECK(map_says("         0       1000          1\n", true, true), "one with a root");
    CHECK(map_says("      1000       1000          1\n", true, false), "one without");
    CHECK(map_says("      1000       1000          1\n         0     100000      65536\n", true,
                   true),
          "one of several lines");
    CHECK(map_says("", true, false), "one without a map yet");
}

static bool mounts_say(const char *table, bool chrooted)
{
    auto_fake_proc struct fake_proc proc;
    fake_proc_make(&proc);
    fake_proc_write(&proc, "self/mountinfo", table);
    struct facts facts;
    facts_read(proc.path, &facts);
    return facts.chrooted == chrooted;
}

static void a_root_directory_that_is_no_mount_point_is_a_chroot(void)
{
    CHECK(mounts_say("30 1 8:1 / / rw - ext4 /dev/sda1 rw\n31 30 0:4 / /proc rw - proc proc rw\n",
                     false),
          "a mounted root");
    CHECK(mounts_say("31 30 0:4 / /proc rw - proc proc rw\n32 30 8:1 / /x\\040/ rw - ext4 / rw\n",
                     true),
          "one that is not");
    CHECK(mounts_say("", true) && mounts_say("cut", true), "nor one in a table that shows nothing");
}

static void read_label(const char *label, struct facts *facts)
{
    auto_fake_proc struct fake_proc proc;
    fake_proc_make(&proc);
    fake_proc_write(&proc, "self/attr/current", label);
    facts_read(proc.path, facts);
}

static void labels_of_security_modules_are_told_apart(void)
{
    struct facts facts;
    read_label("docker-default (enforce)\n", &facts);
    CHECK(strcmp(facts.apparmor_profile, "docker-default") == 0 && !facts.selinux_type[0],
          "an AppArmor profile");
    read_label("unconfined\n", &facts);
    CHECK(!facts.apparmor_profile[0] && !facts.selinux_type[0], "none");
    read_label("tool (complain)\n", &facts);
    CHECK(!facts.apparmor_profile[0], "one that only complains refuses nothing");
    read_label("system_u:system_r:container_t:s0:c1,c2", &facts);
    CHECK(strcmp(facts.selinux_type, "container_t") == 0 && !facts.apparmor_profile[0],
          "an SELinux type");
    read_label("unconfined_u:unconfined_r:unconfined_t:s0-s0:c0.c1023", &facts);
    CHECK(!facts.selinux_type[0], "one that is not confined");
    char longest[400];
    memset(longest, 'x', sizeof longest);
    memcpy(longest, "a:b:", 4);
    memcpy(longest + sizeof longest - 4, ":s0", 4);
    read_label(longest, &facts);
    CHECK(strlen(facts.selinux_type) == sizeof facts.selinux_type - 1, "a long one is cut");
}

static void kernel_releases_are_compared_as_numbers(void)
{
    CHECK(kernel_is_at_least("4.18.0-553.el8", 4, 18) && kernel_is_at_least("6.1", 4, 18) &&
              kernel_is_at_least("10.0-x", 4, 18),
          "newer ones");
    CHECK(!kernel_is_at_least("3.10.0-1160.el7", 4, 18) && !kernel_is_at_least("4.9.0", 4, 18) &&
              !kernel_is_at_least("", 1, 0) && !kernel_is_at_least("4.", 4, 18),
          "older ones, and none");
}

/* A system like any other. */
static const struct facts usual = {.max_user_namespaces = 15000,
                                   .max_mount_namespaces = 15000,
                                   .max_pid_namespaces = 15000,
                                   .unprivileged_user_namespace = SETTING_ABSENT,
                                   .apparmor_restriction = SETTING_ABSENT,
                                   .has_user_namespaces = true,
                                   .root_is_mapped = true,
                                   .kernel = "6.1.0"};

typedef int diagnose(const struct facts *facts, int code, const char *what, struct error *error);

static bool says(diagnose *function, const struct facts *facts, int code, const char *words)
{
    struct error error = ERROR_INIT;
    int result = function(facts, code, "creating namespaces", &error);
    bool right = result == code && error.code == code && strstr(error.message, words) &&
                 strncmp(error.message, "creating namespaces: ", 21) == 0;
    if (!right)
        printf("# %s\n", error.message);
    return right;
}

static void limits_are_told_apart(void)
{
    struct facts facts = usual;
    CHECK(says(diagnosis_namespaces_of, &facts, -ENOSPC, "max_user_namespaces=30000"),
          "a limit that is used up may be doubled");
    facts.in_user_namespace = true;
    CHECK(says(diagnosis_namespaces_of, &facts, -ENOSPC, "nested too deep"),
          "in a namespace it is that of one around, or the depth");
    CHECK(says(diagnosis_namespaces_of, &facts, -EUSERS, "nested too deep"),
          "older kernels say it otherwise");
    facts.max_pid_namespaces = 0;
    CHECK(says(diagnosis_namespaces_of, &facts, -ENOSPC, "sysctl -w user.max_pid_namespaces=15000"),
          "a kind that is switched off");
    facts.max_user_namespaces = 0;
    CHECK(
        says(diagnosis_namespaces_of, &facts, -ENOSPC, "sysctl -w user.max_user_namespaces=15000"),
        "the most important first");
    facts = usual;
    facts.max_user_namespaces = SETTING_ABSENT;
    CHECK(says(diagnosis_namespaces_of, &facts, -EUSERS, "nested too deep"),
          "where there is no setting, it is the depth");
}

static void missing_kernel_support_is_told(void)
{
    struct facts facts = usual;
    facts.has_user_namespaces = false;
    CHECK(says(diagnosis_namespaces_of, &facts, -EINVAL, "CONFIG_USER_NS"), "a kernel without");
    facts = usual;
    facts.max_user_namespaces = 0;
    CHECK(
        says(diagnosis_namespaces_of, &facts, -EINVAL, "sysctl -w user.max_user_namespaces=15000"),
        "RHEL 7.4 as it is installed");
    facts = usual;
    CHECK(says(diagnosis_namespaces_of, &facts, -EINVAL, "user_namespace.enable=1"),
          "RHEL 7 before that");
    facts.seccomp = true;
    CHECK(says(diagnosis_namespaces_of, &facts, -ENOSYS, "seccomp=unconfined"),
          "a filter that plays an old kernel");
}

static void refusals_of_namespaces_name_who_refuses(void)
{
    struct facts facts = usual;
    CHECK(says(diagnosis_namespaces_of, &facts, -EPERM, "no known setting"), "nobody known");
    facts.selinux_type[0] = 'x';
    CHECK(says(diagnosis_namespaces_of, &facts, -EACCES, "ausearch"), "perhaps SELinux");
    memcpy(facts.selinux_type, "container_t", sizeof "container_t");
    CHECK(says(diagnosis_namespaces_of, &facts, -EACCES, "label=disable"),
          "a container of SELinux's");
    facts = usual;
    facts.apparmor_restriction = 1;
    CHECK(says(diagnosis_namespaces_of, &facts, -EACCES,
               "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"),
          "Ubuntu 23.10");
    facts.seccomp = true;
    CHECK(says(diagnosis_namespaces_of, &facts, -EPERM, "seccomp=unconfined"),
          "docker on Ubuntu: there the filter comes first");
    CHECK(says(diagnosis_namespaces_of, &facts, -EACCES, "apparmor_restrict"),
          "which says EPERM; EACCES is AppArmor's");
    facts.chrooted = true;
    CHECK(says(diagnosis_namespaces_of, &facts, -EPERM, "chroot"),
          "the kernel itself, in a chroot");
    facts.unprivileged_user_namespace = 0;
    CHECK(says(diagnosis_namespaces_of, &facts, -EPERM,
               "sysctl -w kernel.unprivileged_userns_clone=1"),
          "Debian's setting, which is looked at before all others");
    CHECK(says(diagnosis_namespaces_of, &facts, -ENOMEM, "Cannot allocate memory"),
          "other failures are what they are");
}

static void refusals_inside_name_who_refuses(void)
{
    struct facts facts = usual;
    facts.seccomp = true;
    CHECK(says(diagnosis_inside_of, &facts, -EPERM, "seccomp=unconfined"), "a filter");
    facts.apparmor_restriction = 1;
    memcpy(facts.apparmor_profile, "unprivileged_userns", sizeof "unprivileged_userns");
    CHECK(says(diagnosis_inside_of, &facts, -EPERM, "apparmor_restrict_unprivileged_userns=0"),
          "Ubuntu 24, where the namespace is made but has no privileges");
    memcpy(facts.apparmor_profile, "docker-default", sizeof "docker-default");
    CHECK(says(diagnosis_inside_of, &facts, -EACCES, "apparmor=unconfined"),
          "docker, whose profile permits no mounts");
    CHECK(says(diagnosis_inside_of, &facts, -ENOSPC, "No space left"),
          "other failures are what they are");
}

int main(void)
{
    a_proc_without_anything_has_no_facts();
    settings_and_status_are_read();
    id_maps_tell_user_namespaces();
    a_root_directory_that_is_no_mount_point_is_a_chroot();
    labels_of_security_modules_are_told_apart();
    kernel_releases_are_compared_as_numbers();
    limits_are_told_apart();
    missing_kernel_support_is_told();
    refusals_of_namespaces_name_who_refuses();
    refusals_inside_name_who_refuses();
    return tap_done();
}
