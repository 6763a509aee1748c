/* Reading /proc: proc_sys_user(5), proc_pid_status(5), user_namespaces(7), and the labels of
 * security modules. Concludes nothing. */
#include "payload/launch/facts.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "payload/base/file.h"
#include "payload/base/text.h"

#define SMALL_FILE 65536
#define MOUNT_TABLE (16 << 20)

/* The content of a file below `proc`, or NULL; it belongs to `text`. */
static char *load(const char *proc, const char *name, size_t limit, struct text *text)
{
    auto_text struct text path = TEXT_INIT;
    if (text_printf(&path, "%s/%s", proc, name) < 0 || file_load(-1, path.bytes, limit, text) < 0)
        return NULL;
    return text->bytes;
}

static long read_setting(const char *proc, const char *name)
{
    auto_text struct text content = TEXT_INIT;
    const char *digits = load(proc, name, SMALL_FILE, &content);
    char *end;
    long value = digits ? strtol(digits, &end, 10) : SETTING_ABSENT;
    return digits && end == digits ? SETTING_ABSENT : value;
}

/* Lines like "Seccomp:\t2". */
static long status_field(const char *status, const char *name)
{
    const size_t length = strlen(name);
    for (const char *line = status; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, name, length) == 0 && line[length] == ':')
            return strtol(line + length + 1, NULL, 10);
    }
    return 0;
}

static void read_status(const char *proc, struct facts *facts)
{
    auto_text struct text content = TEXT_INIT;
    const char *status = load(proc, "self/status", SMALL_FILE, &content);
    const long filter = 2; /* SECCOMP_MODE_FILTER */
    facts->seccomp = status && status_field(status, "Seccomp") == filter;
    facts->no_new_privileges = status && status_field(status, "NoNewPrivs") == 1;
}

/* Lines of three numbers: the first id inside, the first outside, how many. The initial namespace
 * has one, for all ids there are. */
static void read_id_map(const char *proc, struct facts *facts)
{
    const unsigned long all = 4294967295UL;
    auto_text struct text content = TEXT_INIT;
    const char *line = load(proc, "self/uid_map", SMALL_FILE, &content);
    facts->root_is_mapped = !line;
    facts->in_user_namespace = line != NULL;
    while (line && *line) {
        char *rest;
        facts->root_is_mapped |= strtoul(line, &rest, 10) == 0;
        (void)strtoul(rest, &rest, 10);
        if (strtoul(rest, NULL, 10) == all)
            facts->in_user_namespace = false;
        line = strchr(line, '\n');
        line += line != NULL;
    }
}

/* mountinfo shows only what can be reached from the root directory, by its name from there. */
static void read_mounts(const char *proc, struct facts *facts)
{
    auto_text struct text content = TEXT_INIT;
    const char *line = load(proc, "self/mountinfo", MOUNT_TABLE, &content);
    facts->chrooted = line != NULL;
    while (line && *line) {
        const char *mount_point = line;
        for (int word = 0; word < 4 && mount_point; word++) {
            mount_point = strchr(mount_point, ' ');
            mount_point += mount_point != NULL;
        }
        if (mount_point && strncmp(mount_point, "/ ", 2) == 0)
            facts->chrooted = false;
        line = strchr(line, '\n');
        line += line != NULL;
    }
}

static void copy_word(char *to, size_t room, const char *from, const char *end)
{
    size_t length = (size_t)(end - from);
    if (length >= room)
        length = room - 1;
    memcpy(to, from, length);
    to[length] = '\0';
}

/* AppArmor: "docker-default (enforce)"; SELinux: "system_u:system_r:container_t:s0:c1,c2". */
static void read_label(const char *proc, struct facts *facts)
{
    auto_text struct text content = TEXT_INIT;
    char *label = load(proc, "self/attr/current", SMALL_FILE, &content);
    if (!label)
        return;
    label[strcspn(label, "\n")] = '\0';
    char *mode = strstr(label, " (");
    if (mode) {
        if (strcmp(mode, " (enforce)") == 0)
            copy_word(facts->apparmor_profile, sizeof facts->apparmor_profile, label, mode);
        return;
    }
    const char *role = strchr(label, ':');
    const char *type = role ? strchr(role + 1, ':') : NULL;
    const char *level = type ? strchr(type + 1, ':') : NULL;
    if (level)
        copy_word(facts->selinux_type, sizeof facts->selinux_type, type + 1, level);
    if (strstr(facts->selinux_type, "unconfined"))
        facts->selinux_type[0] = '\0';
}

static bool has_user_namespaces(const char *proc)
{
    auto_text struct text path = TEXT_INIT;
    auto_text struct text process = TEXT_INIT;
    if (text_printf(&path, "%s/self/ns/user", proc) < 0 ||
        text_printf(&process, "%s/self", proc) < 0)
        return true;
    return access(path.bytes, F_OK) == 0 || access(process.bytes, F_OK) < 0;
}

void facts_read(const char *proc, struct facts *facts)
{
    *facts = (struct facts){
        .max_user_namespaces = read_setting(proc, "sys/user/max_user_namespaces"),
        .max_mount_namespaces = read_setting(proc, "sys/user/max_mnt_namespaces"),
        .max_pid_namespaces = read_setting(proc, "sys/user/max_pid_namespaces"),
        .unprivileged_user_namespace = read_setting(proc, "sys/kernel/unprivileged_userns_clone"),
        .apparmor_restriction =
            read_setting(proc, "sys/kernel/apparmor_restrict_unprivileged_userns"),
        .has_user_namespaces = has_user_namespaces(proc),
    };
    read_status(proc, facts);
    read_id_map(proc, facts);
    read_mounts(proc, facts);
    read_label(proc, facts);
    struct utsname system;
    if (uname(&system) == 0)
        copy_word(facts->kernel, sizeof facts->kernel, system.release,
                  system.release + strlen(system.release));
}

bool kernel_is_at_least(const char *release, long major, long minor)
{
    char *end;
    long first = strtol(release, &end, 10);
    long second = *end == '.' && isdigit((unsigned char)end[1]) ? strtol(end + 1, NULL, 10) : 0;
    return first > major || (first == major && second >= minor);
}
