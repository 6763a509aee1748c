/* Tests in TAP: one CHECK, one line. A test file includes this, and its main ends on tap_done(). */
#ifndef CVMFSEXEC_TESTS_TAP_H
#define CVMFSEXEC_TESTS_TAP_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static int tap_count;
static int tap_failures;

__attribute__((format(printf, 4, 5))) static inline bool
tap_check(bool holds, const char *file, int line, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    printf("%sok %d - ", holds ? "" : "not ", ++tap_count);
    (void)vprintf(format, arguments);
    va_end(arguments);
    printf("\n");
    if (!holds) {
        tap_failures++;
        printf("# failed at %s:%d\n", file, line);
    }
    (void)fflush(stdout);
    return holds;
}

/* CHECK(condition, "a sentence that says what holds", ...) */
#define CHECK(condition, ...) tap_check((condition), __FILE__, __LINE__, __VA_ARGS__)

/* A test that cannot run here: named, with the reason. */
static inline void tap_skip(const char *name, const char *reason)
{
    printf("ok %d - %s # SKIP %s\n", ++tap_count, name, reason);
}

/* Prints the plan; the value is main's. */
static inline int tap_done(void)
{
    printf("1..%d\n", tap_count);
    return tap_failures ? 1 : 0;
}

#endif
