/* Removal of whole directories. */
#ifndef CVMFSEXEC_BASE_REMOVE_H
#define CVMFSEXEC_BASE_REMOVE_H

/* Removes `name` below `directory` (or AT_FDCWD) with all that is in it; symbolic links are removed
 * and not followed, what is mounted inside is left alone, and it is no error when nothing is there.
 * Directories their owner closed to himself are opened first. Goes on after a failure, and reports
 * the first. 0 or a negative errno; -ELOOP for directories nested deeper than 128, -EBUSY for
 * mounts. */
int directory_remove(int directory, const char *name);

#endif
