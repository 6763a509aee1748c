/* A walk over the tree without following anything. */
#include "packer/links.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "payload/base/scope.h"
#include "payload/base/text.h"

#define MOST_DEPTH 128 /* directories in one another */

/* Where the walk is: the directory, and its path from the root of the tree, "" or "usr/lib64". */
struct place {
    int directory;
    const char *path;
};

static void leave_last(struct text *path)
{
    const char *slash = path->length > 0 ? memrchr(path->bytes, '/', path->length) : NULL;
    path->length = slash ? (size_t)(slash - path->bytes) : 0;
    if (path->bytes)
        path->bytes[path->length] = '\0';
}

/* Follows `target` from the directory `path`, by its text alone; as in a system, ".." of the root
 * is the root. `*climbs` says whether it came to that. */
static int follow(const char *target, struct text *path, bool *climbs)
{
    int result = 0;
    *climbs = false;
    while (*target && result == 0) {
        target += strspn(target, "/");
        const size_t length = strcspn(target, "/");
        if (length == 2 && strncmp(target, "..", 2) == 0) {
            *climbs = *climbs || path->length == 0;
            leave_last(path);
        } else if (length > 0 && !(length == 1 && *target == '.')) {
            result = text_printf(path, "%s%.*s", path->length > 0 ? "/" : "", (int)length, target);
        }
        target += length;
    }
    return result;
}

/* A link to `path` of the tree, in a directory `depth` below its root. */
static int make_link(const struct place *place, const char *name, const char *path, unsigned depth)
{
    auto_text struct text relative = TEXT_INIT;
    int result = 0;
    for (unsigned level = 0; level < depth && result == 0; level++)
        result = text_append_string(&relative, level + 1 < depth || *path ? "../" : "..");
    if (result == 0)
        result = text_append_string(&relative, *path || depth > 0 ? path : ".");
    if (result < 0)
        return result;
    return unlinkat(place->directory, name, 0) < 0 ||
                   symlinkat(relative.bytes, place->directory, name) < 0
               ? -errno
               : 0;
}

static int visit_link(const struct place *place, const char *name, unsigned depth,
                      struct error *error)
{
    char target[PATH_MAX];
    ssize_t length = readlinkat(place->directory, name, target, sizeof target - 1);
    if (length < 0)
        return error_system(error, -errno, "reading the link %s", name);
    target[length] = '\0';
    auto_text struct text path = TEXT_INIT;
    bool climbs;
    int result = text_append_string(&path, target[0] == '/' ? "" : place->path);
    if (result == 0)
        result = follow(target, &path, &climbs);
    if (result == 0 && (climbs || target[0] == '/'))
        result = make_link(place, name, path.bytes, depth);
    return result < 0 ? error_system(error, result, "making the link %s relative", name) : 0;
}

static int walk(const struct place *place, unsigned depth, struct error *error);

static int visit_directory(const struct place *parent, const char *name, unsigned depth,
                           struct error *error)
{
    if (depth >= MOST_DEPTH)
        return error_set(error, -ELOOP, "%s: directories are nested too deep", name);
    auto_text struct text path = TEXT_INIT;
    if (text_printf(&path, "%s%s%s", parent->path, *parent->path ? "/" : "", name) < 0)
        return error_system(error, -ENOMEM, "opening %s", name);
    auto_fd int directory =
        openat(parent->directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (directory < 0)
        return error_system(error, -errno, "opening %s", name);
    const struct place place = {.directory = directory, .path = path.bytes};
    return walk(&place, depth + 1, error);
}

static int visit(const struct place *place, const struct dirent *entry, unsigned depth,
                 struct error *error)
{
    struct stat status;
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
        return 0;
    if (fstatat(place->directory, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) < 0)
        return error_system(error, -errno, "looking at %s", entry->d_name);
    if (S_ISLNK(status.st_mode))
        return visit_link(place, entry->d_name, depth, error);
    return S_ISDIR(status.st_mode) ? visit_directory(place, entry->d_name, depth, error) : 0;
}

static int walk(const struct place *place, unsigned depth, struct error *error)
{
    int copy = fcntl(place->directory, F_DUPFD_CLOEXEC, 0);
    auto_directory DIR *listing = copy < 0 ? NULL : fdopendir(copy);
    if (!listing) {
        int result = error_system(error, -errno, "listing a directory");
        if (copy >= 0)
            (void)close(copy);
        return result;
    }
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(listing);
        if (!entry)
            return errno == 0 ? 0 : error_system(error, -errno, "listing a directory");
        int result = visit(place, entry, depth, error);
        if (result < 0)
            return result;
    }
}

int links_make_relative(int tree, struct error *error)
{
    const struct place root = {.directory = tree, .path = ""};
    return walk(&root, 0, error);
}
