#include "payload/client/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "payload/base/scope.h"

const char options_usage[] =
    "usage: cvmfs2 [-hVsfdk] [-o OPTION,...] REPOSITORY MOUNTPOINT\n"
    "Mounts a CernVM-FS repository. MOUNTPOINT is a directory, or /dev/fd/N for a descriptor of\n"
    "/dev/fuse that is mounted already.\n"
    "  -h  this help            -V  the version\n"
    "  -f  stay in foreground   -s  a single thread\n"
    "  -k  print the configuration and exit\n"
    "  -d  stay in foreground and trace FUSE\n"
    "  -o config=FILE[:FILE...]     read these configuration files only\n"
    "  -o debug                     write the log that CVMFS_DEBUGLOG names\n"
    "  -o uid=N,gid=N               run as this user and group\n"
    "  -o simple_options_parsing    configuration files are NAME=value lines, not shell\n"
    "  -o grab_mountpoint, system_mount, cvmfs_suid, foreground, parse, fuse_debug\n"
    "Other -o options go to FUSE.\n";

/* A whole decimal number. */
static int parse_id(const char *text, unsigned *id, struct error *error)
{
    char *end;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || errno || value >= (unsigned)-1)
        return error_set(error, -EINVAL, "'%s' is not a user or group number", text);
    *id = (unsigned)value;
    return 0;
}

/* Options that set a flag; a NULL flag is one to pass over. */
static bool *flag_of(struct options *options, const char *name)
{
    const struct {
        const char *name;
        bool *flag;
    } rows[] = {
        {"system_mount", &options->system_mount},
        {"grab_mountpoint", &options->grab_mountpoint},
        {"cvmfs_suid", &options->suid},
        {"simple_options_parsing", &options->simple_parsing},
        {"foreground", &options->foreground},
        {"debug", &options->debug},
        {"fuse_debug", &options->fuse_debug},
        {"parse", &options->print_parameters},
    };
    for (size_t index = 0; index < sizeof rows / sizeof rows[0]; index++)
        if (strcmp(rows[index].name, name) == 0)
            return rows[index].flag;
    return NULL;
}

/* What mount(8), fstab and the official client know and this client has no use for: there is no
 * watchdog process, and one FUSE library. */
static bool is_without_effect(const char *option)
{
    static const char *const names[] = {"_netdev", "user",   "nouser",           "users",
                                        "auto",    "noauto", "disable_watchdog", "libfuse=3"};
    for (size_t index = 0; index < sizeof names / sizeof names[0]; index++)
        if (strcmp(names[index], option) == 0)
            return true;
    return false;
}

static int parse_option(struct options *options, const char *option, struct error *error)
{
    bool *flag = flag_of(options, option);
    if (flag) {
        *flag = true;
        return 0;
    }
    if (strncmp(option, "config=", 7) == 0) {
        free(options->config);
        options->config = strdup(option + 7);
        return options->config ? 0 : error_system(error, -ENOMEM, "reading the options");
    }
    if (strncmp(option, "uid=", 4) == 0 || strncmp(option, "gid=", 4) == 0) {
        options->change_ids = true;
        return parse_id(option + 4, *option == 'u' ? &options->uid : &options->gid, error);
    }
    if (strcmp(option, "libfuse=2") == 0)
        return error_set(error, -EINVAL, "this client has libfuse 3 only");
    if (*option == '\0' || is_without_effect(option))
        return 0;
    int result = options->fuse.length ? text_append(&options->fuse, ",", 1) : 0;
    if (result == 0)
        result = text_append_string(&options->fuse, option);
    return result < 0 ? error_system(error, result, "reading the options") : 0;
}

static int parse_list(struct options *options, const char *list, struct error *error)
{
    auto_free char *copy = strdup(list);
    if (!copy)
        return error_system(error, -ENOMEM, "reading the options");
    char *rest = copy;
    int result = 0;
    for (char *option = strsep(&rest, ","); option && result == 0; option = strsep(&rest, ","))
        result = parse_option(options, option, error);
    return result;
}

int options_parse(int count, char **arguments, struct options *options, struct error *error)
{
    *options = (struct options){.uid = (uid_t)-1, .gid = (gid_t)-1, .fuse = TEXT_INIT};
    opterr = 0;
    optind = 0;
    int result = 0;
    for (int letter; result == 0 && (letter = getopt(count, arguments, "hVsfdko:")) != -1;) {
        switch (letter) {
        case 'h':
            options->help = true;
            break;
        case 'V':
            options->version = true;
            break;
        case 's':
            options->single_threaded = true;
            break;
        case 'f':
            options->foreground = true;
            break;
        case 'd':
            options->fuse_debug = true;
            break;
        case 'k':
            options->print_parameters = true;
            break;
        case 'o':
            result = parse_list(options, optarg, error);
            break;
        default:
            result = error_set(error, -EINVAL, "unknown option -%c", optopt);
        }
    }
    if (result < 0 || options->help || options->version)
        return result;
    options->foreground |= options->fuse_debug;
    int names = count - optind;
    if (names > 2 || names < (options->print_parameters ? 1 : 2))
        return error_set(error, -EINVAL, "a repository and a mountpoint are needed");
    options->fqrn = arguments[optind];
    options->mountpoint = names == 2 ? arguments[optind + 1] : NULL;
    return 0;
}

void options_free(struct options *options)
{
    free(options->config);
    text_free(&options->fuse);
}
