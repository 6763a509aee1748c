/* Collecting the words of a failure. Never prints and never exits: that is main's. */
#include "payload/base/error.h"

#include <stdio.h>
#include <string.h>

int error_set(struct error *error, int code, const char *format, ...)
{
    if (!error)
        return code;
    va_list arguments;
    va_start(arguments, format);
    error->code = code;
    (void)vsnprintf(error->message, sizeof error->message, format, arguments); /* cut is fine */
    va_end(arguments);
    return code;
}

int error_system(struct error *error, int code, const char *format, ...)
{
    if (!error)
        return code;
    va_list arguments;
    va_start(arguments, format);
    error->code = code;
    int length = vsnprintf(error->message, sizeof error->message, format, arguments);
    va_end(arguments);
    if (length >= 0 && (size_t)length < sizeof error->message)
        (void)snprintf(error->message + length, sizeof error->message - (size_t)length, ": %s",
                       strerror(-code));
    return code;
}

int error_prefix(struct error *error, const char *format, ...)
{
    if (!error)
        return 0;
    char rest[sizeof error->message];
    memcpy(rest, error->message, sizeof rest);
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(error->message, sizeof error->message, format, arguments);
    va_end(arguments);
    if (length < 0 || (size_t)length + 3 > sizeof error->message)
        return error->code;
    size_t room = sizeof error->message - (size_t)length - 3;
    size_t kept = strnlen(rest, room);
    memcpy(error->message + length, ": ", 2);
    memcpy(error->message + length + 2, rest, kept);
    error->message[(size_t)length + 2 + kept] = '\0';
    return error->code;
}
