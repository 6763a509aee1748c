/* Options and repositories come first, then "--", then the command. Not getopt(3): glibc's would
 * move words around, and look for options behind the first repository or not as $POSIXLY_CORRECT
 * says, and musl's says things in its own words. */
#include "payload/launch/command_line.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "payload/launch/fqrn.h"

#define SESSION_NAME_LIMIT 64

const char command_line_usage[] =
    "Usage: cvmfsexec [-N] [-m image] [repo ...] -- [command ...]\n"
    "Runs the command (default: $SHELL) with the repositories mounted under /cvmfs.\n"
    "       cvmfsexec [-N] [-m image] [--idle TIME] [--with-pid PID] --session NAME\n"
    "                 [repo ...]\n"
    "Mounts them and returns: they stay until --end, or unused for an hour (--idle).\n"
    "       cvmfsexec [-N] --join NAME -- [command ...]\n"
    "Runs the command there.\n"
    "       cvmfsexec --end NAME\n"
    "Ends what runs there, and unmounts.\n"
    "       cvmfsexec --check\n"
    "Tells what this node allows, and what is missing.\n"
    "  -N, --no-mount-requests  the command cannot mount or unmount repositories\n"
    "  -m, --image IMAGE        mount this ext2/3/4 image at /e2fs, for the cache\n"
    "      --session NAME       start a session; one that exists is used as it is\n"
    "      --idle TIME          how long it stays unused: 90, 30m, 2h; 0: for ever\n"
    "      --with-pid PID       it ends with this process\n"
    "      --join NAME          run the command in a session\n"
    "      --end NAME           end a session\n"
    "      --check              tell what this node allows, and end\n"
    "  -v, --version            show the version and end\n"
    "  -h, --help               show this and end\n";

/* What an option does with the line; `value` is NULL for one that takes none. */
typedef int option_apply(struct command_line *line, const char *value, struct error *error);

struct option {
    const char *name;
    option_apply *apply;
    char letter; /* or '\0' */
    bool takes_value;
};

static int set_action(struct command_line *line, enum command_line_action action,
                      struct error *error)
{
    if (line->action != ACTION_RUN)
        return error_set(error, -EINVAL,
                         "only one of --check, --session, --join and --end is possible, once");
    line->action = action;
    return 0;
}

static int set_session(struct command_line *line, enum command_line_action action, const char *name,
                       struct error *error)
{
    if (!fqrn_is_valid(name) || strlen(name) > SESSION_NAME_LIMIT)
        return error_set(error, -EINVAL,
                         "'%s' is not a name of a session: at most 64 letters, digits, '.', '-' "
                         "and '_', the first a letter or a digit",
                         name);
    line->session = name;
    return set_action(line, action, error);
}

static int apply_no_requests(struct command_line *line, const char *value, struct error *error)
{
    (void)value;
    (void)error;
    line->no_requests = true;
    return 0;
}

static int apply_version(struct command_line *line, const char *value, struct error *error)
{
    (void)value;
    (void)error;
    line->action = ACTION_VERSION;
    return 0;
}

static int apply_help(struct command_line *line, const char *value, struct error *error)
{
    (void)value;
    (void)error;
    line->action = ACTION_HELP;
    return 0;
}

static int apply_image(struct command_line *line, const char *value, struct error *error)
{
    if (!*value)
        return error_set(error, -EINVAL, "-m: the name of an image is missing");
    line->image = value;
    return 0;
}

static int apply_check(struct command_line *line, const char *value, struct error *error)
{
    (void)value;
    return set_action(line, ACTION_CHECK, error);
}

static int apply_session(struct command_line *line, const char *value, struct error *error)
{
    return set_session(line, ACTION_SESSION, value, error);
}

static int apply_join(struct command_line *line, const char *value, struct error *error)
{
    return set_session(line, ACTION_JOIN, value, error);
}

static int apply_end(struct command_line *line, const char *value, struct error *error)
{
    return set_session(line, ACTION_END, value, error);
}

/* Decimal digits up to `*end`: the number, or -1 when there are none or it is more than `most`. */
static long parse_number(const char *digits, long most, const char **end)
{
    long number = 0;
    for (*end = digits; isdigit((unsigned char)**end); (*end)++) {
        int digit = **end - '0';
        if (number > (most - digit) / 10)
            return -1;
        number = 10 * number + digit;
    }
    return *end == digits ? -1 : number;
}

static int apply_with_pid(struct command_line *line, const char *value, struct error *error)
{
    const char *end;
    long pid = parse_number(value, INT_MAX, &end);
    if (pid <= 0 || *end)
        return error_set(error, -EINVAL, "--with-pid: '%s' is not the number of a process", value);
    line->with_pid = (pid_t)pid;
    return 0;
}

static long seconds_of(const char *unit)
{
    static const struct {
        const char *unit;
        long seconds;
    } units[] = {{"", 1}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}};
    for (size_t index = 0; index < sizeof units / sizeof *units; index++) {
        if (strcmp(unit, units[index].unit) == 0)
            return units[index].seconds;
    }
    return 0;
}

static int apply_idle(struct command_line *line, const char *value, struct error *error)
{
    const long most = INT_MAX / 86400; /* of any unit, so that the product fits */
    const char *unit;
    long number = parse_number(value, INT_MAX, &unit);
    long seconds = number < 0 ? 0 : seconds_of(unit);
    if (seconds == 0 || (seconds > 1 && number > most))
        return error_set(error, -EINVAL,
                         "--idle: '%s' is not a time, like 90, 90s, 30m, 2h or 7d; 0: never",
                         value);
    line->idle_seconds = number * seconds;
    return 0;
}

