#include "packer/companion.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "payload/base/scope.h"

static const char *const standard_commands[] = {"cvmfsexec", "mountrepo", "umountrepo"};
static const char *const sing_commands[] = {"singcvmfs"};

/* As seen from the directory of the program; an installation has bin and libexec side by side. */
enum { BESIDE, INSTALLED, PLACE_COUNT };
static const char *const places[PLACE_COUNT] = {
    [BESIDE] = "",
    [INSTALLED] = "/../libexec/cvmfsexec",
};

int companion_directory(struct text *directory, struct error *error)
{
    auto_free char *self = realpath("/proc/self/exe", NULL);
    if (!self)
        return error_system(error, -errno, "finding this program (/proc/self/exe)");
    const char *slash = strrchr(self, '/');
    int result = text_append(directory, self, slash == self ? 1 : (size_t)(slash - self));
    return result < 0 ? error_system(error, result, "finding this program") : 0;
}

/* The path of `name` in a subdirectory ("" or "/NAME") of one of the places, in `path`; -ENOENT
 * when it is not there, or -ENOMEM. */
static int find_in(const char *directory, size_t place, const char *below, const char *name,
                   struct text *path)
{
    text_free(path);
    if (text_printf(path, "%s%s%s/%s", directory, places[place], below, name) < 0)
        return -ENOMEM;
    return access(path->bytes, R_OK) < 0 ? -ENOENT : 0;
}

static bool is_installed(const char *directory)
{
    auto_text struct text path = TEXT_INIT;
    return find_in(directory, BESIDE, "", "stub", &path) == -ENOENT &&
           find_in(directory, INSTALLED, "", "stub", &path) == 0;
}

int companion_workplace(const char *directory, struct text *place, struct error *error)
{
    const bool installed = is_installed(directory);
    auto_free char *current = installed ? getcwd(NULL, 0) : NULL;
    if (installed && !current)
        return error_system(error, -errno, "finding the current directory");
    int result = text_append_string(place, installed ? current : directory);
    return result < 0 ? error_system(error, result, "finding the place of dist") : 0;
}

bool companion_is_native(const char *architecture)
{
    struct utsname host;
    return uname(&host) == 0 && strcmp(host.machine, architecture) == 0;
}

int companion_find(const char *directory, const char *architecture, const char *name,
                   struct text *path, struct error *error)
{
    auto_text struct text below = TEXT_INIT;
    auto_text struct text found = TEXT_INIT;
    const bool native = companion_is_native(architecture);
    int result = native ? text_append_string(&below, "") : text_printf(&below, "/%s", architecture);
    if (result == 0)
        result = -ENOENT;
    for (size_t place = 0; place < PLACE_COUNT && result == -ENOENT; place++)
        result = find_in(directory, place, below.bytes ? below.bytes : "", name, &found);
    if (result == -ENOENT && native)
        return error_set(error, result, "%s is missing: it is neither in %s nor in %s%s", name,
                         directory, directory, places[INSTALLED]);
    if (result == -ENOENT)
        return error_set(
            error, result,
            "%s for %s is missing: it is neither in %s%s nor in %s%s%s; build it with: "
            "make CROSS=%s",
            name, architecture, directory, below.bytes, directory, places[INSTALLED], below.bytes,
            architecture);
    if (result == 0)
        result = text_append_string(path, found.bytes);
    return result < 0 ? error_system(error, result, "looking for %s", name) : 0;
}

/* 0, -ENOENT or -ENOMEM, with `path` in an undefined state for the last two. */
static int find_along(const char *directories, const char *name, struct text *path)
{
    while (*directories) {
        const size_t length = strcspn(directories, ":");
        text_free(path);
        if (text_append(path, directories, length) < 0 || text_printf(path, "/%s", name) < 0)
            return -ENOMEM;
        if (*directories == '/' && access(path->bytes, R_OK | X_OK) == 0)
            return 0;
        directories += length;
        directories += *directories == ':';
    }
    return -ENOENT;
}

int companion_find_on_system(const char *name, struct text *path)
{
    const char *search_path = getenv("PATH");
    auto_text struct text found = TEXT_INIT;
    int result = find_along(search_path ? search_path : "", name, &found);
    if (result == -ENOENT)
        result = find_along("/usr/bin:/usr/sbin:/bin:/sbin", name, &found);
    return result < 0 ? result : text_append_string(path, found.bytes);
}

struct companion_commands companion_commands(bool sing)
{
    return sing ? (struct companion_commands){sing_commands, 1}
                : (struct companion_commands){standard_commands, 3};
}
