/* payload/launch/command_line: what each line means, and the words for what means nothing. */
#include <errno.h>

#include "payload/launch/command_line.h"
#include "tests/unit/tap.h"

#define WORDS_LIMIT 12

/* Parses words that are separated by single blanks. */
struct parsed {
    char text[300];
    char *arguments[WORDS_LIMIT + 2];
    struct command_line line;
    struct error error;
    int result;
};

static void parsed_free(struct parsed *parsed)
{
    command_line_free(&parsed->line);
}

#define auto_parsed __attribute__((cleanup(parsed_free)))

static void parse(struct parsed *parsed, const char *words)
{
    *parsed = (struct parsed){.line = COMMAND_LINE_INIT, .error = ERROR_INIT};
    (void)snprintf(parsed->text, sizeof parsed->text, "cvmfsexec %s", words);
    char *rest = parsed->text;
    for (size_t count = 0; rest && count < WORDS_LIMIT; count++)
        parsed->arguments[count] = strsep(&rest, " ");
    parsed->result = command_line_parse(&parsed->line, parsed->arguments, &parsed->error);
}

static void a_line_is_options_repositories_and_a_command(void)
{
    auto_parsed struct parsed parsed;
    parse(&parsed, "-N a.org b.org a.org -- run -v");
    const struct command_line *line = &parsed.line;
    CHECK(parsed.result == 0 && line->action == ACTION_RUN && line->no_requests &&
              line->repositories.count == 2 && strcmp(line->repositories.items[1], "b.org") == 0 &&
              line->command == parsed.arguments + 6,
          "each repository counts once, and what is behind -- is the command's");
    auto_parsed struct parsed behind;
    parse(&behind, "a.org -N --");
    CHECK(behind.result == 0 && behind.line.no_requests && behind.line.command &&
              !behind.line.command[0],
          "an option may stand behind a repository, and the command may be missing");
}

static void options_take_their_values_in_every_usual_way(void)
{
    static const char *const lines[] = {"-m i --",      "-mi --",       "-Nm i --",     "-Nmi --",
                                        "--image i --", "--image=i --", "a.org -m i --"};
    for (size_t index = 0; index < sizeof lines / sizeof *lines; index++) {
        auto_parsed struct parsed parsed;
        parse(&parsed, lines[index]);
        CHECK(parsed.result == 0 && parsed.line.image && strcmp(parsed.line.image, "i") == 0,
              "an image: %s", lines[index]);
    }
}

static void actions_are_understood(void)
{
    static const struct {
        const char *words;
        enum command_line_action action;
        const char *session;
    } lines[] = {
        {"-v", ACTION_VERSION, NULL},
        {"-vN ../nonsense", ACTION_VERSION, NULL},
        {"-Nv -x", ACTION_VERSION, NULL},
        {"--version", ACTION_VERSION, NULL},
        {"--check -h", ACTION_HELP, NULL},
        {"--help", ACTION_HELP, NULL},
        {"--check", ACTION_CHECK, NULL},
        {"--session s a.org", ACTION_SESSION, "s"},
        {"--session=s", ACTION_SESSION, "s"},
        {"-N --session 4711.0 --with-pid 1 a.org --idle=0", ACTION_SESSION, "4711.0"},
        {"--join s --", ACTION_JOIN, "s"},
        {"--join s -N -- id", ACTION_JOIN, "s"},
        {"--end s", ACTION_END, "s"},
    };
    for (size_t index = 0; index < sizeof lines / sizeof *lines; index++) {
        auto_parsed struct parsed parsed;
        parse(&parsed, lines[index].words);
        const char *session = lines[index].session;
        CHECK(parsed.result == 0 && parsed.line.action == lines[index].action &&
                  (!session || strcmp(parsed.line.session, session) == 0),
              "%s", lines[index].words);
    }
}

