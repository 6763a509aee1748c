/* The native client of this build and its libraries, copied into a tree. */
#include "packer/native.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "packer/closure.h"
#include "packer/library_path.h"
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
    const struct stage *stage;
    struct native_result *result;
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
    if (text_printf(list, NATIVE_FUSE2FS " %s\n", source) < 0)
        return error_system(building->error, -ENOMEM, "copying %s", source);
    return copy_file(building, source, "usr/bin/" NATIVE_FUSE2FS, false, 0755);
}

static int copy_programs(const struct building *building, const struct native_programs *programs)
{
    auto_strings struct strings directories = STRINGS_INIT;
    int result = programs->libraries ? strings_add(&directories, programs->libraries) : 0;
    if (result < 0)
        return error_system(building->error, result, "listing the library directories");
    result = library_path_read("", programs->architecture, &directories, building->error);
    if (result < 0)
        return result;
    const char *const paths[] = {programs->client, programs->transfer, programs->fuse2fs};
    const struct closure_request request = {
        .programs = paths,
        .program_count = programs->fuse2fs ? 3 : 2,
        .extra = unnamed_libraries,
        .extra_count = 1,
        .directories = &directories,
        .loader_directory = programs->libraries,
    };
    auto_closure struct closure closure = CLOSURE_INIT;
    result = closure_find(&request, &closure, building->error);
    if (result == 0)
        result = copy_file(building, programs->client, "usr/bin/" NATIVE_CLIENT, true, 0755);
    if (result == 0)
        result = copy_file(building, programs->transfer, LIBRARY_DIRECTORY "/" NATIVE_TRANSFER,
                           true, 0644);
    auto_text struct text list = TEXT_INIT;
    if (result == 0 && programs->fuse2fs)
        result = copy_fuse2fs(building, programs->fuse2fs, &list);
    for (size_t index = 0; index < closure.count && result == 0; index++)
        result = copy_library(building, &closure.libraries[index], closure.loader, &list);
    if (result < 0 || !list.bytes) /* a static client has none */
        return result;
    result = file_replace(building->stage->fd, LIBRARY_LIST, list.bytes, list.length, 0644);
    return result < 0 ? error_system(building->error, result, "writing %s", LIBRARY_LIST) : 0;
}

int native_fill(const struct native_programs *programs, const struct stage *stage,
                struct native_result *result, struct error *error)
{
    *result = (struct native_result){0};
    const struct building building = {.stage = stage, .result = result, .error = error};
    return copy_programs(&building, programs);
}
