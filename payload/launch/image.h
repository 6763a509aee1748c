/* The image of a file system that is mounted at /e2fs for one run, and then holds the cache: see
 * CVMFS_CACHE_BASE in payload/config/configuration.c. */
#ifndef CVMFSEXEC_LAUNCH_IMAGE_H
#define CVMFSEXEC_LAUNCH_IMAGE_H

#include "payload/base/error.h"
#include "payload/base/text.h"
#include "payload/launch/image_keeper.h"
#include "payload/launch/paths.h"

struct image {
    const char *path; /* as the caller named it */
    int socket;       /* to the keeper, or -1 */
};

#define IMAGE_INIT                 \
    {                              \
        .path = NULL, .socket = -1 \
    }

/* In the process that the caller started, before there are namespaces: looks at the image at
 * `path`, which must outlive the run, locks it, and starts its keeper. What is worth saying is
 * appended to `warning`, in lines. 0 or a negative errno. */
int image_open(struct image *image, const char *path, const struct paths *paths,
               struct text *warning, struct error *error);

/* In process 1, with a directory IMAGE_MOUNT_POINT: has the image mounted there, and waits until it
 * is served. 0; the number of a signal that asks the process to end and came meanwhile (it is still
 * pending); or a negative errno. */
int image_mount(const struct image *image, struct error *error);

/* When process 1 has ended: waits until the image is unmounted and all is written, for a minute at
 * most. Appends to `report`, in lines, what was not in order. Nothing happens without an image. */
void image_close(struct image *image, struct text *report);

#endif
