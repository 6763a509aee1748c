/* Descriptors that were inherited and must not be handed on, and what takes their place. */
#ifndef CVMFSEXEC_BASE_DESCRIPTORS_H
#define CVMFSEXEC_BASE_DESCRIPTORS_H

#include <stddef.h>

/* Closes every descriptor of the calling thread from `first` on, which are those of the process
 * unless the thread has a table of its own. 0 or a negative errno. */
int descriptors_close_from(int first);

/* Closes every descriptor above 2 but those in `kept`, which get the numbers from 3 on, written
 * back there, and close on exec; -1 stays -1. 0 or a negative errno. */
int descriptors_keep(int *kept, size_t count);

/* Opens /dev/null, for reading and writing, to be closed on exec; on a node without one, a file
 * that is empty and cannot be written. The lowest free number, or a negative errno. */
int descriptors_open_null(void);

#endif
