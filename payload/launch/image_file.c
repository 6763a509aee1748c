/* Opening, locking and looking, in this order: what another run writes is not to be judged.
 * Nothing is repaired here: that is for e2fsck, and for the owner of the image to decide. */
#include "payload/launch/image_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "payload/base/file.h"
#include "payload/base/scope.h"

/* Offsets in the superblock, all fields little-endian, and what is in them. */
enum {
    MAGIC_OFFSET = 0x38,
    MAGIC = 0xef53,
    STATE_OFFSET = 0x3a,
    STATE_UNMOUNTED = 1,
    STATE_ERRORS = 2,
    INCOMPATIBLE_OFFSET = 0x60,
    INCOMPATIBLE_RECOVER = 4,
};

static unsigned read_16(const unsigned char *bytes)
{
    return bytes[0] | (unsigned)bytes[1] << 8;
}

int image_superblock_check(const unsigned char *bytes, size_t length)
{
    if (length < IMAGE_SUPERBLOCK_SIZE || read_16(bytes + MAGIC_OFFSET) != MAGIC)
        return -EINVAL;
    const unsigned state = read_16(bytes + STATE_OFFSET);
    if (!(state & STATE_UNMOUNTED) || (state & STATE_ERRORS) ||
        (read_16(bytes + INCOMPATIBLE_OFFSET) & INCOMPATIBLE_RECOVER))
        return -EUCLEAN;
    return 0;
}

static int check_superblock(int fd, const char *path, struct error *error)
{
    unsigned char bytes[IMAGE_SUPERBLOCK_SIZE];
    ssize_t length = file_pread_full(fd, bytes, sizeof bytes, IMAGE_SUPERBLOCK_OFFSET);
    if (length < 0)
        return error_system(error, (int)length, "reading the image %s", path);
    int result = image_superblock_check(bytes, (size_t)length);
    if (result == -EUCLEAN)
        return error_set(error, result,
                         "the image %s was not unmounted when it was last used (was that killed?), "
                         "or is damaged; repair it with: e2fsck -p %s",
                         path, path);
    if (result < 0)
        return error_set(error, result,
                         "%s holds no ext2, ext3 or ext4 file system (one is made with: truncate "
                         "-s 10G %s; mke2fs -q -t ext4 %s)",
                         path, path, path);
    return 0;
}

static int lock(int fd, const char *path, struct text *warning, struct error *error)
{
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        return 0;
    if (errno == EWOULDBLOCK)
        return error_set(error, -EWOULDBLOCK,
                         "the image %s is in use by another cvmfsexec; each needs one of its own",
                         path);
    /* Lustre mounted without "flock", NFS without a lock service. */
    int result = text_printf(warning,
                             "the image %s cannot be locked (%s): take care that nothing else "
                             "uses it at the same time\n",
                             path, strerror(errno));
    return result < 0 ? error_system(error, result, "locking %s", path) : 0;
}

static int open_regular(const char *path, struct error *error)
{
    struct stat status;
    /* Looked at before, because opening a pipe or a device may wait or do something. */
    if (stat(path, &status) < 0)
        return error_system(error, -errno, "the image %s", path);
    if (!S_ISREG(status.st_mode))
        return error_set(error, -EINVAL, "the image %s is not a regular file", path);
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return error_system(error, -errno, "the image %s must be writable", path);
    return fd;
}

int image_file_open(const char *path, struct text *warning, struct error *error)
{
    auto_fd int fd = open_regular(path, error);
    if (fd < 0)
        return fd;
    int result = lock(fd, path, warning, error);
    if (result == 0)
        result = check_superblock(fd, path, error);
    return result < 0 ? result : steal_fd(&fd);
}
