/* The file begins with strings that each end on a NUL: the log, its length in decimal digits, why
 * there is no log, and the problem. A report that memory does not suffice for is a shorter one. */
#include "payload/launch/client_words.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "payload/base/file.h"
#include "payload/base/scope.h"
#include "payload/launch/log_tail.h"

#define WORDS_LIMIT 16384
#define LOG_LINES 10

enum { LOG, LOG_LENGTH, NO_LOG, PROBLEM, FACTS };

int client_words_begin(int words, const struct client_facts *facts)
{
    struct stat status = {.st_size = 0};
    if (*facts->log && stat(facts->log, &status) < 0)
        status.st_size = 0; /* the client is going to make it */
    auto_text struct text text = TEXT_INIT;
    int result =
        text_printf(&text, "%s%c%lld%c%s%c%s%c", facts->log, '\0', (long long)status.st_size, '\0',
                    facts->no_log, '\0', facts->problem, '\0');
    return result < 0 ? result : file_write_full(words, text.bytes, text.length);
}

/* Finds the strings at the beginning of `text`, and the rest. False when it was not begun. */
static bool take_apart(const struct text *text, const char *facts[FACTS], const char **rest)
{
    const char *at = text->bytes;
    for (size_t index = 0; index < FACTS; index++) {
        const char *end = memchr(at, '\0', text->length - (size_t)(at - text->bytes));
        if (!end)
            return false;
        facts[index] = at;
        at = end + 1;
    }
    *rest = at;
    return true;
}

static void append_lines(const char *lines, struct text *report)
{
    (void)text_append_string(report, lines);
    if (*lines && !string_ends_with(lines, "\n"))
        (void)text_append_string(report, "\n");
}

static void append_log(const char *const facts[FACTS], struct text *report)
{
    auto_text struct text lines = TEXT_INIT;
    if (*facts[LOG]) {
        const off_t from = (off_t)strtoll(facts[LOG_LENGTH], NULL, 10);
        if (log_tail(facts[LOG], from, LOG_LINES, &lines) == 0 && lines.length)
            (void)text_printf(report, "%s:\n%s", facts[LOG], lines.bytes);
    } else if (*facts[NO_LOG]) {
        (void)text_printf(report, "no log file: %s\n", facts[NO_LOG]);
    }
}

/* Begins with `failure`, or with nothing when that is empty. */
static void report_all(int words, const struct text *failure, struct text *report)
{
    auto_text struct text text = TEXT_INIT;
    const char *facts[FACTS] = {"", "", "", ""};
    const char *rest = "";
    char bytes[WORDS_LIMIT];
    ssize_t length = file_pread_full(words, bytes, sizeof bytes, 0);
    if (text_append(&text, bytes, length > 0 ? (size_t)length : 0) < 0)
        return;
    if (!take_apart(&text, facts, &rest))
        rest = text.bytes;
    if (*facts[PROBLEM])
        (void)text_printf(report, "warning: %s\n", facts[PROBLEM]);
    if (!failure->length)
        return;
    (void)text_append(report, failure->bytes, failure->length);
    append_lines(rest, report);
    append_log(facts, report);
}

void client_words_report(int words, const char *fqrn, int wait_status, struct text *report)
{
    auto_text struct text failure = TEXT_INIT;
    if (WIFSIGNALED(wait_status))
        (void)text_printf(&failure, "mounting %s failed: the client was ended by signal %d (%s)\n",
                          fqrn, WTERMSIG(wait_status), strsignal(WTERMSIG(wait_status)));
    else if (WEXITSTATUS(wait_status) != 0)
        (void)text_printf(&failure, "mounting %s failed\n", fqrn);
    report_all(words, &failure, report);
}

void client_words_report_unfinished(int words, const char *fqrn, struct text *report)
{
    auto_text struct text failure = TEXT_INIT;
    (void)text_printf(&failure, "mounting %s was not finished\n", fqrn);
    report_all(words, &failure, report);
}
