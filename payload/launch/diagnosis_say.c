#include "payload/launch/diagnosis_say.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int diagnosis_say(struct error *error, int code, const char *what, const char *format, ...)
{
    char words[sizeof error->message];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(words, sizeof words, format, arguments); /* cut is fine */
    va_end(arguments);
    return error_set(error, code, "%s: %s: %s", what, strerror(-code), words);
}
