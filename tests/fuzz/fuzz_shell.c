/* Any bytes as a configuration file: evaluation ends, within its bounds, and every value that it
 * left can be read. Nothing is run and nothing written. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "payload/base/scope.h"
#include "payload/config/assignment_names.h"
#include "payload/config/shell.h"
#include "payload/config/shell_pattern.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void evaluate(const char *text, size_t length)
{
    static char home[] = "HOME=/root";
    static char blank[] = "B=a b";
    static char empty[] = "C=";
    static char path[] = "D=/x/y.z.gz";
    static char number[] = "E=5";
    static char *const environment[] = {home, blank, empty, path, number, NULL};
    static const struct shell_relocation relocations[] = {{"/etc", "/dist/etc", "KEPT"}};
    const struct shell_options options = {.environment = environment,
                                          .relocations = relocations,
                                          .relocation_count = 1,
                                          .relocated = "/dist",
                                          .no_processes = true};
    auto_shell struct shell *shell = NULL;
    struct error error = ERROR_INIT;
    if (shell_create(&shell, &options) < 0)
        return;
    int result = shell_run_text(shell, "/nonexistent/fuzz.conf", text, length, &error);
    /* A failure has words, a success none. */
    if ((result < 0) != (error.code != 0) || (result < 0 && !error.message[0]))
        abort();
    size_t at = 0;
    struct assignment_line line;
    while (assignment_next(text, length, &at, &line)) {
        if (line.value + line.value_length > text + length)
            abort();
        auto_free char *name = strndup(line.name, line.name_length);
        auto_text struct text value = TEXT_INIT;
        if (name)
            (void)shell_echo(shell, name, &value);
    }
}

/* The first line as a pattern for the rest, which must match itself when it is escaped. */
static void match(const char *text, size_t length)
{
    const char *newline = memchr(text, '\n', length);
    if (!newline || memchr(text, '\0', length) || length > 4096)
        return;
    auto_free char *pattern = strndup(text, (size_t)(newline - text));
    auto_free char *escaped = calloc(2, length + 1);
    if (!pattern || !escaped)
        return;
    (void)pattern_match(pattern, newline + 1, length - (size_t)(newline + 1 - text));
    for (size_t i = 0; i < length; i++) {
        escaped[2 * i] = '\\';
        escaped[2 * i + 1] = text[i];
    }
    if (!pattern_match(escaped, text, length))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 1 << 16)
        return 0;
    auto_free char *text = calloc(1, size + 1);
    if (!text)
        return 0;
    if (size)
        memcpy(text, data, size);
    evaluate(text, size);
    match(text, size);
    return 0;
}
