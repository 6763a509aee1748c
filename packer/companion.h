/* Where this program stands, and the programs it works with. */
#ifndef CVMFSEXEC_PACKER_COMPANION_H
#define CVMFSEXEC_PACKER_COMPANION_H

#include <stdbool.h>
#include <stddef.h>

#include "payload/base/error.h"
#include "payload/base/text.h"

/* Appends the directory of the running program, links followed. 0 or a negative errno. */
int companion_directory(struct text *directory, struct error *error);

/* Appends the directory in which dist stands: that of the program, in `directory`; the current one
 * where the program is installed, for there is one such program for all users. 0 or a negative
 * errno. */
int companion_workplace(const char *directory, struct text *place, struct error *error);

/* Appends the path of the file `name` for an architecture (as uname -m has it) that belongs to the
 * program in `directory`: beside it, as in a build directory, or where an installation has it; what
 * is for another architecture than this host's, in a directory of its name below there. 0; -ENOENT
 * with words that name the places where it is not, and what would put it there; -ENOMEM. */
int companion_find(const char *directory, const char *architecture, const char *name,
                   struct text *path, struct error *error);

/* Whether programs of this architecture are the host's own. */
bool companion_is_native(const char *architecture);

/* The commands that run on a node, without their directory: the first is what a bundle starts. */
struct companion_commands {
    const char *const *names;
    size_t count;
};
struct companion_commands companion_commands(bool sing);
#define COMPANION_COMMANDS_MAX 3

/* Appends the path of a program of this system: along $PATH, and where programs of root are, which
 * $PATH of a user may leave out. 0; -ENOENT, without words; -ENOMEM. */
int companion_find_on_system(const char *name, struct text *path);

#endif
