/* The programs and libraries in a tree for some system. */
#ifndef CVMFSEXEC_PACKER_TARGET_OBJECTS_H
#define CVMFSEXEC_PACKER_TARGET_OBJECTS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "packer/dynamic.h"
#include "packer/machine.h"
#include "payload/base/error.h"

/* The directories in which programs of a tree find libraries, best first: those that the launcher
 * gives to the loader, which itself must be in the first. NULL at the end. */
extern const char *const target_library_directories[];

/* One ELF program or library. */
struct target_object {
    char *path; /* in the tree: "usr/bin/cvmfs2" */
    dev_t device;
    ino_t inode;
    bool executable;
    struct dynamic dynamic;
};

struct target_objects {
    struct target_object *items; /* in the order of their paths */
    size_t count;
};

#define TARGET_OBJECTS_INIT       \
    {                             \
        .items = NULL, .count = 0 \
    }

void target_objects_free(struct target_objects *objects);
#define auto_target_objects __attribute__((cleanup(target_objects_free)))

/* Finds the ELF programs and libraries below the directory `tree`, without what is in its entry
 * `except`, unless that is NULL. Objects to be linked or to be loaded into a kernel, core dumps,
 * and separate debug information (usr/lib/debug) are data, for whatever machine they are; all
 * others must be for this one, 32-bit ones too: nothing here could run them. 0; -ENOEXEC with words
 * for one that is damaged, or for another machine than `machine`; others from the system. */
int target_objects_find(int tree, const char *except, const struct machine *machine,
                        struct target_objects *objects, struct error *error);

/* Whether the machine runs such a file. */
bool target_object_fits(const struct dynamic *dynamic, const struct machine *machine);

/* The object at a path of the tree, symbolic links followed; NULL when there is none. */
const struct target_object *target_objects_at(const struct target_objects *objects, int tree,
                                              const char *path);

#endif
