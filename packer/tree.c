/* Puts the native tree together, in a stage. Bundles are made from trees in pack.c. */
#include "packer/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "packer/closure.h"
#include "packer/library_path.h"
#include "packer/skeleton.h"
#include "packer/stage.h"
#include "packer/stamp.h"
#include "packer/strip.h"
#include "payload/base/file.h"
#include "payload/base/scope.h"
#include "payload/base/text.h"

#define LIBRARY_DIRECTORY "usr/lib64"
#define LIBRARY_LIST "usr/share/cvmfsexec/libraries"

/* glibc loads it when a thread is cancelled, as libfuse does with its own, and gives up the whole
 * process when it is not there; no file names it. */
static const char *const unnamed_libraries[] = {"libgcc_s.so.1"};

struct building {
    struct stage *stage;
    struct tree_result *result;
    struct error *error;
};

static int copy_content(int from, int to)
{
    for (;;) {
        ssize_t count = sendfile(to, from, NULL, 1 << 24);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return count < 0 ? -errno : 0;
    }
}

/* Copies the file at `path` to `name` in the tree; our own files without what the loader has no use
 * for, those of the system as they are, so that they can be compared with what its packages say. */
static int copy_file(const struct building *building, const char *path, const char *name,
                     bool strip, mode_t mode)
{
    int result = stage_interrupted(building->stage, building->error);
    if (result < 0)
        return result;
    auto_fd int from = open(path, O_RDONLY | O_CLOEXEC);
    if (from < 0)
        return error_system(building->error, -errno, "opening %s", path);
    auto_fd int to =
        openat(building->stage->fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    if (to < 0)
        return error_system(building->error, -errno, "making %s", name);
    if (strip) {
        result = strip_copy(from, to, building->error);
        if (result < 0)
            return error_prefix(building->error, "copying %s", path);
    } else {
        result = copy_content(from, to);
        if (result < 0)
            return error_system(building->error, result, "copying %s", path);
    }
    struct stat status;
    if (fstat(to, &status) < 0)
        return error_system(building->error, -errno, "copying %s", path);
    building->result->bytes += (uint64_t)status.st_size;
    return 0;
}

static int copy_library(const struct building *building, const struct library *library,
                        const char *loader, struct text *list)
{
    auto_text struct text name = TEXT_INIT;
    auto_free char *source = realpath(library->path, NULL);
    if (!source)
        return error_system(building->error, -errno, "finding %s", library->path);
    int result = text_printf(&name, "%s/%s", LIBRARY_DIRECTORY, library->name);
    if (result == 0)
        result = text_printf(list, "%s %s\n", library->name, source);
    if (result < 0)
        return error_system(building->error, result, "copying %s", source);
    /* The loader is started as a program. */
    const mode_t mode = loader && strcmp(library->name, loader) == 0 ? 0755 : 0644;
    building->result->libraries++;
    return copy_file(building, source, name.bytes, false, mode);
}

static int copy_fuse2fs(const struct building *building, const char *path, struct text *list)
{
    auto_free char *source = realpath(path, NULL);
    if (!source)
        return error_system(building->error, -errno, "finding %s", path);
    if (text_printf(list, TREE_FUSE2FS " %s\n", source) < 0)
        return error_system(building->error, -ENOMEM, "copying %s", source);
    return copy_file(building, source, "usr/bin/" TREE_FUSE2FS, false, 0755);
}

static int copy_programs(const struct building *building, const struct tree_options *options)
{
    auto_strings struct strings directories = STRINGS_INIT;
    int result =
        library_path_read("", options->machine->architecture, &directories, building->error);
    if (result < 0)
        return result;
    const char *const programs[] = {options->client, options->transfer, options->fuse2fs};
    const struct closure_request request = {
        .programs = programs,
        .program_count = options->fuse2fs ? 3 : 2,
        .extra = unnamed_libraries,
        .extra_count = 1,
        .directories = &directories,
    };
    auto_closure struct closure closure = CLOSURE_INIT;
    result = closure_find(&request, &closure, building->error);
    if (result == 0)
        result = copy_file(building, options->client, "usr/bin/" TREE_CLIENT, true, 0755);
    if (result == 0)
        result =
            copy_file(building, options->transfer, LIBRARY_DIRECTORY "/" TREE_TRANSFER, true, 0644);
    auto_text struct text list = TEXT_INIT;
    if (result == 0 && options->fuse2fs)
        result = copy_fuse2fs(building, options->fuse2fs, &list);
    for (size_t index = 0; index < closure.count && result == 0; index++)
        result = copy_library(building, &closure.libraries[index], closure.loader, &list);
    if (result < 0 || !list.bytes) /* a static client has none */
        return result;
    result = file_replace(building->stage->fd, LIBRARY_LIST, list.bytes, list.length, 0644);
    return result < 0 ? error_system(building->error, result, "writing %s", LIBRARY_LIST) : 0;
}

static int refuse_existing(const char *directory, struct error *error)
{
    auto_text struct text path = TEXT_INIT;
    struct stat status;
    if (text_printf(&path, "%s/%s", directory, TREE_NAME) < 0)
        return error_system(error, -ENOMEM, "looking for %s", TREE_NAME);
    if (lstat(path.bytes, &status) < 0)
        return errno == ENOENT ? 0 : error_system(error, -errno, "looking for %s", path.bytes);
    return error_set(error, -EEXIST,
                     "%s is there already: remove it (rm -rf %s) or move it away first", path.bytes,
                     path.bytes);
}

int tree_make(const struct tree_options *options, struct tree_result *result, struct error *error)
{
    struct tree_result counted = {0};
    int failure = refuse_existing(options->directory, error);
    if (failure < 0)
        return failure;
    auto_stage struct stage stage = STAGE_INIT;
    failure = stage_open(options->directory, &stage, error);
    if (failure < 0)
        return failure;
    const struct building building = {.stage = &stage, .result = &counted, .error = error};
    struct stamp stamp = {.sing = options->sing};
    (void)strncpy(stamp.machtype, options->machine->name, sizeof stamp.machtype - 1);
    failure = skeleton_write(stage.fd, options->machine, error);
    if (failure == 0)
        failure = copy_programs(&building, options);
    if (failure == 0)
        failure = stamp_write(stage.fd, &stamp, error);
    if (failure == 0)
        failure = stage_interrupted(&stage, error);
    if (failure == 0)
        failure = stage_publish(&stage, TREE_NAME, error);
    if (failure == 0 && result)
        *result = counted;
    return failure;
}
