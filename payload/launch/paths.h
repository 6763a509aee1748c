/* Where things are: everything lies beside the program's own executable. */
#ifndef CVMFSEXEC_LAUNCH_PATHS_H
#define CVMFSEXEC_LAUNCH_PATHS_H

#include "payload/base/error.h"

/* Absolute, without a slash at the end, free of symbolic links. */
struct paths {
    char *home;      /* the directory of the executable */
    char *dist;      /* <home>/dist */
    char *log;       /* <home>/log, which need not exist */
    char *libraries; /* <home>/dist/usr/lib64 */
    char *client;    /* <home>/dist/usr/bin/cvmfs2 */
    char *starter;   /* <home>/cvmfsexec: what becomes the client when a client asks for it */
};

#define PATHS_INIT                                                                  \
    {                                                                               \
        .home = NULL, .dist = NULL, .log = NULL, .libraries = NULL, .client = NULL, \
        .starter = NULL                                                             \
    }

/* Finds the executable through /proc/self/exe. 0 or a negative errno. */
int paths_find(struct paths *paths, struct error *error);

void paths_free(struct paths *paths);

#define auto_paths __attribute__((cleanup(paths_free)))

#endif
