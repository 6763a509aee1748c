/* Unpacking and looking up. Links in packages are read here and never left to the system to follow:
 * they may lead anywhere. */
#include "packer/target_shelf.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "packer/package.h"
#include "payload/base/file.h"
#include "payload/base/remove.h"
#include "payload/base/scope.h"
#include "payload/base/text.h"

#define MOST_LINKS 16 /* one after the other */
#define DEBUG_INFORMATION "usr/lib/debug/"

struct target_shelf target_shelf_begin(const struct stage *stage)
{
    return (struct target_shelf){.stage = stage};
}

int target_shelf_end(struct target_shelf *shelf)
{
    for (size_t index = 0; index < shelf->count; index++) {
        free(shelf->packages[index].label);
        strings_free(&shelf->packages[index].files);
        if (shelf->packages[index].directory >= 0)
            (void)close(shelf->packages[index].directory);
    }
    free(shelf->packages);
    *shelf = target_shelf_begin(shelf->stage);
    return directory_remove(shelf->stage->fd, TARGET_SHELF);
}

/* What `wanted` of an unpacking works on. */
struct collecting {
    struct strings *files;
    bool out_of_memory;
};

/* "libz.so.1", "ld-2.28.so": libraries and loaders have ".so" in their names. */
static bool collect_library(void *context, const char *path)
{
    struct collecting *collecting = context;
    const char *slash = strrchr(path, '/');
    if (!strstr(slash ? slash : path, ".so") || string_starts_with(path, DEBUG_INFORMATION))
        return false;
    if (strings_add(collecting->files, path) == 0)
        return true;
    collecting->out_of_memory = true;
    return false;
}

static struct target_shelf_package *append_package(struct target_shelf *shelf, const char *label)
{
    struct target_shelf_package *grown =
        reallocarray(shelf->packages, shelf->count + 1, sizeof *grown);
    if (!grown)
        return NULL;
    shelf->packages = grown;
    char *copy = strdup(label);
    if (!copy)
        return NULL;
    struct target_shelf_package *package = &grown[shelf->count++];
    *package = (struct target_shelf_package){.label = copy, .directory = -1};
    return package;
}

int target_shelf_add(struct target_shelf *shelf, int fd, const char *label, struct error *error)
{
    auto_text struct text place = TEXT_INIT;
    struct target_shelf_package *package = append_package(shelf, label);
    if (!package || text_printf(&place, "%s/%zu", TARGET_SHELF, shelf->count) < 0)
        return error_system(error, -ENOMEM, "unpacking %s", label);
    int result = directory_make(shelf->stage->fd, place.bytes, 0755);
    if (result == 0)
        package->directory =
            openat(shelf->stage->fd, place.bytes, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (result < 0 || package->directory < 0)
        return error_system(error, result < 0 ? result : -errno, "unpacking %s", label);
    struct stage within = *shelf->stage;
    within.fd = package->directory;
    struct collecting collecting = {.files = &package->files};
    const struct package_unpacking libraries = {.wanted = collect_library,
                                                .wanted_context = &collecting};
    result = package_unpack(fd, label, &within, &libraries, error);
    return collecting.out_of_memory ? error_system(error, -ENOMEM, "unpacking %s", label) : result;
}

/* Resolves "." and ".." by the text; -ENOENT for what leads out. */
static int normalise(const char *path, struct text *normal)
{
    text_free(normal);
    int result = text_append_string(normal, "");
    while (*path && result == 0) {
        path += strspn(path, "/");
        const size_t length = strcspn(path, "/");
        if (length == 2 && path[0] == '.' && path[1] == '.') {
            if (normal->length == 0)
                return -ENOENT;
            const char *slash = strrchr(normal->bytes, '/');
            normal->length = slash ? (size_t)(slash - normal->bytes) : 0;
            normal->bytes[normal->length] = '\0';
        } else if (length > 0 && !(length == 1 && path[0] == '.')) {
            result =
                text_printf(normal, "%s%.*s", normal->length > 0 ? "/" : "", (int)length, path);
        }
        path += length;
    }
    return result;
}

/* Opens the directory in which the last part of `path` is; no part of it may be a link. */
static int open_parent(int top, const char *path)
{
    auto_fd int directory = fcntl(top, F_DUPFD_CLOEXEC, 0);
    for (const char *slash; directory >= 0 && (slash = strchr(path, '/')); path = slash + 1) {
        auto_free char *name = strndup(path, (size_t)(slash - path));
        if (!name)
            return -ENOMEM;
        int next = openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (next < 0)
            return errno == ENOTDIR || errno == ELOOP ? -ENOENT : -errno;
        (void)close(directory);
        directory = next;
    }
    return directory < 0 ? -errno : steal_fd(&directory);
}

/* Replaces the path of a link by where it leads. 0 when it is no link; 1; or a negative errno. */
static int follow_link(int parent, struct text *path)
{
    char target[PATH_MAX];
    const char *slash = strrchr(path->bytes, '/');
    const char *name = slash ? slash + 1 : path->bytes;
    ssize_t length = readlinkat(parent, name, target, sizeof target - 1);
    if (length < 0)
        return errno == EINVAL ? 0 : -errno;
    target[length] = '\0';
    auto_text struct text joined = TEXT_INIT;
    const size_t kept = target[0] == '/' ? 0 : (size_t)(name - path->bytes);
    if (text_append(&joined, path->bytes, kept) < 0 || text_append_string(&joined, target) < 0)
        return -ENOMEM;
    int result = normalise(joined.bytes, path);
    return result < 0 ? result : 1;
}

static int open_file(int top, const char *name)
{
    auto_text struct text path = TEXT_INIT;
    int result = normalise(name, &path);
    for (unsigned links = 0; result == 0 && links < MOST_LINKS; links++) {
        auto_fd int parent = open_parent(top, path.bytes);
        if (parent < 0)
            return parent;
        result = follow_link(parent, &path);
        if (result < 0)
            return result;
        if (result > 0) {
            result = 0;
            continue;
        }
        const char *slash = strrchr(path.bytes, '/');
        int fd = openat(parent, slash ? slash + 1 : path.bytes,
                        O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
    }
    return result < 0 ? result : -ENOENT;
}

int target_shelf_find(const struct target_shelf *shelf, size_t package, const char *name)
{
    static const char *const directories[] = {"usr/lib64", "lib64", "usr/lib", "lib"};
    const struct target_shelf_package *shelved = &shelf->packages[package];
    for (size_t index = 0; index < sizeof directories / sizeof directories[0]; index++) {
        auto_text struct text path = TEXT_INIT;
        if (text_printf(&path, "%s/%s", directories[index], name) < 0)
            return -ENOMEM;
        int fd = open_file(shelved->directory, path.bytes);
        if (fd != -ENOENT)
            return fd;
    }
    for (size_t index = 0; index < shelved->files.count; index++) {
        const char *slash = strrchr(shelved->files.items[index], '/');
        if (!slash || strcmp(slash + 1, name) != 0)
            continue;
        int fd = open_file(shelved->directory, shelved->files.items[index]);
        if (fd != -ENOENT)
            return fd;
    }
    return -ENOENT;
}
