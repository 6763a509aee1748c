/* The client's command line. */
#include <errno.h>
#include <stdlib.h>

#include "payload/client/options.h"
#include "tests/unit/tap.h"

#define WORDS 16

/* Parsed options, with the line that they point into. */
struct parsed {
    struct options options;
    struct error error;
    char *line;
    int result;
};

/* Parses the words of a line, which have one blank between them. */
static struct parsed parse(const char *line)
{
    struct parsed parsed = {.line = strdup(line)};
    char *words[WORDS + 1] = {NULL};
    int count = 0;
    char *rest = parsed.line;
    for (char *word = strsep(&rest, " "); word && count < WORDS; word = strsep(&rest, " "))
        words[count++] = word;
    parsed.result = options_parse(count, words, &parsed.options, &parsed.error);
    return parsed;
}

static void release(struct parsed *parsed)
{
    options_free(&parsed->options);
    free(parsed->line);
}

static void options_may_follow_the_names(void)
{
    struct parsed parsed =
        parse("cvmfs2 a.example.org /mnt -f -o config=/a:/b,allow_other,uid=5,_netdev,fsname=x");
    const struct options *options = &parsed.options;
    CHECK(parsed.result == 0, "options behind the names are taken");
    CHECK(strcmp(options->fqrn, "a.example.org") == 0 && strcmp(options->mountpoint, "/mnt") == 0,
          "the names are found");
    CHECK(options->config && strcmp(options->config, "/a:/b") == 0, "config= is kept whole");
    CHECK(options->foreground && options->change_ids && options->uid == 5,
          "flags and ids are read");
    CHECK(strcmp(options->fuse.bytes, "allow_other,fsname=x") == 0,
          "what is not ours goes to FUSE, what means nothing is dropped");
    release(&parsed);
}

static void a_configuration_can_be_printed_without_a_mountpoint(void)
{
    struct parsed parsed = parse("cvmfs2 -k a");
    CHECK(parsed.result == 0 && parsed.options.print_parameters, "-k needs no mountpoint");
    release(&parsed);
}

static void wrong_lines_are_refused(void)
{
    static const struct {
        const char *line;
        const char *named; /* in the message */
    } rows[] = {
        {"cvmfs2 a.example.org", "mountpoint"},  {"cvmfs2 -x a /b", "-x"},
        {"cvmfs2 -o uid=me a /b", "'me'"},       {"cvmfs2 -o gid=4294967296 a /b", "4294967296"},
        {"cvmfs2 -o libfuse=2 a /b", "libfuse"}, {"cvmfs2 a /b c", "mountpoint"},
    };
    for (size_t index = 0; index < sizeof rows / sizeof rows[0]; index++) {
        struct parsed parsed = parse(rows[index].line);
        CHECK(parsed.result == -EINVAL && strstr(parsed.error.message, rows[index].named),
              "\"%s\" is refused, naming %s", rows[index].line, rows[index].named);
        release(&parsed);
    }
}

int main(void)
{
    options_may_follow_the_names();
    a_configuration_can_be_printed_without_a_mountpoint();
    wrong_lines_are_refused();
    return tap_done();
}
