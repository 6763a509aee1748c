/* How far a long way has been gone, for the person at the terminal; nothing at all elsewhere. */
#ifndef CVMFSEXEC_PACKER_PROGRESS_H
#define CVMFSEXEC_PACKER_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
    const char *what; /* "packing" */
    bool enabled;     /* standard error is a terminal, and nobody asked for silence */
    int percent;      /* shown last; -1: nothing yet */
};

struct progress progress_begin(const char *what, bool quiet);

/* Shows how much is done, on one line that is written over. */
void progress_show(struct progress *progress, uint64_t done, uint64_t total);

/* Clears the line. */
void progress_end(struct progress *progress);

/* A size for people: "999 bytes", "12.3 MB" (units of 1000). Returns `text`. */
#define PROGRESS_SIZE_ROOM 32
const char *progress_size(uint64_t bytes, char text[PROGRESS_SIZE_ROOM]);

#endif
