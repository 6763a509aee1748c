/* Options come first, then repositories, then "--", which must be there, then the command. */
#include "payload/launch/command_line.h"

#include <errno.h>
#include <string.h>

#include "payload/launch/fqrn.h"

const char command_line_usage[] =
    "Usage: cvmfsexec [-N] [repo ...] -- [command ...]\n"
    "Runs the command (default: $SHELL) with the repositories mounted under /cvmfs.\n"
    "  -N, --no-mount-requests  the command cannot mount or unmount repositories\n"
    "  -v, --version            show the version and end\n"
    "  -h, --help               show this and end\n";

static int apply_letter(struct command_line *line, char letter, struct error *error)
{
    switch (letter) {
    case 'N':
        line->no_requests = true;
        return 0;
    case 'v':
        line->show_version = true;
        return 0;
    case 'h':
        line->show_help = true;
        return 0;
    case 'm':
        return error_set(error, -EINVAL, "-m: this version mounts no file system images");
    default:
        return error_set(error, -EINVAL, "unknown option -%c", letter);
    }
}

static int apply_word(struct command_line *line, const char *word, struct error *error)
{
    static const struct {
        const char *name;
        char letter;
    } names[] = {{"no-mount-requests", 'N'}, {"version", 'v'}, {"help", 'h'}};
    for (size_t index = 0; index < sizeof names / sizeof *names; index++) {
        if (strcmp(word, names[index].name) == 0)
            return apply_letter(line, names[index].letter, error);
    }
    return error_set(error, -EINVAL, "unknown option --%s", word);
}

static bool is_option(const char *argument)
{
    return argument && argument[0] == '-' && argument[1] != '\0' && strcmp(argument, "--") != 0;
}

static int apply_option(struct command_line *line, const char *argument, struct error *error)
{
    if (argument[1] == '-')
        return apply_word(line, argument + 2, error);
    int result = 0;
    for (const char *letter = argument + 1; result == 0 && *letter; letter++)
        result = apply_letter(line, *letter, error);
    return result;
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

int command_line_parse(struct command_line *line, char **arguments, struct error *error)
{
    if (!*arguments) /* execve(2) may leave out even the program's own name */
        return error_set(error, -EINVAL, "no arguments");
    int result = 0;
    for (arguments++; result == 0 && is_option(*arguments); arguments++) {
        result = apply_option(line, *arguments, error);
        if (result == 0 && (line->show_version || line->show_help))
            return 0;
    }
    for (; result == 0 && *arguments && strcmp(*arguments, "--") != 0; arguments++)
        result = add_repository(line, *arguments, error);
    if (result == 0 && !*arguments)
        return error_set(error, -EINVAL, "'--' is missing");
    line->command = arguments + 1;
    return result;
}

void command_line_free(struct command_line *line)
{
    strings_free(&line->repositories);
}
