/* A walk over the tree without following anything. */
#include "packer/links.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "payload/base/scope.h"
#include "payload/base/text.h"

#define MOST_DEPTH 128 /* directories in one another */

static int walk(int directory, unsigned depth, struct error *error);

/* "/usr/lib64/x" in a directory `depth` below the root of the tree: "../../usr/lib64/x". */
static int replace_link(int directory, const char *name, const char *target, unsigned depth,
                        struct error *error)
{
    auto_text struct text relative = TEXT_INIT;
    int result = 0;
    for (unsigned level = 0; level < depth && result == 0; level++)
        result = text_append_string(&relative, "../");
    const char *rest = target + strspn(target, "/");
    if (result == 0)
        result = text_append_string(&relative, *rest || depth > 0 ? rest : ".");
    if (result < 0)
        return error_system(error, result, "making the link %s relative", name);
    if (unlinkat(directory, name, 0) < 0 || symlinkat(relative.bytes, directory, name) < 0)
        return error_system(error, -errno, "making the link %s relative", name);
    return 0;
}

static int visit_link(int directory, const char *name, unsigned depth, struct error *error)
{
    char target[PATH_MAX];
    ssize_t length = readlinkat(directory, name, target, sizeof target - 1);
    if (length < 0)
        return error_system(error, -errno, "reading the link %s", name);
    target[length] = '\0';
    return target[0] == '/' ? replace_link(directory, name, target, depth, error) : 0;
}

static int visit_directory(int parent, const char *name, unsigned depth, struct error *error)
{
    if (depth >= MOST_DEPTH)
        return error_set(error, -ELOOP, "%s: directories are nested too deep", name);
    auto_fd int directory = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (directory < 0)
        return error_system(error, -errno, "opening %s", name);
    return walk(directory, depth + 1, error);
}

static int visit(int directory, const struct dirent *entry, unsigned depth, struct error *error)
{
    struct stat status;
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
        return 0;
    if (fstatat(directory, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) < 0)
        return error_system(error, -errno, "looking at %s", entry->d_name);
    if (S_ISLNK(status.st_mode))
        return visit_link(directory, entry->d_name, depth, error);
    return S_ISDIR(status.st_mode) ? visit_directory(directory, entry->d_name, depth, error) : 0;
}

static int walk(int directory, unsigned depth, struct error *error)
{
    int copy = fcntl(directory, F_DUPFD_CLOEXEC, 0);
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
        int result = visit(directory, entry, depth, error);
        if (result < 0)
            return result;
    }
}

int links_make_relative(int tree, struct error *error)
{
    return walk(tree, 0, error);
}
