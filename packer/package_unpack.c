/* From the payload of a package to files below one directory descriptor, with libarchive.
 *
 * What a package says is not believed: each directory of a path is opened by itself and without
 * following links, so that nothing can lead out of the tree, whatever stands there already. */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "packer/package.h"
#include "payload/base/file.h"
#include "payload/base/scope.h"
#include "payload/base/strings.h"
#include "payload/base/text.h"

#define MOST_BYTES (UINT64_C(4) << 30)
#define MOST_ENTRIES 100000
#define BLOCK_SIZE 65536

/* Directories in one another: what removes a tree goes no deeper than 128. */
#define MOST_DEPTH 64

struct unpacking {
    const struct package_unpacking *options;
    const struct stage *stage;
    const char *label;
    struct archive *archive;
    struct strings files; /* regular ones that were made: what hard links may name */
    uint64_t left;        /* bytes that may still come */
    struct error *error;
};

/* Where an entry goes: its last directory, and its name there. */
struct place {
    int directory;
    const char *name; /* part of the path */
};

static int refuse(const struct unpacking *unpacking, const char *path, const char *why)
{
    return error_set(unpacking->error, -EBADMSG, "%s: refused: %.200s%s: %s", unpacking->label,
                     path, strlen(path) > 200 ? "..." : "", why);
}

/* Names beyond what the system allows are the package's fault, a full disk is not. */
static int fail(const struct unpacking *unpacking, int code, const char *path)
{
    if (code == -ENAMETOOLONG)
        return refuse(unpacking, path, "its name is too long");
    return error_system(unpacking->error, code, "unpacking %s: writing %.200s", unpacking->label,
                        path);
}

/* "./usr//lib64/x" becomes "usr/lib64/x"; empty for the root. -EINVAL for "..". */
static int normalise(const char *path, struct text *normal)
{
    int result = text_append_string(normal, "");
    while (*path && result == 0) {
        path += strspn(path, "/");
        const size_t length = strcspn(path, "/");
        if (length == 2 && path[0] == '.' && path[1] == '.')
            return -EINVAL;
        const bool dot = length == 1 && path[0] == '.';
        if (length > 0 && !dot)
            result =
                text_printf(normal, "%s%.*s", normal->length > 0 ? "/" : "", (int)length, path);
        path += length;
    }
    return result;
}

/* Opens a directory in `parent`, made when it is missing. A descriptor or a negative errno. */
static int enter(int parent, const char *name)
{
    const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    int fd = openat(parent, name, flags);
    if (fd >= 0)
        return fd;
    if (errno != ENOENT || (mkdirat(parent, name, 0755) < 0 && errno != EEXIST))
        return -errno;
    fd = openat(parent, name, flags);
    return fd < 0 ? -errno : fd;
}

/* Goes along `path` to its last directory. The caller closes that. */
static int find_place(const struct unpacking *unpacking, const char *path, struct place *place)
{
    auto_fd int directory = fcntl(unpacking->stage->fd, F_DUPFD_CLOEXEC, 0);
    if (directory < 0)
        return fail(unpacking, -errno, path);
    const char *rest = path;
    for (const char *slash; (slash = strchr(rest, '/')); rest = slash + 1) {
        auto_free char *name = strndup(rest, (size_t)(slash - rest));
        int next = name ? enter(directory, name) : -ENOMEM;
        if (next == -ELOOP || next == -ENOTDIR)
            return refuse(unpacking, path, "it leads through a link or a file");
        if (next < 0)
            return fail(unpacking, next, path);
        (void)close(directory);
        directory = next;
    }
    *place = (struct place){.directory = steal_fd(&directory), .name = rest};
    return 0;
}

/* The library has no words for an archive that just ends. */
static int is_damaged(const struct unpacking *unpacking)
{
    const char *words = archive_error_string(unpacking->archive);
    return error_set(unpacking->error, -EBADMSG, "%s is damaged: %s", unpacking->label,
                     words ? words : "it ends too early");
}

/* Makes room for something that is no directory. */
static int clear_place(const struct unpacking *unpacking, const struct place *place,
                       const char *path)
{
    if (unlinkat(place->directory, place->name, 0) == 0 || errno == ENOENT)
        return 0;
    if (errno == EISDIR || errno == EPERM)
        return refuse(unpacking, path, "a directory of that name is there already");
    return fail(unpacking, -errno, path);
}

