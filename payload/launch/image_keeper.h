/* The process that looks after a mounted image. It belongs to the mount namespace of the job and to
 * the pid namespace of the caller: so it outlives all who use the image, whoever of them is killed
 * and how, unmounts it then, and waits until all is written. */
#ifndef CVMFSEXEC_LAUNCH_IMAGE_KEEPER_H
#define CVMFSEXEC_LAUNCH_IMAGE_KEEPER_H

#include "payload/base/error.h"
#include "payload/launch/paths.h"

#define IMAGE_MOUNT_POINT "/e2fs"

/* What process 1 sends to the keeper: a byte that says what the descriptor is that comes along. */
enum image_message {
    IMAGE_USER_NAMESPACE = 'u',
    IMAGE_MOUNT_NAMESPACE = 'm',
    IMAGE_ROOT_DIRECTORY = 'r',
    IMAGE_USER = 'p',        /* a pidfd of process 1, where there are any: Linux 5.3 */
    IMAGE_MOUNT_TABLE = 't', /* /proc/self/mountinfo; with it all is said, and is begun */
};

struct image_keeper_plan {
    const struct paths *paths;
    const char *program; /* as fuse2fs_find gave it */
    const char *image;   /* a name in `directory` */
    int directory;
    int file;   /* of the image, locked */
    int socket; /* SOCK_SEQPACKET; the other end is shared by all who want the image */
};

/* Starts the keeper, as nobody's child. It receives the messages; mounts; answers with one NUL
 * byte, or with words when that failed; when the other end is closed, and process 1 has ended,
 * unmounts; if something was not in order says so in words; and closes its end when all is done.
 * 0 or a negative errno. */
int image_keeper_start(const struct image_keeper_plan *plan, struct error *error);

#endif
