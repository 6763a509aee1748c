#include "packer/companion.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "payload/base/scope.h"

/* As seen from the directory of the program; an installation has bin and libexec side by side. */
static const char *const places[] = {"", "/../libexec/cvmfsexec"};

int companion_directory(struct text *directory, struct error *error)
{
    auto_free char *self = realpath("/proc/self/exe", NULL);
    if (!self)
        return error_system(error, -errno, "finding this program (/proc/self/exe)");
    const char *slash = strrchr(self, '/');
    int result = text_append(directory, self, slash == self ? 1 : (size_t)(slash - self));
    return result < 0 ? error_system(error, result, "finding this program") : 0;
}

int companion_find(const char *directory, const char *name, struct text *path, struct error *error)
{
    for (size_t index = 0; index < sizeof places / sizeof places[0]; index++) {
        auto_text struct text candidate = TEXT_INIT;
        if (text_printf(&candidate, "%s%s/%s", directory, places[index], name) < 0)
            return error_system(error, -ENOMEM, "looking for %s", name);
        if (access(candidate.bytes, R_OK) == 0) {
            int result = text_append_string(path, candidate.bytes);
            return result < 0 ? error_system(error, result, "looking for %s", name) : 0;
        }
    }
    return error_set(error, -ENOENT, "%s is missing: it is neither in %s nor in %s%s", name,
                     directory, directory, places[1]);
}
