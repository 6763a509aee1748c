#include "packer/command.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

enum long_only {
    OPTION_LEVEL = 256,
    OPTION_THREADS,
    OPTION_EXCLUDE,
    OPTION_WITH_CACHE,
    OPTION_INSPECT,
    OPTION_EXTRACT,
    OPTION_VERIFY,
    OPTION_VERSION,
    OPTION_SOURCES,
    OPTION_CACHE,
    OPTION_KEYS,
    OPTION_REQUIRE_SIGNATURES,
    OPTION_NO_CLOSURE,
    OPTION_DRY_RUN,
    OPTION_LIST_TYPES,
    OPTION_LIST_SOURCES,
};

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
    {"with-cache", no_argument, NULL, OPTION_WITH_CACHE},
    {"inspect", required_argument, NULL, OPTION_INSPECT},
    {"extract", required_argument, NULL, OPTION_EXTRACT},
    {"verify", required_argument, NULL, OPTION_VERIFY},
    {"version", no_argument, NULL, OPTION_VERSION},
    {"sources", required_argument, NULL, OPTION_SOURCES},
    {"cache", required_argument, NULL, OPTION_CACHE},
    {"keys", required_argument, NULL, OPTION_KEYS},
    {"require-signatures", no_argument, NULL, OPTION_REQUIRE_SIGNATURES},
    {"no-closure", no_argument, NULL, OPTION_NO_CLOSURE},
    {"dry-run", no_argument, NULL, OPTION_DRY_RUN},
    {"list-types", no_argument, NULL, OPTION_LIST_TYPES},
    {"list-sources", no_argument, NULL, OPTION_LIST_SOURCES},
    {NULL, 0, NULL, 0},
};

const char command_help[] =
    "Usage: makedist [OPTION]... {osg|egi|default|none} | -o FILE\n"
    "The first makes 'dist' beside this program (here, if it is installed): a client\n"
    "of CernVM-FS for any node. -o packs it; then: ./FILE REPOSITORY... -- COMMAND\n"
    "  -n, --native            the client of this program instead of the official one\n"
    "  -v, --client-version=X.Y.Z  the version of that; default: the newest\n"
    "  -m, --machine=TYPE      machine type, see --list-types; default: this host's\n"
    "  -s, --sing              for singcvmfs instead of cvmfsexec\n"
    "      --sources=FILE      where packages are, over what --list-sources shows\n"
    "      --cache=DIR         where downloads are kept; default ~/.cache/cvmfsexec\n"
    "      --keys=DIR          OpenPGP keys that sign packages\n"
    "      --require-signatures  refuse packages that none of them signed\n"
    "      --no-closure        leave loader, libc and the like to the node\n"
    "      --dry-run           only print the URLs of what would be downloaded\n"
    "  -o, --output=FILE       pack dist into FILE, replacing it\n"
    "      --level=N           1 (fast) to 22 (small) of zstd; default 19\n"
    "      --threads=N         compress on N cores; default all\n"
    "      --exclude=PATTERN   leave out names like this ('dist/usr/share/*'); repeat\n"
    "      --with-cache        pack the cache, too: for jobs without a network\n"
    "      --inspect=FILE      print what FILE is and what is in it\n"
    "      --extract=FILE DIR  unpack FILE into DIR, for any machine type\n"
    "      --verify=FILE       compare the checksums of FILE with its content\n"
    "  -q, --quiet             print errors only\n"
    "  -h, --help, --version, --list-types, --list-sources\n"
    "Exit status: 0; 1 failed; 2 wrong command line or unknown host. See man makedist\n";

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

static int read_text(const char *value, const char *option, const char *what, const char **text,
                     struct error *error)
{
    *text = value;
    return *value ? 0 : error_set(error, -EINVAL, "%s wants the name of a %s", option, what);
}

/* Options that say what is to be done with which file: there can be one only. */
static int read_file(enum command_action action, const char *option, const char *value,
                     struct command *command, struct error *error)
{
    if (command->action == COMMAND_MAKE)
        command->action = action;
    else if (command->file && command->action != action)
        return error_set(error, -EINVAL,
                         "-o, --inspect, --extract and --verify exclude each other");
    return read_text(value, option, "file", &command->file, error);
}

/* Options that are a word for themselves. */
static bool read_switch(int option, struct command *command)
{
    switch (option) {
    case 's':
        command->sing = true;
        return true;
    case 'n':
        command->native = true;
        return true;
    case 'q':
        command->quiet = true;
        return true;
    case OPTION_REQUIRE_SIGNATURES:
        command->require_signatures = true;
        return true;
    case OPTION_WITH_CACHE:
        command->with_cache = true;
        return true;
    case OPTION_NO_CLOSURE:
        command->without_closure = true;
        return true;
    case OPTION_DRY_RUN:
        command->dry_run = true;
        return true;
    default:
        return false;
    }
}

/* Options that say what is to be done; the first one counts. */
static bool read_action(int option, struct command *command)
{
    static const struct {
        int option;
        enum command_action action;
    } actions[] = {{'h', COMMAND_HELP},
                   {OPTION_VERSION, COMMAND_VERSION},
                   {OPTION_LIST_TYPES, COMMAND_LIST_TYPES},
                   {OPTION_LIST_SOURCES, COMMAND_LIST_SOURCES}};
    for (size_t index = 0; index < sizeof actions / sizeof actions[0]; index++) {
        if (actions[index].option != option)
            continue;
        if (command->action == COMMAND_MAKE || command->file)
            command->action = actions[index].action;
        return true;
    }
    return false;
}

