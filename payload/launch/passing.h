/* A message over a local socket, perhaps with a descriptor along with it, unix(7). */
#ifndef CVMFSEXEC_LAUNCH_PASSING_H
#define CVMFSEXEC_LAUNCH_PASSING_H

#include <stddef.h>
#include <sys/types.h>

/* Sends `length` bytes, at least one, and `descriptor` unless it is -1. 0 or a negative errno. */
int passing_send(int socket, const void *bytes, size_t length, int descriptor);

/* Receives without waiting. The count of bytes, 0 when the other side is closed, or a negative
 * errno (-EAGAIN: nothing is there). `*descriptor`, which the caller owns then and which closes on
 * exec, stays what it was when none came along. */
ssize_t passing_receive(int socket, void *bytes, size_t room, int *descriptor);

#endif