static const struct option options[] = {
    {"no-mount-requests", apply_no_requests, 'N', false},
    {"version", apply_version, 'v', false},
    {"help", apply_help, 'h', false},
    {"image", apply_image, 'm', true},
    {"check", apply_check, '\0', false},
    {"session", apply_session, '\0', true},
    {"join", apply_join, '\0', true},
    {"end", apply_end, '\0', true},
    {"with-pid", apply_with_pid, '\0', true},
    {"idle", apply_idle, '\0', true},
};

static bool ends_parsing(const struct command_line *line)
{
    return line->action == ACTION_VERSION || line->action == ACTION_HELP;
}

/* Takes the next argument as the value of an option. */
static const char *take_value(char ***arguments)
{
    const char *value = (*arguments)[1];
    if (!value || strcmp(value, "--") == 0)
        return NULL;
    (*arguments)++;
    return value;
}

/* "-abc", or "-abVALUE" or "-ab VALUE" when b takes a value. */
static int apply_letters(struct command_line *line, char ***arguments, struct error *error)
{
    int result = 0;
    for (const char *letter = **arguments + 1; result == 0 && *letter; letter++) {
        const struct option *option = NULL;
        for (size_t index = 0; !option && index < sizeof options / sizeof *options; index++)
            option = options[index].letter == *letter ? &options[index] : NULL;
        if (!option)
            return error_set(error, -EINVAL, "unknown option -%c", *letter);
        if (!option->takes_value) {
            result = option->apply(line, NULL, error);
            if (ends_parsing(line))
                return result;
            continue;
        }
        const char *value = letter[1] ? letter + 1 : take_value(arguments);
        if (!value)
            return error_set(error, -EINVAL, "-%c: a value is missing", *letter);
        return option->apply(line, value, error);
    }
    return result;
}

/* "--name", "--name=VALUE" or "--name VALUE". */
static int apply_word(struct command_line *line, char ***arguments, struct error *error)
{
    const char *word = **arguments + 2;
    const size_t length = strcspn(word, "=");
    const struct option *option = NULL;
    for (size_t index = 0; !option && index < sizeof options / sizeof *options; index++) {
        const char *name = options[index].name;
        if (strlen(name) == length && memcmp(name, word, length) == 0)
            option = &options[index];
    }
    if (!option)
        return error_set(error, -EINVAL, "unknown option --%.*s", (int)length, word);
    const char *value = word[length] == '=' ? word + length + 1 : NULL;
    if (value && !option->takes_value)
        return error_set(error, -EINVAL, "--%s takes no value", option->name);
    if (!value && option->takes_value)
        value = take_value(arguments);
    if (!value && option->takes_value)
        return error_set(error, -EINVAL, "--%s: a value is missing", option->name);
    return option->apply(line, value, error);
}

static int add_repository(struct command_line *line, const char *fqrn, struct error *error)
{
    if (!fqrn_is_valid(fqrn))
        return error_set(error, -EINVAL, "'%s' is not a name of a repository", fqrn);
    if (strings_contain(&line->repositories, fqrn))
        return 0;
    int result = strings_add(&line->repositories, fqrn);
    return result < 0 ? error_system(error, result, "reading the command line") : 0;
}

/* What is meaningless would not be noticed if it were passed over. */
static int check_combination(const struct command_line *line, struct error *error)
{
    const bool mounts = line->action == ACTION_RUN || line->action == ACTION_SESSION;
    const bool runs = line->action == ACTION_RUN || line->action == ACTION_JOIN;
    if (line->action != ACTION_SESSION && line->with_pid != 0)
        return error_set(error, -EINVAL, "--with-pid is for --session only");
    if (line->action != ACTION_SESSION && line->idle_seconds >= 0)
        return error_set(error, -EINVAL, "--idle is for --session only");
    if (!mounts && line->image)
        return error_set(error, -EINVAL, "-m is for a run or a --session only");
    if (!mounts && !runs && line->no_requests)
        return error_set(error, -EINVAL, "-N is for what runs a command or a --session only");
    if (line->action == ACTION_JOIN && line->repositories.count > 0)
        return error_set(error, -EINVAL,
                         "--join takes no repositories: its command can mount with $CVMFSMOUNT");
    if (!mounts && line->repositories.count > 0)
        return error_set(error, -EINVAL, "repositories are for a run or a --session only");
    if (runs && !line->command)
        return error_set(error, -EINVAL, "'--' is missing");
    if (line->action == ACTION_SESSION && line->command)
        return error_set(error, -EINVAL, "--session runs no command: that is what --join is for");
    if (!runs && line->command)
        return error_set(error, -EINVAL, "no command is run here: '--' has no place");
    return 0;
}

int command_line_parse(struct command_line *line, char **arguments, struct error *error)
{
    if (!*arguments) /* execve(2) may leave out even the program's own name */
        return error_set(error, -EINVAL, "no arguments");
    for (arguments++; *arguments && strcmp(*arguments, "--") != 0; arguments++) {
        const char *argument = *arguments;
        int result;
        if (argument[0] == '-' && argument[1] == '-')
            result = apply_word(line, &arguments, error);
        else if (argument[0] == '-' && argument[1] != '\0')
            result = apply_letters(line, &arguments, error);
        else
            result = add_repository(line, argument, error);
        if (result < 0 || ends_parsing(line))
            return result;
    }
    line->command = *arguments ? arguments + 1 : NULL;
    return check_combination(line, error);
}

void command_line_free(struct command_line *line)
{
    strings_free(&line->repositories);
}
