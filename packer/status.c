#include "packer/status.h"

#include <errno.h>
#include <stdio.h>

enum status status_failed(const struct error *error)
{
    (void)fprintf(stderr, "makedist: %s\n", error->message);
    return STATUS_FAILED;
}

enum status status_usage(const struct error *error)
{
    (void)fprintf(stderr, "makedist: %s\nTry 'makedist --help'.\n", error->message);
    return STATUS_USAGE;
}

enum status status_print(const char *words)
{
    if (fputs(words, stdout) == EOF || fflush(stdout) == EOF) {
        struct error error = ERROR_INIT;
        (void)error_system(&error, -errno, "writing to standard output");
        return status_failed(&error);
    }
    return STATUS_DONE;
}
