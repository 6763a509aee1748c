/* How many bytes the objects of a cache take: one number that all processes on it share.
 *
 * It lives in the file cvmfsexec.usage of the cache directory and is changed under a byte-range
 * lock: unlike mapped memory that works on NFS, and a full disk cannot kill anybody. A process
 * killed between a rename and the addition makes it too small by one object; the count that is
 * made anew at every clean-up, and once a day, puts that right. */
#ifndef CVMFSEXEC_CLIENT_CACHE_USAGE_H
#define CVMFSEXEC_CLIENT_CACHE_USAGE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct usage {
    int fd;
    pthread_mutex_t mutex; /* the file's locks are between processes, this is between threads */
    bool cleaning;         /* a thread of this process has the right to clean up */
};

struct usage_state {
    uint64_t used;   /* bytes */
    int64_t counted; /* Unix time of the last count of all objects; 0: never */
};

/* Opens the file, or makes it. In a directory without any object it begins with a count of 0.
 * 0 or a negative errno. */
int usage_open(int directory, struct usage *usage);
/* The same in another directory, while other threads use the old file. 0 or a negative errno. */
int usage_reopen(int directory, struct usage *usage);
void usage_close(struct usage *usage);

/* What the file says; a damaged one says nothing was ever counted. */
struct usage_state usage_load(struct usage *usage);

/* Adds to the number and returns what is there then. A failure to write leaves the old number; that
 * is no reason to fail, as the next count repairs it. */
struct usage_state usage_add(struct usage *usage, int64_t bytes);

/* After a count of all objects: `before` is what usage_load said when it began, `counted` what it
 * found. What others added meanwhile is kept. */
void usage_correct(struct usage *usage, uint64_t before, uint64_t counted, int64_t now);

/* The right to clean up: true for one at a time among all threads and processes. Never waits. */
bool usage_try_cleaning(struct usage *usage);
void usage_end_cleaning(struct usage *usage);

#endif
