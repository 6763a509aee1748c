/* Two small programs of ours, copied where they are needed. Directories are opened one by one and
 * without following links: packages have made them. */
#include "packer/starters.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "packer/companion.h"
#include "packer/dynamic.h"
#include "payload/base/file.h"
#include "payload/base/scope.h"
#include "payload/base/strings.h"
#include "payload/base/text.h"
#include "payload/launch/tree_program.h"

#define STARTER "start"
#define STARTER_FROM_HELPERS "../../cvmfsexec/" STARTER
#define LARGEST_PROGRAM ((size_t)16 << 20)

/* Opens a directory; -ENOENT when it is not there, or leads through a link. */
static int enter(int parent, const char *name)
{
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0)
        return fd;
    return errno == ENOTDIR || errno == ELOOP ? -ENOENT : -errno;
}

static int enter_all(int parent, const char *const *names, size_t count)
{
    int fd = fcntl(parent, F_DUPFD_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    for (size_t index = 0; fd >= 0 && index < count; index++) {
        int next = enter(fd, names[index]);
        (void)close(fd);
        fd = next;
    }
    return fd;
}

/* The loader that a program names for itself; NULL: it is no such program. */
static int read_interpreter(int directory, const char *name, char **interpreter)
{
    *interpreter = NULL;
    auto_fd int fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return errno == ELOOP ? 0 : -errno;
    auto_dynamic struct dynamic dynamic = DYNAMIC_INIT;
    struct error ignored = ERROR_INIT;
    int result = dynamic_load_fd(fd, &dynamic, &ignored);
    if (result == 0)
        *interpreter = steal_pointer(dynamic.interpreter);
    return result == -ENOMEM ? result : 0;
}

static int copy_program(const struct starters_options *options, const char *name, int directory,
                        mode_t mode, struct error *error)
{
    auto_text struct text path = TEXT_INIT;
    auto_text struct text content = TEXT_INIT;
    int result =
        companion_find(options->directory, options->machine->architecture, name, &path, error);
    if (result < 0)
        return result;
    result = file_load(AT_FDCWD, path.bytes, LARGEST_PROGRAM, &content);
    if (result == 0)
        result = file_replace(directory, name, content.bytes, content.length, mode);
    return result < 0 ? error_system(error, result, "copying %s", path.bytes) : 0;
}

/* Names of the helpers that need a starter. */
static int list_helpers(int directory, struct strings *helpers)
{
    auto_fd int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    auto_directory DIR *listing = fd < 0 ? NULL : fdopendir(fd);
    if (!listing)
        return -errno;
    (void)steal_fd(&fd); /* the listing's now */
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(listing);
        if (!entry)
            return -errno;
        if (entry->d_name[0] == '.')
            continue;
        auto_free char *interpreter = NULL;
        int result = read_interpreter(directory, entry->d_name, &interpreter);
        if (result == 0 && interpreter)
            result = strings_add(helpers, entry->d_name);
        if (result < 0)
            return result;
    }
}

static int wrap(int directory, const char *name)
{
    auto_text struct text hidden = TEXT_INIT;
    if (text_printf(&hidden, ".%s", name) < 0)
        return -ENOMEM;
    return renameat(directory, name, directory, hidden.bytes) < 0 ||
                   symlinkat(STARTER_FROM_HELPERS, directory, name) < 0
               ? -errno
               : 0;
}

int starters_wrap_helpers(const struct starters_options *options, const struct stage *stage,
                          struct error *error)
{
    static const char *const place[] = {"usr", "libexec", "cvmfs", "authz"};
    auto_fd int libexec = enter_all(stage->fd, place, 2);
    auto_fd int directory = libexec < 0 ? libexec : enter_all(libexec, place + 2, 2);
    if (directory == -ENOENT)
        return 0;
    auto_strings struct strings helpers = STRINGS_INIT;
    int result = directory < 0 ? directory : list_helpers(directory, &helpers);
    if (result < 0)
        return error_system(error, result, "looking for helpers");
    if (helpers.count == 0)
        return 0;
    if (mkdirat(libexec, "cvmfsexec", 0755) < 0 && errno != EEXIST)
        return error_system(error, -errno, "making usr/libexec/cvmfsexec");
    auto_fd int own = enter(libexec, "cvmfsexec");
    if (own < 0)
        return error_system(error, own, "making usr/libexec/cvmfsexec");
    result = copy_program(options, STARTER, own, 0755, error);
    for (size_t index = 0; result == 0 && index < helpers.count; index++) {
        result = wrap(directory, helpers.items[index]);
        if (result < 0)
            return error_system(error, result, "wrapping the helper %s", helpers.items[index]);
    }
    return result;
}

int starters_add_namer(const struct starters_options *options, const struct stage *stage,
                       struct error *error)
{
    static const char *const programs[] = {"usr", "bin"};
    static const char *const libraries[] = {"usr", "lib64"};
    auto_fd int bin = enter_all(stage->fd, programs, 2);
    auto_fd int library = enter_all(stage->fd, libraries, 2);
    auto_free char *interpreter = NULL;
    if (bin < 0 || library < 0)
        return bin == -ENOENT || library == -ENOENT
                   ? 0
                   : error_system(error, bin < 0 ? bin : library, "looking for the client");
    int result = read_interpreter(bin, "cvmfs2", &interpreter);
    if (result == -ENOENT || (result == 0 && !interpreter))
        return 0;
    auto_text struct text loader = TEXT_INIT;
    if (result == 0) {
        const char *slash = strrchr(interpreter, '/');
        result = file_load(library, slash ? slash + 1 : interpreter, LARGEST_PROGRAM, &loader);
    }
    if (result == -ENOENT) /* it is the node's */
        return 0;
    if (result < 0)
        return error_system(error, result, "looking at the loader of the client");
    const bool knows = memmem(loader.bytes, loader.length, TREE_PROGRAM_OPTION,
                              strlen(TREE_PROGRAM_OPTION)) != NULL;
    return knows ? 0 : copy_program(options, TREE_PROGRAM_NAMER, library, 0644, error);
}