static int make_directory(const struct unpacking *unpacking, const struct place *place,
                          const char *path)
{
    struct stat status;
    if (mkdirat(place->directory, place->name, 0755) == 0)
        return 0;
    if (errno != EEXIST)
        return fail(unpacking, -errno, path);
    if (fstatat(place->directory, place->name, &status, AT_SYMLINK_NOFOLLOW) < 0)
        return fail(unpacking, -errno, path);
    return S_ISDIR(status.st_mode)
               ? 0
               : refuse(unpacking, path, "something that is no directory is there already");
}

static int write_content(struct unpacking *unpacking, int fd, const char *path)
{
    for (;;) {
        const void *block;
        size_t length;
        la_int64_t offset;
        int result = stage_interrupted(unpacking->stage, unpacking->error);
        if (result < 0)
            return result;
        result = archive_read_data_block(unpacking->archive, &block, &length, &offset);
        if (result == ARCHIVE_EOF)
            return 0;
        if (result != ARCHIVE_OK)
            return is_damaged(unpacking);
        if (length > unpacking->left)
            return refuse(unpacking, path, "the files are larger than a package may be");
        unpacking->left -= length;
        result = file_write_full(fd, block, length);
        if (result < 0)
            return fail(unpacking, result, path);
    }
}

static int set_time(const struct unpacking *unpacking, int fd, struct archive_entry *entry,
                    const char *path)
{
    const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT},
                                      {.tv_sec = archive_entry_mtime(entry)}};
    if (!archive_entry_mtime_is_set(entry) || futimens(fd, times) == 0)
        return 0;
    return fail(unpacking, -errno, path);
}

