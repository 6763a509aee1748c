/* Where the loader of this host looks for libraries that no program says where to find. */
#ifndef CVMFSEXEC_PACKER_LIBRARY_PATH_H
#define CVMFSEXEC_PACKER_LIBRARY_PATH_H

#include "payload/base/error.h"
#include "payload/base/strings.h"

/* Appends the directories, in the order in which they are searched: those of etc/ld.so.conf with
 * the files it includes, then the ones built into the loaders of the usual distributions for
 * `architecture` (as uname -m has it). The configuration is read below `root`, "" for the host;
 * the directories come back with `root` in front. A directory that is not there is no error, a
 * missing configuration neither. 0 or a negative errno. */
int library_path_read(const char *root, const char *architecture, struct strings *directories,
                      struct error *error);

#endif
