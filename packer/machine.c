/* The table of machine types and the reading of os-release. What a machine type is downloaded from
 * is not known here. */
#include "packer/machine.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "payload/base/file.h"

static const struct machine machines[] = {
    {"rhel7-x86_64", "rhel", "7", "x86_64"},     {"rhel8-aarch64", "rhel", "8", "aarch64"},
    {"rhel8-ppc64le", "rhel", "8", "ppc64le"},   {"rhel8-x86_64", "rhel", "8", "x86_64"},
    {"rhel9-aarch64", "rhel", "9", "aarch64"},   {"rhel9-ppc64le", "rhel", "9", "ppc64le"},
    {"rhel9-x86_64", "rhel", "9", "x86_64"},     {"rhel10-x86_64", "rhel", "10", "x86_64"},
    {"suse15-aarch64", "suse", "15", "aarch64"}, {"suse15-x86_64", "suse", "15", "x86_64"},
};

/* Which family and version stand for a distribution. Distributions derived from Debian and Ubuntu
 * number their versions in their own way, so those two are known by their own ID alone. */
struct stand_in {
    const char *id;
    bool derived_too; /* ID_LIKE counts as well */
    const char *version;
    const char *family;
    const char *stands_for;
};

static const struct stand_in stand_ins[] = {
    {"rhel", true, "7", "rhel", "7"},     {"rhel", true, "8", "rhel", "8"},
    {"rhel", true, "9", "rhel", "9"},     {"rhel", true, "10", "rhel", "10"},
    {"ol", false, "7", "rhel", "7"},      {"ol", false, "8", "rhel", "8"},
    {"ol", false, "9", "rhel", "9"},      {"ol", false, "10", "rhel", "10"},
    {"suse", true, "15", "suse", "15"},   {"debian", false, "11", "rhel", "8"},
    {"debian", false, "12", "rhel", "9"}, {"debian", false, "13", "rhel", "9"},
    {"ubuntu", false, "22", "rhel", "9"}, {"ubuntu", false, "24", "rhel", "9"},
};

#define OS_RELEASE_LIMIT ((size_t)64 * 1024)

/* What os-release says of a system, cut to what is compared. */
struct release {
    char id[64];
    char id_like[256];
    char version[64];
};

const struct machine *machine_find(const char *name)
{
    for (size_t index = 0; index < sizeof machines / sizeof machines[0]; index++)
        if (strcmp(machines[index].name, name) == 0)
            return &machines[index];
    return NULL;
}

int machine_list(const char *architecture, struct text *list)
{
    const char *blank = "";
    for (size_t index = 0; index < sizeof machines / sizeof machines[0]; index++) {
        if (architecture && strcmp(machines[index].architecture, architecture) != 0)
            continue;
        int result = text_printf(list, "%s%s", blank, machines[index].name);
        if (result < 0)
            return result;
        blank = " ";
    }
    return 0;
}

/* The value of KEY=value, without its quotes; empty when there is no such line. */
static void release_value(const char *os_release, const char *key, char *value, size_t room)
{
    const size_t key_length = strlen(key);
    value[0] = '\0';
    for (const char *line = os_release; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, key, key_length) != 0 || line[key_length] != '=')
            continue;
        const char *start = line + key_length + 1;
        size_t length = strcspn(start, "\r\n");
        if (*start == '"' || *start == '\'') {
            const char *closing = memchr(start + 1, *start, length - 1);
            start++;
            length = closing ? (size_t)(closing - start) : length - 1;
        }
        (void)snprintf(value, room, "%.*s", (int)(length < room ? length : room - 1), start);
    }
}

static bool words_contain(const char *words, const char *word)
{
    const size_t length = strlen(word);
    for (; *words; words += strspn(words, " ")) {
        size_t here = strcspn(words, " ");
        if (here == length && memcmp(words, word, length) == 0)
            return true;
        words += here;
    }
    return false;
}

/* "9" is the major version of "9" and "9.4", not of "90". */
static bool is_major_version(const char *major, const char *version)
{
    const size_t length = strlen(major);
    return strncmp(version, major, length) == 0 && !isdigit((unsigned char)version[length]);
}

static bool stands_in(const struct stand_in *row, const struct release *release)
{
    if (!is_major_version(row->version, release->version))
        return false;
    return strcmp(row->id, release->id) == 0 ||
           (row->derived_too && words_contain(release->id_like, row->id));
}

static const struct machine *find_row(const char *family, const char *version,
                                      const char *architecture)
{
    for (size_t index = 0; index < sizeof machines / sizeof machines[0]; index++)
        if (strcmp(machines[index].family, family) == 0 &&
            strcmp(machines[index].version, version) == 0 &&
            strcmp(machines[index].architecture, architecture) == 0)
            return &machines[index];
    return NULL;
}

int machine_match(const char *os_release, const char *architecture, const struct machine **machine,
                  struct error *error)
{
    struct release release;
    release_value(os_release, "ID", release.id, sizeof release.id);
    release_value(os_release, "ID_LIKE", release.id_like, sizeof release.id_like);
    release_value(os_release, "VERSION_ID", release.version, sizeof release.version);
    for (size_t index = 0; index < sizeof stand_ins / sizeof stand_ins[0]; index++) {
        if (!stands_in(&stand_ins[index], &release))
            continue;
        *machine = find_row(stand_ins[index].family, stand_ins[index].stands_for, architecture);
        if (*machine)
            return 0;
    }
    return error_set(error, -ENOTSUP, "no machine type stands for this host (%s %s, %s)",
                     release.id[0] ? release.id : "unknown system",
                     release.version[0] ? release.version : "without a version", architecture);
}

int machine_detect(const struct machine **machine, struct error *error)
{
    struct utsname name;
    if (uname(&name) < 0)
        return error_system(error, -errno, "asking for the architecture");
    auto_text struct text os_release = TEXT_INIT;
    int result = file_load(AT_FDCWD, "/etc/os-release", OS_RELEASE_LIMIT, &os_release);
    if (result == -ENOENT)
        result = file_load(AT_FDCWD, "/usr/lib/os-release", OS_RELEASE_LIMIT, &os_release);
    if (result < 0)
        return error_system(error, result, "reading /etc/os-release");
    return machine_match(os_release.bytes ? os_release.bytes : "", name.machine, machine, error);
}