static int make_file(struct unpacking *unpacking, const struct place *place, const char *path,
                     struct archive_entry *entry)
{
    int result = clear_place(unpacking, place, path);
    if (result < 0)
        return result;
    const mode_t mode = archive_entry_perm(entry) & 0111 ? 0755 : 0644;
    auto_fd int fd = openat(place->directory, place->name,
                            O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    if (fd < 0)
        return fail(unpacking, -errno, path);
    result = write_content(unpacking, fd, path);
    if (result == 0)
        result = set_time(unpacking, fd, entry, path);
    if (result == 0 && strings_add(&unpacking->files, path) < 0)
        result = fail(unpacking, -ENOMEM, path);
    return result;
}

static int make_symbolic_link(const struct unpacking *unpacking, const struct place *place,
                              const char *path, const char *target)
{
    if (!target || !*target)
        return refuse(unpacking, path, "a link to nothing");
    int result = clear_place(unpacking, place, path);
    if (result == 0 && symlinkat(target, place->directory, place->name) < 0)
        result = fail(unpacking, -errno, path);
    return result;
}

/* Of several names of one file, the last one in the archive has the content. What was a file when
 * the first one came may be something else by now. */
static int make_hard_link(struct unpacking *unpacking, const struct place *place, const char *path,
                          struct archive_entry *entry)
{
    auto_text struct text target = TEXT_INIT;
    int result = normalise(archive_entry_hardlink(entry), &target);
    if (result == -ENOMEM)
        return fail(unpacking, result, path);
    if (result < 0 || !strings_contain(&unpacking->files, target.bytes))
        return refuse(unpacking, path, "a hard link to what is not in the package");
    struct place from;
    result = find_place(unpacking, target.bytes, &from);
    if (result < 0)
        return result;
    auto_fd int directory = from.directory;
    struct stat status;
    if (fstatat(directory, from.name, &status, AT_SYMLINK_NOFOLLOW) < 0)
        return fail(unpacking, -errno, path);
    if (!S_ISREG(status.st_mode))
        return refuse(unpacking, path, "a hard link to what is no file any more");
    result = clear_place(unpacking, place, path);
    if (result == 0 && linkat(directory, from.name, place->directory, place->name, 0) < 0)
        result = fail(unpacking, -errno, path);
    if (result < 0 || !archive_entry_size_is_set(entry) || archive_entry_size(entry) == 0)
        return result;
    auto_fd int fd =
        openat(place->directory, place->name, O_WRONLY | O_TRUNC | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return fail(unpacking, -errno, path);
    result = write_content(unpacking, fd, path);
    return result == 0 ? set_time(unpacking, fd, entry, path) : result;
}

static int make_entry(struct unpacking *unpacking, const struct place *place, const char *path,
                      struct archive_entry *entry)
{
    if (archive_entry_hardlink(entry))
        return make_hard_link(unpacking, place, path, entry);
    switch (archive_entry_filetype(entry)) {
    case AE_IFREG:
        return make_file(unpacking, place, path, entry);
    case AE_IFDIR:
        return make_directory(unpacking, place, path);
    case AE_IFLNK:
        return make_symbolic_link(unpacking, place, path, archive_entry_symlink(entry));
    default:
        return refuse(unpacking, path, "a device, or another special file");
    }
}

/* Debuggers find programs by it; nobody else needs it. */
static bool is_build_id(const char *path)
{
    const char *found = strstr(path, "/.build-id");
    return found && (found[strlen("/.build-id")] == '\0' || found[strlen("/.build-id")] == '/');
}

static unsigned count_slashes(const char *path)
{
    unsigned count = 0;
    for (; (path = strchr(path, '/')); path++)
        count++;
    return count;
}

static int unpack_entry(struct unpacking *unpacking, struct archive_entry *entry)
{
    auto_text struct text path = TEXT_INIT;
    const char *name = archive_entry_pathname(entry);
    if (!name)
        return refuse(unpacking, "an entry", "it has no name");
    int result = normalise(name, &path);
    if (result == -EINVAL)
        return refuse(unpacking, name, "it leads out of the tree");
    if (result < 0)
        return fail(unpacking, result, name);
    const struct package_unpacking *options = unpacking->options;
    if (path.length == 0 || is_build_id(path.bytes) ||
        (options->wanted && !options->wanted(options->wanted_context, path.bytes)))
        return 0;
    if (path.length >= PATH_MAX)
        return refuse(unpacking, name, "its name is too long");
    if (count_slashes(path.bytes) >= MOST_DEPTH)
        return refuse(unpacking, name, "it is nested too deep");
    if (archive_entry_size_is_set(entry) &&
        (archive_entry_size(entry) < 0 || (uint64_t)archive_entry_size(entry) > unpacking->left))
        return refuse(unpacking, name, "the files are larger than a package may be");
    struct place place;
    result = find_place(unpacking, path.bytes, &place);
    if (result < 0)
        return result;
    auto_fd int directory = place.directory;
    return make_entry(unpacking, &place, path.bytes, entry);
}

static int unpack_entries(struct unpacking *unpacking)
{
    for (size_t count = 0;; count++) {
        struct archive_entry *entry;
        int result = stage_interrupted(unpacking->stage, unpacking->error);
        if (result < 0)
            return result;
        result = archive_read_next_header(unpacking->archive, &entry);
        if (result == ARCHIVE_EOF)
            return 0;
        if (result < ARCHIVE_WARN)
            return is_damaged(unpacking);
        if (count == MOST_ENTRIES)
            return refuse(unpacking, "its entries", "there are too many of them");
        result = unpack_entry(unpacking, entry);
        if (result < 0)
            return result;
    }
}

static void archive_close(struct archive **archive)
{
    if (*archive)
        (void)archive_read_free(*archive);
}

#define auto_archive __attribute__((cleanup(archive_close)))

/* A reader of what packages are: nothing else is tried. The "none" is for payloads that are not
 * compressed. */
static struct archive *open_archive(int fd)
{
    auto_archive struct archive *archive = archive_read_new();
    if (!archive || archive_read_support_filter_rpm(archive) != ARCHIVE_OK ||
        archive_read_support_filter_none(archive) != ARCHIVE_OK ||
        archive_read_support_filter_gzip(archive) != ARCHIVE_OK ||
        archive_read_support_filter_bzip2(archive) != ARCHIVE_OK ||
        archive_read_support_filter_xz(archive) != ARCHIVE_OK ||
        archive_read_support_filter_lzma(archive) != ARCHIVE_OK ||
        archive_read_support_filter_zstd(archive) != ARCHIVE_OK ||
        archive_read_support_format_cpio(archive) != ARCHIVE_OK ||
        archive_read_open_fd(archive, fd, BLOCK_SIZE) != ARCHIVE_OK)
        return NULL;
    return steal_pointer(archive);
}

int package_unpack(int fd, const char *label, const struct stage *stage,
                   const struct package_unpacking *options, struct error *error)
{
    if (lseek(fd, 0, SEEK_SET) < 0)
        return error_system(error, -errno, "reading %s", label);
    auto_archive struct archive *archive = open_archive(fd);
    if (!archive)
        return error_set(error, -EBADMSG, "%s is damaged: its payload cannot be read", label);
    struct unpacking unpacking = {
        .options = options,
        .stage = stage,
        .label = label,
        .archive = archive,
        .left = options->most_bytes > 0 ? options->most_bytes : MOST_BYTES,
        .error = error,
    };
    int result = unpack_entries(&unpacking);
    strings_free(&unpacking.files);
    return result;
}
