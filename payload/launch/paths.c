/* Finding the directory of the executable. Looks at no environment and no working directory: the
 * program may be started through any link, from anywhere. */
#include "payload/launch/paths.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "payload/base/scope.h"
#include "payload/base/text.h"

static int read_own_name(struct text *name)
{
    for (size_t room = 256;; room *= 2) {
        int result = text_reserve(name, room);
        if (result < 0)
            return result;
        ssize_t length = readlink("/proc/self/exe", name->bytes, room);
        if (length < 0)
            return -errno;
        if ((size_t)length < room) {
            name->length = (size_t)length;
            name->bytes[length] = '\0';
            return 0;
        }
    }
}

static char *join(const char *directory, const char *rest)
{
    auto_text struct text path = TEXT_INIT;
    if (text_append_string(&path, directory) < 0 || text_append_string(&path, rest) < 0)
        return NULL;
    return text_steal(&path);
}

int paths_find(struct paths *paths, struct error *error)
{
    auto_text struct text name = TEXT_INIT;
    int result = read_own_name(&name);
    if (result < 0)
        return error_system(error, result, "finding the own directory through /proc/self/exe");
    char *slash = strrchr(name.bytes, '/');
    if (!slash)
        return error_set(error, -ENOENT, "/proc/self/exe names no directory: %s", name.bytes);
    *slash = '\0';
    paths->home = join(name.bytes, "");
    paths->dist = join(name.bytes, "/dist");
    paths->log = join(name.bytes, "/log");
    paths->libraries = join(name.bytes, "/dist/usr/lib64");
    paths->client = join(name.bytes, "/dist/usr/bin/cvmfs2");
    paths->starter = join(name.bytes, "/cvmfsexec");
    if (!paths->home || !paths->dist || !paths->log || !paths->libraries || !paths->client ||
        !paths->starter) {
        paths_free(paths);
        return error_system(error, -ENOMEM, "finding the own directory");
    }
    return 0;
}

void paths_free(struct paths *paths)
{
    free(paths->home);
    free(paths->dist);
    free(paths->log);
    free(paths->libraries);
    free(paths->client);
    free(paths->starter);
    *paths = (struct paths)PATHS_INIT;
}
