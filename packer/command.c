#include "packer/command.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

enum long_only { OPTION_LEVEL = 256, OPTION_THREADS, OPTION_EXCLUDE, OPTION_VERSION };

static const struct option options[] = {
    {"sing", no_argument, NULL, 's'},
    {"native", no_argument, NULL, 'n'},
    {"client-version", required_argument, NULL, 'v'},
    {"machine", required_argument, NULL, 'm'},
    {"output", required_argument, NULL, 'o'},
    {"quiet", no_argument, NULL, 'q'},
    {"help", no_argument, NULL, 'h'},
    {"level", required_argument, NULL, OPTION_LEVEL},
    {"threads", required_argument, NULL, OPTION_THREADS},
    {"exclude", required_argument, NULL, OPTION_EXCLUDE},
    {"version", no_argument, NULL, OPTION_VERSION},
    {NULL, 0, NULL, 0},
};

const char command_help[] =
    "Usage: makedist [-sq] -n [-m TYPE] none\n"
    "       makedist [-sq] [--level=N] [--threads=N] [--exclude=PATTERN] -o FILE\n"
    "\n"
    "The first makes 'dist' beside this program (here, if it is installed): a\n"
    "CernVM-FS client with all it needs to run on any Linux node. Edit dist/etc/cvmfs\n"
    "as your site needs it: proxy in default.local, more in default.d, domain.d,\n"
    "config.d and keys. The second packs dist and the commands into FILE, one\n"
    "executable for all nodes: './FILE REPOSITORY... -- COMMAND'.\n"
    "\n"
    "  -n, --native            the client that comes with this program: no download\n"
    "  -m, --machine=TYPE      machine type, as rhel9-x86_64; default: this host's\n"
    "  -s, --sing              for singcvmfs instead of cvmfsexec\n"
    "  -o, --output=FILE       pack dist into FILE, replacing it\n"
    "      --level=N           1 (fast) to 22 (small) of zstd; default 19\n"
    "      --threads=N         compress on N cores; default all\n"
    "      --exclude=PATTERN   leave out names like this ('dist/usr/share/*'); repeat\n"
    "  -q, --quiet             print errors only\n"
    "  -h, --help, --version\n"
    "\n"
    "Exit status: 0; 2 for a wrong command line or a host without a machine type; 1\n"
    "for an unsupported -m, and for all that goes wrong later.\n";

/* A whole number from 1 to `most`. */
static int read_number(const char *text, const char *option, long most, long *number,
                       struct error *error)
{
    char *end;
    errno = 0;
    *number = strtol(text, &end, 10);
    if (end == text || *end != '\0' || errno != 0 || *number < 1 || *number > most)
        return error_set(error, -EINVAL, "%s wants a number from 1 to %ld, not \"%s\"", option,
                         most, text);
    return 0;
}

static int read_option(int option, char *value, struct command *command, struct error *error)
{
    long number = 0;
    int result = 0;
    switch (option) {
    case 's':
        command->sing = true;
        return 0;
    case 'n':
        command->native = true;
        return 0;
    case 'q':
        command->quiet = true;
        return 0;
    case 'h':
        command->help = true;
        return 0;
    case OPTION_VERSION:
        command->version = true;
        return 0;
    case 'v':
        command->client = value;
        return 0;
    case 'm':
        command->machine = value;
        return 0;
    case 'o':
        command->output = value;
        return *value ? 0 : error_set(error, -EINVAL, "-o wants the name of a file");
    case OPTION_LEVEL:
        result = read_number(value, "--level", 22, &number, error);
        command->level = (int)number;
        return result;
    case OPTION_THREADS:
        result = read_number(value, "--threads", 1024, &number, error);
        command->threads = (unsigned)number;
        return result;
    case OPTION_EXCLUDE:
        result = strings_add(&command->exclude, value);
        return result < 0 ? error_system(error, result, "reading --exclude") : 0;
    default:
        return error_set(error, -EINVAL, "unknown option");
    }
}

static int check_packing(const struct command *command, struct error *error)
{
    if (command->source)
        return error_set(error, -EINVAL, "-o packs the tree that is there: \"%s\" is too much",
                         command->source);
    if (command->native || command->client)
        return error_set(error, -EINVAL, "%s is for making a tree, -o is for packing it",
                         command->native ? "-n" : "-v");
    return 0;
}

static int check_making(const struct command *command, struct error *error)
{
    static const char *const sources[] = {"osg", "egi", "default", "none"};
    if (!command->source)
        return error_set(error, -EINVAL, "one of osg, egi, default, none, or -o FILE is missing");
    if (command->level || command->threads || command->exclude.count > 0)
        return error_set(error, -EINVAL, "--level, --threads and --exclude are for -o");
    if (command->native && command->client)
        return error_set(error, -EINVAL, "-v chooses an official client, -n none of them");
    for (size_t index = 0; index < sizeof sources / sizeof sources[0]; index++)
        if (strcmp(command->source, sources[index]) == 0)
            return 0;
    return error_set(error, -EINVAL, "\"%s\" is none of osg, egi, default, none", command->source);
}

int command_read(int count, char **arguments, struct command *command, struct error *error)
{
    optind = 0; /* glibc: begin anew */
    opterr = 0;
    for (int option;
         (option = getopt_long(count, arguments, ":snv:m:o:qh", options, NULL)) != -1;) {
        if (option == ':')
            return error_set(error, -EINVAL, "%s wants a value", arguments[optind - 1]);
        if (option == '?')
            return optopt && optopt < 256
                       ? error_set(error, -EINVAL, "unknown option -%c", optopt)
                       : error_set(error, -EINVAL, "wrong option %s", arguments[optind - 1]);
        int result = read_option(option, optarg, command, error);
        if (result < 0)
            return result;
    }
    if (command->help || command->version)
        return 0;
    if (optind < count)
        command->source = arguments[optind];
    if (count - optind > 1)
        return error_set(error, -EINVAL, "\"%s\" is too much", arguments[optind + 1]);
    return command->output ? check_packing(command, error) : check_making(command, error);
}

void command_free(struct command *command)
{
    strings_free(&command->exclude);
}