static int read_value(int option, char *value, struct command *command, struct error *error)
{
    long number = 0;
    int result = 0;
    switch (option) {
    case 'v':
        command->client = value;
        return 0;
    case 'm':
        command->machine = value;
        return 0;
    case 'o':
        return read_file(COMMAND_PACK, "-o", value, command, error);
    case OPTION_INSPECT:
        return read_file(COMMAND_INSPECT, "--inspect", value, command, error);
    case OPTION_EXTRACT:
        return read_file(COMMAND_EXTRACT, "--extract", value, command, error);
    case OPTION_VERIFY:
        return read_file(COMMAND_VERIFY, "--verify", value, command, error);
    case OPTION_SOURCES:
        return read_text(value, "--sources", "file", &command->sources, error);
    case OPTION_CACHE:
        return read_text(value, "--cache", "directory", &command->cache, error);
    case OPTION_KEYS:
        return read_text(value, "--keys", "directory", &command->keys, error);
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

/* The first option that was given of those that mean nothing here, or NULL. */
struct misplaced {
    bool given;
    const char *option;
};

static const char *first_given(const struct misplaced *options_given, size_t count)
{
    for (size_t index = 0; index < count; index++)
        if (options_given[index].given)
            return options_given[index].option;
    return NULL;
}

static const char *option_of_making(const struct command *command)
{
    const struct misplaced misplaced[] = {
        {command->native, "-n"},
        {command->client, "-v"},
        {command->sources, "--sources"},
        {command->cache, "--cache"},
        {command->keys, "--keys"},
        {command->require_signatures, "--require-signatures"},
        {command->without_closure, "--no-closure"},
        {command->dry_run, "--dry-run"},
    };
    return first_given(misplaced, sizeof misplaced / sizeof misplaced[0]);
}

static const char *option_of_packing(const struct command *command)
{
    const struct misplaced misplaced[] = {
        {command->level != 0, "--level"},
        {command->threads != 0, "--threads"},
        {command->exclude.count > 0, "--exclude"},
        {command->with_cache, "--with-cache"},
    };
    return first_given(misplaced, sizeof misplaced / sizeof misplaced[0]);
}

static int check_packing(const struct command *command, struct error *error)
{
    const char *option = option_of_making(command);
    if (command->source)
        return error_set(error, -EINVAL, "-o packs the tree that is there: \"%s\" is too much",
                         command->source);
    if (option)
        return error_set(error, -EINVAL, "%s is for making a tree, -o is for packing it", option);
    return 0;
}

/* --inspect, --extract, --verify: the file says all that there is to know. */
static int check_reading(struct command *command, struct error *error)
{
    const struct misplaced misplaced[] = {{command->sing, "-s"}, {command->machine, "-m"}};
    const char *option = option_of_making(command);
    if (!option)
        option = option_of_packing(command);
    if (!option)
        option = first_given(misplaced, sizeof misplaced / sizeof misplaced[0]);
    if (option)
        return error_set(error, -EINVAL, "%s means nothing for a file that is there", option);
    if (command->action != COMMAND_EXTRACT)
        return command->source ? error_set(error, -EINVAL, "\"%s\" is too much", command->source)
                               : 0;
    command->directory = command->source;
    command->source = NULL;
    return command->directory && *command->directory
               ? 0
               : error_set(error, -EINVAL, "--extract wants a file and a directory");
}

static int check_making(const struct command *command, struct error *error)
{
    static const char *const sources[] = {"osg", "egi", "default", "none"};
    if (!command->source)
        return error_set(error, -EINVAL, "one of osg, egi, default, none, or -o FILE is missing");
    const char *option = option_of_packing(command);
    if (option)
        return error_set(error, -EINVAL, "%s is for -o", option);
    if (command->native && command->client)
        return error_set(error, -EINVAL, "-v chooses an official client, -n none of them");
    if (command->native && command->without_closure)
        return error_set(error, -EINVAL, "--no-closure is for official clients, -n is another");
    for (size_t index = 0; index < sizeof sources / sizeof sources[0]; index++)
        if (strcmp(command->source, sources[index]) == 0)
            return 0;
    return error_set(error, -EINVAL, "\"%s\" is none of osg, egi, default, none", command->source);
}

/* Answered whatever else is on the command line. */
static bool is_question(enum command_action action)
{
    return action == COMMAND_HELP || action == COMMAND_VERSION || action == COMMAND_LIST_TYPES ||
           action == COMMAND_LIST_SOURCES;
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
        if (read_switch(option, command) || read_action(option, command))
            continue;
        int result = read_value(option, optarg, command, error);
        if (result < 0)
            return result;
    }
    if (optind < count)
        command->source = arguments[optind];
    if (is_question(command->action))
        return 0;
    if (count - optind > 1)
        return error_set(error, -EINVAL, "\"%s\" is too much", arguments[optind + 1]);
    if (command->action == COMMAND_MAKE)
        return check_making(command, error);
    return command->action == COMMAND_PACK ? check_packing(command, error)
                                           : check_reading(command, error);
}

void command_free(struct command *command)
{
    strings_free(&command->exclude);
}
