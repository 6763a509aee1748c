/* payload/launch/image_file.c: which superblocks are those of file systems that may be mounted, and
 * which files are images. The mounting is tried whole, in tests/e2e/launcher_image.t. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "payload/base/file.h"
#include "payload/base/scope.h"
#include "payload/launch/image_file.h"
#include "tests/unit/tap.h"

#define MAGIC 0x38
#define STATE 0x3a
#define INCOMPATIBLE 0x60

struct superblock {
    unsigned char bytes[IMAGE_SUPERBLOCK_SIZE];
};

static struct superblock unmounted(void)
{
    struct superblock superblock = {{0}};
    superblock.bytes[MAGIC] = 0x53;
    superblock.bytes[MAGIC + 1] = 0xef;
    superblock.bytes[STATE] = 1;
    return superblock;
}

static int check(const struct superblock *superblock)
{
    return image_superblock_check(superblock->bytes, sizeof superblock->bytes);
}

static void a_superblock_says_whether_it_was_unmounted(void)
{
    struct superblock superblock = unmounted();
    CHECK(check(&superblock) == 0, "unmounted");
    superblock.bytes[INCOMPATIBLE] = 0xff & ~4;
    CHECK(check(&superblock) == 0, "what features there are is for fuse2fs to judge");
    superblock.bytes[INCOMPATIBLE] = 4;
    CHECK(check(&superblock) == -EUCLEAN, "a journal to be replayed");
    superblock = unmounted();
    superblock.bytes[STATE] = 0;
    CHECK(check(&superblock) == -EUCLEAN, "mounted");
    superblock.bytes[STATE] = 3;
    CHECK(check(&superblock) == -EUCLEAN, "unmounted, with errors");
}

static void what_has_no_magic_number_is_no_superblock(void)
{
    struct superblock superblock = unmounted();
    CHECK(image_superblock_check(superblock.bytes, sizeof superblock.bytes - 1) == -EINVAL,
          "too short");
    superblock.bytes[MAGIC] = 0;
    CHECK(check(&superblock) == -EINVAL, "another number");
}

/* A file with this superblock, whose path the caller frees. */
static char *make_image(const struct superblock *superblock)
{
    char *path = strdup("/tmp/test_image.XXXXXX");
    auto_fd int fd = path ? mkstemp(path) : -1;
    if (fd < 0 || lseek(fd, IMAGE_SUPERBLOCK_OFFSET, SEEK_SET) < 0 ||
        file_write_full(fd, superblock->bytes, sizeof superblock->bytes) < 0)
        abort();
    return path;
}

static void an_image_is_locked_as_long_as_it_is_open(void)
{
    const struct superblock superblock = unmounted();
    auto_free char *path = make_image(&superblock);
    auto_text struct text warning = TEXT_INIT;
    struct error error = ERROR_INIT;
    auto_fd int first = image_file_open(path, &warning, &error);
    CHECK(first >= 0 && warning.length == 0, "opened, without a warning");
    CHECK(image_file_open(path, &warning, &error) == -EWOULDBLOCK && strstr(error.message, path),
          "a second one is refused by name");
    auto_fd int copy = dup(first);
    (void)close(steal_fd(&first));
    CHECK(image_file_open(path, &warning, &error) == -EWOULDBLOCK, "a copy holds the lock");
    (void)close(steal_fd(&copy));
    auto_fd int second = image_file_open(path, &warning, &error);
    CHECK(second >= 0, "then it is free");
    (void)unlink(path);
}

static void the_command_that_repairs_is_named(void)
{
    struct superblock superblock = unmounted();
    superblock.bytes[STATE] = 0;
    auto_free char *path = make_image(&superblock);
    auto_text struct text warning = TEXT_INIT;
    struct error error = ERROR_INIT;
    CHECK(image_file_open(path, &warning, &error) == -EUCLEAN &&
              strstr(error.message, "e2fsck -p /tmp/"),
          "e2fsck -p and the path");
    (void)unlink(path);
    CHECK(image_file_open(path, &warning, &error) == -ENOENT, "one that is gone says so");
    CHECK(image_file_open("/dev/null", &warning, &error) == -EINVAL, "a device is none");
}

int main(void)
{
    a_superblock_says_whether_it_was_unmounted();
    what_has_no_magic_number_is_no_superblock();
    an_image_is_locked_as_long_as_it_is_open();
    the_command_that_repairs_is_named();
    return tap_done();
}
