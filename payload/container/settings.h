/* What the environment says to singcvmfs: the SINGCVMFS_ variables. */
#ifndef CVMFSEXEC_CONTAINER_SETTINGS_H
#define CVMFSEXEC_CONTAINER_SETTINGS_H

#include <stdbool.h>

#include "payload/base/error.h"
#include "payload/base/strings.h"
#include "payload/launch/paths.h"

/* Paths are absolute: relative ones are meant from the caller's directory. All are owned. */
struct settings {
    struct strings repositories; /* SINGCVMFS_REPOSITORIES, as named there; each once */
    char *image;                 /* SINGCVMFS_IMAGE as it is; NULL when it is not set */
    char *cache;                 /* SINGCVMFS_CACHEDIR, else dist/var/lib/cvmfs; with an image
                                    for the cache a directory in that one */
    char *cache_image;           /* SINGCVMFS_CACHEIMAGE or NULL */
    char *options_file;          /* SINGCVMFS_OPTSFILE or NULL */
    char *log;                   /* SINGCVMFS_LOGDIR, else the directory of logs beside dist; NULL
                                    when that one cannot be written to */
    bool log_is_chosen;          /* it is the former */
    struct strings options;      /* SINGCVMFS_SINGOPTS, word by word */
    bool debug;                  /* SINGCVMFS_LOGLEVEL is debug */
};

#define SETTINGS_INIT                                                                       \
    {                                                                                       \
        .repositories = STRINGS_INIT, .image = NULL, .cache = NULL, .cache_image = NULL,    \
        .options_file = NULL, .log = NULL, .log_is_chosen = false, .options = STRINGS_INIT, \
        .debug = false                                                                      \
    }

/* Reads the environment. A variable that is empty is not set. 0; -EINVAL for what cannot be right,
 * -ENOENT for a file that is not there, or another negative errno. */
int settings_read(const struct paths *paths, struct settings *settings, struct error *error);

/* Makes the directories of the cache and of logs where they are missing, and replaces their paths
 * by those without symbolic links: a container does not have what is on the way. 0 or a negative
 * errno. */
int settings_prepare(struct settings *settings, struct error *error);

void settings_free(struct settings *settings);

#define auto_settings __attribute__((cleanup(settings_free)))

#endif
