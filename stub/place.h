/* Where to unpack to: a ladder of directories, each tried and not guessed. */
#ifndef CVMFSEXEC_STUB_PLACE_H
#define CVMFSEXEC_STUB_PLACE_H

#include "payload/base/error.h"
#include "payload/base/text.h"

/* The rungs, from the top: the directory of FILE; then, in $TMPDIR, /var/tmp, /tmp and
 * $XDG_CACHE_HOME (or $HOME/.cache), "cvmfsexec-UID/KEY", where KEY stands for the directory of
 * FILE, so that FILEs of different directories do not replace each other's trees. */
struct place_ladder {
    const char *beside; /* the directory of FILE: an absolute path; not owned */
    unsigned rung;      /* the next one; 0 in the beginning */
};

/* Opens the next rung's directory and leaves its path in `path` (emptied first). On rungs
 * below the first it makes the directory, with mode 0700, and insists that it belongs to this user
 * and is closed to others: nobody else must be able to put a program there. A descriptor; -ENOENT
 * when there are no more rungs, with an empty `path`; any other negative errno, with the path and
 * words, when this rung cannot be used and the next should be tried. */
int place_next(struct place_ladder *ladder, struct text *path, struct error *error);

/* Tries whether files can be created in a directory and programs started from there. The directory
 * is one of the caller's own, where no name of ours can be in the way. Leaves nothing behind.
 * 0, or a negative errno with words. */
int place_probe(int directory, struct error *error);

#endif
