/* libarchive writes the tar format, unbuffered, and so tells by its calls where entries begin. GNU
 * format, because there names are bytes; in pax archives they pass through the locale. */
#include "packer/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "payload/base/scope.h"

enum {
    /* A block ends at the first file that begins behind this: small enough to share the work of
     * unpacking between processors and to stay in their caches ... */
    BLOCK_TARGET = 2 << 20,
    /* ... unless that file is like the one before it by its name: the variants of a library repeat
     * each other, and are worth a larger block, up to this. */
    BLOCK_ALIKE_TARGET = 8 << 20,
    ALIKE_LETTERS = 5,
    /* A file is cut here. Whole tar records: headers, and fillers behind a file, are never cut. */
    BLOCK_LIMIT = 32 << 20,
    BLOCK_ROOM = 1 << 20, /* what the buffer of a block begins with */
    READ_SIZE = 1 << 20
};

/* The block under construction. */
struct cutter {
    archive_sink *sink;
    void *context;
    uint8_t *bytes; /* owned; NULL between two blocks */
    size_t size;
    size_t room;
    bool continues;
    bool inside_file;
    struct error error; /* of the sink; libarchive would not carry it */
};

static void scope_free_archive(struct archive **archive)
{
    (void)archive_write_free(*archive); /* whatever mattered was reported by archive_write_close */
}

static void scope_free_entry(struct archive_entry **entry)
{
    archive_entry_free(*entry);
}

#define auto_archive __attribute__((cleanup(scope_free_archive)))
#define auto_archive_entry __attribute__((cleanup(scope_free_entry)))

/* Ends the block; the next one begins where this ends. */
static int cut(struct cutter *cutter)
{
    if (cutter->size == 0)
        return 0;
    size_t size = cutter->size;
    bool continues = cutter->continues;
    cutter->size = 0;
    cutter->room = 0;
    cutter->continues = cutter->inside_file;
    return cutter->sink(cutter->context, steal_pointer(cutter->bytes), size, continues,
                        &cutter->error);
}

static int make_room(struct cutter *cutter, size_t more)
{
    if (cutter->size + more <= cutter->room)
        return 0;
    size_t room = cutter->room ? 2 * cutter->room : BLOCK_ROOM;
    while (room < cutter->size + more)
        room *= 2;
    uint8_t *grown = realloc(cutter->bytes, room);
    if (!grown)
        return error_system(&cutter->error, -ENOMEM, "writing the archive");
    cutter->bytes = grown;
    cutter->room = room;
    return 0;
}

/* libarchive's callback for the bytes of the archive. */
static la_ssize_t take_bytes(struct archive *archive, void *context, const void *bytes,
                             size_t length)
{
    struct cutter *cutter = context;
    size_t done = 0;
    while (done < length) {
        if (cutter->size == BLOCK_LIMIT && cut(cutter) < 0)
            break;
        size_t part = length - done;
        if (part > BLOCK_LIMIT - cutter->size)
            part = BLOCK_LIMIT - cutter->size;
        if (make_room(cutter, part) < 0)
            break;
        memcpy(cutter->bytes + cutter->size, (const uint8_t *)bytes + done, part);
        cutter->size += part;
        done += part;
    }
    if (done == length)
        return (la_ssize_t)length;
    archive_set_error(archive, -cutter->error.code, "%s", cutter->error.message);
    return -1;
}

/* The words of whoever failed: the sink if it did, else libarchive. */
static int report(struct archive *archive, const struct cutter *cutter, const char *what,
                  struct error *error)
{
    if (cutter->error.code < 0)
        return error_set(error, cutter->error.code, "%s", cutter->error.message);
    int code = archive_errno(archive);
    const char *words = archive_error_string(archive);
    return error_set(error, code > 0 ? -code : -EIO, "archiving %s: %s", what,
                     words ? words : "unknown failure");
}

