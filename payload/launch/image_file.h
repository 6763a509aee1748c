/* The file with the image of an ext2, ext3 or ext4 file system: whether it may be mounted. */
#ifndef CVMFSEXEC_LAUNCH_IMAGE_FILE_H
#define CVMFSEXEC_LAUNCH_IMAGE_FILE_H

#include <stddef.h>

#include "payload/base/error.h"
#include "payload/base/text.h"

/* Where the superblock begins, and how much of it there is to look at: ext4(5) and the kernel's
 * Documentation/filesystems/ext4/super.rst. */
#define IMAGE_SUPERBLOCK_OFFSET 1024
#define IMAGE_SUPERBLOCK_SIZE 1024

/* Looks at a superblock. 0; -EINVAL when it is none; -EUCLEAN when the file system was not
 * unmounted, has errors, or has a journal that must be replayed. */
int image_superblock_check(const unsigned char *bytes, size_t length);

/* Opens an image for reading and writing, and locks it until the last copy of the descriptor is
 * closed: two writers would destroy it. Where the file system knows no locks that is said in
 * `warning`, as a line. The descriptor, which the caller owns, or a negative errno: -EWOULDBLOCK
 * when another one has locked it, -EINVAL for what is no image, -EUCLEAN for one that needs repair.
 */
int image_file_open(const char *path, struct text *warning, struct error *error);

#endif
