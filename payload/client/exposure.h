/* Which files somebody may be reading, for all that this process knows.
 *
 * Contents can be put into the kernel's page cache before they are asked for (FUSE_NOTIFY_STORE).
 * The kernel then waits for each page that somebody else has begun to read, and for that he waits
 * for an answer of this process: killed at that moment it could not end, since it waits for the
 * reader, and the reader would never have his answer, since /dev/fuse is still in use. So contents
 * may be stored into such files only as nobody can have opened. The kernel is made to ask before
 * anybody gets at them, by names that are good for no time, and here it is known whether it has
 * asked:
 *
 * - A directory that was never given to the kernel is hidden as a whole: its own name is good for
 *   no time. One question for it has to be expected, that of the thread that lists it; the second
 *   one is a reader's.
 * - Of a directory that somebody may be in, the entries are hidden one by one.
 *
 * Every answer that gives the kernel a file or a directory has to be announced here before it is
 * sent. All functions may be called by several threads, those for storing by one at a time. */
#ifndef CVMFSEXEC_CLIENT_EXPOSURE_H
#define CVMFSEXEC_CLIENT_EXPOSURE_H

#include <stdbool.h>
#include <stdint.h>

struct exposure;

/* Before a thread waits for what is being stored, which is a matter of milliseconds, it calls
 * `on_wait`. 0 or -ENOMEM. Destroying allows NULL. */
int exposure_create(void (*on_wait)(void), struct exposure **exposure);
void exposure_destroy(struct exposure *exposure);

enum exposure_answer {
    EXPOSURE_PLAIN,
    EXPOSURE_HIDDEN,  /* the name has to be good for no time */
    EXPOSURE_NOTICED, /* a reader's first question for a directory that was hidden as a whole */
};

/* The kernel has asked for a name, and gets `inode`. */
enum exposure_answer exposure_look_up(struct exposure *exposure, uint64_t inode);

/* The kernel has `directory` listed, and gets `inode` with the given cookie (tree.h): whether the
 * name has to be hidden. */
bool exposure_list(struct exposure *exposure, uint64_t directory, uint64_t cookie, uint64_t inode);

/* Hides a directory as a whole, to be listed. False: it is too late, or too many are hidden. */
bool exposure_hide_directory(struct exposure *exposure, uint64_t directory);
/* It was listed, or could not be: whether contents may be stored into it. Otherwise it is not
 * hidden any more. */
bool exposure_fill(struct exposure *exposure, uint64_t directory, bool listed);
/* Hides the entries of a directory behind the cookie `after`. False when too many are hidden. */
bool exposure_hide_entries(struct exposure *exposure, uint64_t directory, uint64_t after);
/* Ends either. */
void exposure_reveal(struct exposure *exposure, uint64_t directory);

/* Whether contents may be stored into a file that was listed while `directory`, where it is, was
 * hidden; if so, nobody gets at it before exposure_end_store. */
bool exposure_begin_store(struct exposure *exposure, uint64_t directory, uint64_t inode);
void exposure_end_store(struct exposure *exposure);

/* Nothing may be stored any more. Returns when nothing is. */
void exposure_close(struct exposure *exposure);
bool exposure_is_closed(struct exposure *exposure);

#endif