static int write_content(struct archive *archive, const struct cutter *cutter,
                         const struct inventory_entry *source, uint8_t *buffer, struct error *error)
{
    auto_fd int file = open(source->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (file < 0)
        return error_system(error, -errno, "opening %s", source->path);
    uint64_t total = 0;
    for (;;) {
        ssize_t got = read(file, buffer, READ_SIZE);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_system(error, -errno, "reading %s", source->path);
        total += (uint64_t)got;
        if (got == 0 || total > source->size)
            break;
        if (archive_write_data(archive, buffer, (size_t)got) != got)
            return report(archive, cutter, source->path, error);
    }
    return total == source->size
               ? 0
               : error_set(error, -EAGAIN, "%s changed while it was packed", source->path);
}

static int write_entry(struct archive *archive, struct cutter *cutter,
                       const struct inventory_entry *source, uint8_t *buffer, struct error *error)
{
    auto_archive_entry struct archive_entry *entry = archive_entry_new();
    if (!entry)
        return error_system(error, -ENOMEM, "archiving %s", source->name);
    archive_entry_set_pathname(entry, source->name);
    archive_entry_set_mode(entry, source->mode);
    archive_entry_set_mtime(entry, (time_t)source->mtime, 0);
    archive_entry_set_uid(entry, 0);
    archive_entry_set_gid(entry, 0);
    archive_entry_set_size(entry, (la_int64_t)source->size);
    if (source->target)
        archive_entry_set_symlink(entry, source->target);
    if (archive_write_header(archive, entry) != ARCHIVE_OK)
        return report(archive, cutter, source->name, error);
    if (S_ISREG(source->mode)) {
        cutter->inside_file = true;
        int result = write_content(archive, cutter, source, buffer, error);
        if (result < 0)
            return result;
    }
    if (archive_write_finish_entry(archive) != ARCHIVE_OK)
        return report(archive, cutter, source->name, error);
    cutter->inside_file = false;
    return 0;
}

/* Whether two names of one directory begin with the same letters up to the first other character:
 * libcvmfs_fuse.so, libcvmfs_fuse3.so, libcvmfs_util.so. */
static bool are_alike(const char *left, const char *right)
{
    const char *left_slash = strrchr(left, '/');
    const char *right_slash = strrchr(right, '/');
    size_t left_parent = left_slash ? (size_t)(left_slash - left) + 1 : 0;
    size_t right_parent = right_slash ? (size_t)(right_slash - right) + 1 : 0;
    if (left_parent != right_parent || memcmp(left, right, left_parent) != 0)
        return false;
    left += left_parent;
    right += right_parent;
    size_t letters = strspn(left, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
    return letters >= ALIKE_LETTERS && strncmp(left, right, letters) == 0;
}

/* Between two entries: a block for all that is not a file, and then by size. */
static bool is_time_to_cut(const struct cutter *cutter, const struct inventory *inventory, size_t i)
{
    if (i == 0 || !S_ISREG(inventory->entries[i].mode))
        return false;
    if (!S_ISREG(inventory->entries[i - 1].mode))
        return true;
    bool alike = are_alike(inventory->entries[i - 1].name, inventory->entries[i].name);
    return cutter->size >= (alike ? BLOCK_ALIKE_TARGET : BLOCK_TARGET);
}

static int write_all(struct archive *archive, struct cutter *cutter,
                     const struct inventory *inventory, struct error *error)
{
    auto_free uint8_t *buffer = malloc(READ_SIZE);
    if (!buffer)
        return error_system(error, -ENOMEM, "writing the archive");
    for (size_t i = 0; i < inventory->count; i++) {
        int result = is_time_to_cut(cutter, inventory, i) ? cut(cutter) : 0;
        if (result < 0)
            return report(archive, cutter, inventory->entries[i].name, error);
        result = write_entry(archive, cutter, &inventory->entries[i], buffer, error);
        if (result < 0)
            return result;
    }
    if (archive_write_close(archive) != ARCHIVE_OK || cut(cutter) < 0)
        return report(archive, cutter, "the end", error);
    return 0;
}

int archive_write_inventory(const struct inventory *inventory, archive_sink *sink, void *context,
                            struct error *error)
{
    struct cutter cutter = {.sink = sink, .context = context, .error = ERROR_INIT};
    auto_archive struct archive *archive = archive_write_new();
    if (!archive)
        return error_system(error, -ENOMEM, "writing the archive");
    int result;
    if (archive_write_set_format_gnutar(archive) != ARCHIVE_OK ||
        archive_write_set_bytes_per_block(archive, 0) != ARCHIVE_OK ||
        archive_write_open(archive, &cutter, NULL, take_bytes, NULL) != ARCHIVE_OK)
        result = report(archive, &cutter, "the beginning", error);
    else
        result = write_all(archive, &cutter, inventory, error);
    /* An archive given up half-way must not call back when it is freed. */
    if (result < 0)
        (void)archive_write_fail(archive);
    free(cutter.bytes);
    cutter.bytes = NULL;
    return result;
}
