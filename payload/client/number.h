/* Decimal numbers in texts from outside. */
#ifndef CVMFSEXEC_CLIENT_NUMBER_H
#define CVMFSEXEC_CLIENT_NUMBER_H

#include <stddef.h>
#include <stdint.h>

/* The value of `length` bytes, all of them decimal digits and at least one.
 * 0, or -EINVAL, also for a number that does not fit. */
int number_parse(const char *text, size_t length, uint64_t *number);

/* How many decimal digits `text` begins with. */
size_t number_length(const char *text, size_t length);

#endif
