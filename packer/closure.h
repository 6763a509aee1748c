/* The closure of programs: they and their libraries, the loader and libc included, found as the
 * loader finds them. */
#ifndef CVMFSEXEC_PACKER_CLOSURE_H
#define CVMFSEXEC_PACKER_CLOSURE_H

#include <stddef.h>

#include "payload/base/error.h"
#include "payload/base/strings.h"

/* A library under the name by which programs ask for it; that name is what its copy must have. */
struct library {
    char *name; /* "libcurl.so.4": DT_NEEDED, or the last part of PT_INTERP for the loader */
    char *path; /* where it was found; a link perhaps */
};

struct closure {
    struct library
        *libraries; /* in the order of loading, each name once; the programs are not in */
    size_t count;
    size_t capacity;
    char *loader; /* the name of the one among them that starts the programs; NULL: all static */
};

#define CLOSURE_INIT                                                 \
    {                                                                \
        .libraries = NULL, .count = 0, .capacity = 0, .loader = NULL \
    }

struct closure_request {
    const char *const *programs; /* paths of programs and of libraries that are loaded at run time;
                                    the first decides the machine */
    size_t program_count;
    const char *const *extra; /* names of libraries that dynamic programs need without saying so */
    size_t extra_count;
    const struct strings *directories; /* where the loader looks by itself: library_path_read */
    const char *loader_directory; /* where the loader is looked for before the place that programs
                                     name for it; NULL: there only */
};

/* Fills an empty closure, which the caller frees with closure_free in any case. Honoured are
 * DT_RUNPATH, DT_RPATH (of the file and of those that led to it), $ORIGIN, and the machine: files
 * for another one are passed over, as the loader does.
 * 0; -ENOENT with words that name the missing library and the file that needs it; -ENOEXEC for a
 * damaged file, -EINVAL for a library asked for by its path (such a copy would never be
 * looked at); -ENOMEM; others from the system. */
int closure_find(const struct closure_request *request, struct closure *closure,
                 struct error *error);

/* The library of that name, or NULL. */
const struct library *closure_library(const struct closure *closure, const char *name);

void closure_free(struct closure *closure);

#define auto_closure __attribute__((cleanup(closure_free)))

#endif