static void times_have_units(void)
{
    static const struct {
        const char *words;
        long seconds;
    } lines[] = {
        {"--session s", -1},
        {"--session s --idle 0", 0},
        {"--session s --idle 90", 90},
        {"--session s --idle 90s", 90},
        {"--session s --idle 30m", 1800},
        {"--session s --idle=2h", 7200},
        {"--session s --idle 7d", 604800},
        {"--session s --idle 2147483647", 2147483647},
    };
    for (size_t index = 0; index < sizeof lines / sizeof *lines; index++) {
        auto_parsed struct parsed parsed;
        parse(&parsed, lines[index].words);
        CHECK(parsed.result == 0 && parsed.line.idle_seconds == lines[index].seconds, "%s",
              lines[index].words);
    }
}

static void what_means_nothing_is_named(void)
{
    static const struct {
        const char *words;
        const char *message;
    } lines[] = {
        {"", "is not a name of a repository"},
        {"a.org", "'--' is missing"},
        {"../a --", "'../a' is not a name of a repository"},
        {"- --", "'-' is not a name"},
        {"-x --", "unknown option -x"},
        {"-Nx --", "unknown option -x"},
        {"--nonsense --", "unknown option --nonsense"},
        {"--nonsense=1 --", "unknown option --nonsense"},
        {"--ver --", "unknown option --ver"},
        {"--help=1", "--help takes no value"},
        {"-m", "-m: a value is missing"},
        {"-Nm -- ls", "-m: a value is missing"},
        {"--image= --", "the name of an image is missing"},
        {"--join -- ls", "--join: a value is missing"},
        {"--session", "--session: a value is missing"},
        {"--session ../s", "'../s' is not a name of a session"},
        {"--session .s", "'.s' is not a name of a session"},
        {"--join= --", "'' is not a name of a session"},
        {"--end aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
         "is not a name of a session"},
        {"--session s --join s --", "only one of"},
        {"--check --end s", "only one of"},
        {"--session s -- ls", "--session runs no command"},
        {"--join s", "'--' is missing"},
        {"--join s a.org --", "--join takes no repositories"},
        {"--end s a.org", "repositories are for"},
        {"--end s --", "'--' has no place"},
        {"--check --", "'--' has no place"},
        {"--end s -N", "-N is for"},
        {"--join s -m i --", "-m is for"},
        {"--with-pid 1 --", "--with-pid is for --session only"},
        {"--join s --with-pid 1 --", "--with-pid is for --session only"},
        {"--idle 1 --", "--idle is for --session only"},
        {"--session s --with-pid 0", "'0' is not the number of a process"},
        {"--session s --with-pid -1", "'-1' is not the number of a process"},
        {"--session s --with-pid 12x", "'12x' is not the number of a process"},
        {"--session s --with-pid 99999999999", "is not the number of a process"},
        {"--session s --idle m", "'m' is not a time"},
        {"--session s --idle -1", "'-1' is not a time"},
        {"--session s --idle 1w", "'1w' is not a time"},
        {"--session s --idle 1.5h", "'1.5h' is not a time"},
        {"--session s --idle 2147483648", "is not a time"},
        {"--session s --idle 2147483647d", "is not a time"},
    };
    for (size_t index = 0; index < sizeof lines / sizeof *lines; index++) {
        auto_parsed struct parsed parsed;
        parse(&parsed, lines[index].words);
        CHECK(parsed.result == -EINVAL && strstr(parsed.error.message, lines[index].message),
              "'%s': %s", lines[index].words, parsed.error.message);
    }
    char *none[] = {NULL};
    auto_command_line struct command_line line = COMMAND_LINE_INIT;
    CHECK(command_line_parse(&line, none, NULL) == -EINVAL, "no arguments at all are an error");
}

int main(void)
{
    a_line_is_options_repositories_and_a_command();
    options_take_their_values_in_every_usual_way();
    actions_are_understood();
    times_have_units();
    what_means_nothing_is_named();
    return tap_done();
}
