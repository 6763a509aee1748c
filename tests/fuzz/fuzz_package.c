/* Any bytes as a package, or as the payload of one: whatever is unpacked stays in the tree, is of
 * the kinds that a tree has, and can be removed again. */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "packer/links.h"
#include "packer/package.h"
#include "payload/base/file.h"
#include "payload/base/remove.h"
#include "payload/base/scope.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MOST_BYTES 100000

/* A directory that holds a file and, for the time of a run, a tree. */
static int workshop = -1;
static char workshop_path[] = "/tmp/fuzz_package.XXXXXX";

static void leave(void)
{
    (void)directory_remove(AT_FDCWD, workshop_path);
}

static void open_workshop(void)
{
    if (!mkdtemp(workshop_path))
        abort();
    (void)atexit(leave);
    workshop = open(workshop_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (workshop < 0 || file_replace(workshop, "canary", "sings", 5, 0640) < 0)
        abort();
}

static void expect_canary(void)
{
    struct stat status;
    if (fstatat(workshop, "canary", &status, AT_SYMLINK_NOFOLLOW) < 0 || status.st_size != 5 ||
        status.st_nlink != 1 || (status.st_mode & 07777) != 0640)
        abort();
}

/* The kinds and modes of everything in a tree; it is not deep. */
static void expect_tree(int parent, const char *name)
{
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    auto_directory DIR *listing = fd < 0 ? NULL : fdopendir(fd);
    if (!listing)
        abort();
    for (const struct dirent *entry; (entry = readdir(listing));) {
        struct stat status;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (fstatat(fd, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) < 0)
            abort();
        if (S_ISDIR(status.st_mode))
            expect_tree(fd, entry->d_name);
        else if (S_ISREG(status.st_mode) ? (status.st_mode & 07022) != 0 : !S_ISLNK(status.st_mode))
            abort();
    }
}

/* As a distribution does it, with one package. */
static void unpack(int fd)
{
    const struct package_unpacking options = {.most_bytes = MOST_BYTES};
    struct stage stage = STAGE_INIT;
    struct error error = ERROR_INIT;
    if (mkdirat(workshop, "tree", 0755) < 0)
        abort();
    stage.parent = workshop;
    stage.fd = openat(workshop, "tree", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (stage.fd < 0)
        abort();
    if (package_unpack(fd, "package", &stage, &options, &error) == 0)
        if (links_make_relative(stage.fd, &error) < 0)
            abort();
    (void)close(stage.fd);
    expect_tree(workshop, "tree");
    expect_canary();
    if (directory_remove(workshop, "tree") < 0)
        abort();
}

/* The library asks for as much memory as a name is said to be long, up to 4 GB, before it finds
 * that there is no such name: it costs nothing, but the fuzzer stops at it. */
static bool claims_long_name(const uint8_t *data, size_t size)
{
    const uint8_t *end = data + size;
    for (; (data = memmem(data, (size_t)(end - data), "07070", 5)); data++) {
        char digits[9] = "";
        if (end - data < 102)
            return false;
        memcpy(digits, data + 94, 8);
        if (strtoul(digits, NULL, 16) > 1 << 20)
            return true;
    }
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (claims_long_name(data, size))
        return 0;
    if (workshop < 0)
        open_workshop();
    auto_fd int fd = memfd_create("package", MFD_CLOEXEC);
    if (fd < 0 || file_write_full(fd, data, size) < 0)
        return 0;
    (void)umask(022);
    struct package_trust *trust = NULL;
    struct error error = ERROR_INIT;
    enum package_signature signature;
    if (package_trust_open(&trust, &error) == 0)
        (void)package_verify(fd, "package", trust, &signature, &error);
    package_trust_close(trust);
    unpack(fd);
    return 0;
}
