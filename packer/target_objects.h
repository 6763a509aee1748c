/* The programs and libraries of a tree for some system, and what each of them misses there. */
#ifndef CVMFSEXEC_PACKER_TARGET_OBJECTS_H
#define CVMFSEXEC_PACKER_TARGET_OBJECTS_H

#include <stdbool.h>
#include <stddef.h>

#include "packer/dynamic.h"
#include "packer/machine.h"
#include "payload/base/error.h"
#include "payload/base/text.h"

/* The directories in which programs of a tree find libraries, best first: those that the launcher
 * gives to the loader. NULL at the end. */
extern const char *const target_library_directories[];

/* One dynamic ELF file. */
struct target_object {
    char *path;   /* in the tree: "usr/bin/cvmfs2" */
    bool library; /* it, or a link to it, is in one of the library directories */
    struct dynamic dynamic;
};

struct target_objects {
    struct target_object *items;
    size_t count;
};

#define TARGET_OBJECTS_INIT       \
    {                             \
        .items = NULL, .count = 0 \
    }

void target_objects_free(struct target_objects *objects);
#define auto_target_objects __attribute__((cleanup(target_objects_free)))

/* Finds all dynamic ELF files below the directory `tree`. 0; -ENOEXEC with words for one that is
 * damaged, or for another machine than `machine`; others from the system. */
int target_objects_find(int tree, const struct machine *machine, struct target_objects *objects,
                        struct error *error);

/* A library that is not in the tree, or not with that version of its symbols. */
struct target_lack {
    const char *library; /* "libssl.so.3"; part of the objects */
    const char *version; /* "OPENSSL_3.0.0", or NULL: the library itself is missing */
    const char *user;    /* path of the first object that needs it */
};

struct target_lacks {
    struct target_lack *items; /* each library and version once */
    size_t count;
};

#define TARGET_LACKS_INIT         \
    {                             \
        .items = NULL, .count = 0 \
    }

void target_lacks_free(struct target_lacks *lacks);
#define auto_target_lacks __attribute__((cleanup(target_lacks_free)))

/* What the objects need and none of them is, as far as programs of the tree find it; loaders, which
 * programs name by their interpreter, included. `tree` is the same directory. 0 or -ENOMEM. */
int target_objects_lacks(const struct target_objects *objects, int tree,
                         struct target_lacks *lacks);

/* Appends a lack as rpm writes it: "libssl.so.3(OPENSSL_3.0.0)(64bit)". 0 or -ENOMEM. */
int target_lack_capability(const struct target_lack *lack, struct text *text);

/* Whether a system of this machine type has the library anyway: libc and its parts, and what every
 * installation needs. A rough table, for trees that bring no libraries of their own. */
bool target_system_has(const char *library);

#endif
