/* One frame after the other in one thread: who asks is a person. Nothing is written here. */
#include "packer/contents.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "payload/base/file.h"
#include "payload/base/scope.h"

#define DIGEST_BLOCK ((size_t)1 << 20)

struct walk {
    const struct contents *contents;
    contents_visit *visit;
    void *context;
    uint8_t *compressed; /* room for the largest frame ... */
    uint8_t *content;    /* ... and for the largest content of one */
    uint64_t left;       /* of a file that goes on in the next frame ... */
    uint64_t filler; /* ... and the zeros behind it, which must be in the same frame as its end */
    uint64_t entries;
    struct tar_reader reader;
};

static void walk_close(struct walk **walk)
{
    if (!*walk)
        return;
    free((*walk)->compressed);
    free((*walk)->content);
    free(*walk);
}

#define auto_walk __attribute__((cleanup(walk_close)))

static void end_digest(EVP_MD_CTX **digest)
{
    EVP_MD_CTX_free(*digest); /* NULL is allowed */
}

#define auto_digest __attribute__((cleanup(end_digest)))

int contents_open(const char *path, struct contents *contents, struct error *error)
{
    struct stat status;
    contents->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (contents->fd < 0 || fstat(contents->fd, &status) < 0)
        return error_system(error, -errno, "opening %s", path);
    if (!S_ISREG(status.st_mode))
        return error_set(error, -ENOEXEC, "%s is not a file", path);
    const struct image image = {.fd = contents->fd, .length = (uint64_t)status.st_size};
    int result = bundle_read(&image, &contents->bundle, error);
    return result < 0 ? error_prefix(error, "%s", path) : 0;
}

void contents_close(struct contents *contents)
{
    scope_close_fd(&contents->fd);
    bundle_free(&contents->bundle);
}

int contents_check_digest(const struct contents *contents, struct error *error)
{
    const struct bundle *bundle = &contents->bundle;
    uint8_t found[EVP_MAX_MD_SIZE];
    auto_free uint8_t *block = malloc(DIGEST_BLOCK);
    auto_digest EVP_MD_CTX *digest = EVP_MD_CTX_new();
    if (!block || !digest || EVP_DigestInit_ex(digest, EVP_sha256(), NULL) != 1)
        return error_system(error, -ENOMEM, "reading the payload");
    for (uint64_t done = 0; done < bundle->payload_size;) {
        const uint64_t left = bundle->payload_size - done;
        const size_t wanted = left < DIGEST_BLOCK ? (size_t)left : DIGEST_BLOCK;
        ssize_t got =
            file_pread_full(contents->fd, block, wanted, (off_t)(bundle->payload_offset + done));
        if (got < 0 || (size_t)got != wanted)
            return error_system(error, got < 0 ? (int)got : -EBADMSG, "reading the payload");
        if (EVP_DigestUpdate(digest, block, wanted) != 1)
            return error_system(error, -EIO, "digesting the payload");
        done += wanted;
    }
    if (EVP_DigestFinal_ex(digest, found, NULL) != 1)
        return error_system(error, -EIO, "digesting the payload");
    if (memcmp(found, bundle->digest, sizeof bundle->digest) != 0)
        return error_set(error, -EBADMSG, "the SHA-256 of the payload is not the one in the note");
    return 0;
}

static int decompress(struct walk *walk, const struct bundle_frame *frame, struct error *error)
{
    static const uint8_t magic[4] = {0x28, 0xb5, 0x2f, 0xfd}; /* RFC 8878, 3.1.1 */
    const struct bundle *bundle = &walk->contents->bundle;
    ssize_t got = file_pread_full(walk->contents->fd, walk->compressed, frame->size,
                                  (off_t)(bundle->payload_offset + frame->offset));
    if (got < 0 || (size_t)got != frame->size)
        return error_system(error, got < 0 ? (int)got : -EBADMSG, "reading it");
    if (frame->size < sizeof magic || memcmp(walk->compressed, magic, sizeof magic) != 0)
        return error_set(error, -EBADMSG,
                         "no frame of today's format"); /* the stub knows no other */
    size_t length =
        ZSTD_decompress(walk->content, frame->content_size, walk->compressed, frame->size);
    if (ZSTD_isError(length))
        return error_set(error, -EBADMSG, "%s", ZSTD_getErrorName(length));
    if (length != frame->content_size)
        return error_set(error, -EBADMSG, "its content has another size");
    return 0;
}

/* The part in this frame of a file that began before; says how long it is with its filler. */
static int pass_continued(struct walk *walk, const struct bundle_frame *frame, size_t *used,
                          struct error *error)
{
    if (frame->continues != (walk->left > 0))
        return error_set(error, -EBADMSG, "a file is cut");
    if (!frame->continues)
        return 0;
    *used = walk->left < frame->content_size ? (size_t)walk->left : frame->content_size;
    walk->left -= *used;
    if (walk->left == 0)
        *used += walk->filler;
    return *used > frame->content_size ? error_set(error, -EBADMSG, "a file ends in two frames")
                                       : 0;
}

static int walk_frame(struct walk *walk, const struct bundle_frame *frame, struct error *error)
{
    size_t used = 0;
    int result = decompress(walk, frame, error);
    if (result == 0)
        result = pass_continued(walk, frame, &used, error);
    if (result < 0)
        return result;
    tar_open(&walk->reader, walk->content + used, frame->content_size - used);
    while (walk->left == 0) {
        struct tar_entry entry;
        int found = tar_next(&walk->reader, &entry, error);
        if (found <= 0)
            return found;
        walk->entries++;
        walk->left = entry.size - entry.data_length;
        walk->filler = tar_padded_size(entry.size) - entry.size;
        result = walk->visit ? walk->visit(walk->context, &entry) : 0;
        if (result < 0)
            return result;
    }
    return 0;
}

static struct walk *walk_open(const struct contents *contents)
{
    auto_walk struct walk *walk = calloc(1, sizeof *walk);
    uint32_t compressed_room = 0;
    uint32_t content_room = 0;
    for (uint32_t index = 0; index < contents->bundle.frame_count; index++) {
        const struct bundle_frame *frame = &contents->bundle.frames[index];
        compressed_room = frame->size > compressed_room ? frame->size : compressed_room;
        content_room = frame->content_size > content_room ? frame->content_size : content_room;
    }
    if (!walk || !(walk->compressed = malloc(compressed_room)) ||
        !(walk->content = malloc(content_room)))
        return NULL;
    walk->contents = contents;
    return steal_pointer(walk);
}

int contents_walk(const struct contents *contents, contents_visit *visit, void *context,
                  struct error *error)
{
    const struct bundle *bundle = &contents->bundle;
    auto_walk struct walk *walk = walk_open(contents);
    if (!walk)
        return error_system(error, -ENOMEM, "reading the bundle");
    walk->visit = visit;
    walk->context = context;
    for (uint32_t index = 0; index < bundle->frame_count; index++) {
        struct error words = ERROR_INIT;
        int result = walk_frame(walk, &bundle->frames[index], &words);
        if (result < 0 && words.code == 0)
            return result; /* of `visit` */
        if (result < 0)
            return error_set(error, result, "frame %u of %u is damaged: %s", index + 1,
                             bundle->frame_count, words.message);
    }
    if (walk->left > 0)
        return error_set(error, -EBADMSG, "the last file has no end");
    if (walk->entries != bundle->entry_count)
        return error_set(error, -EBADMSG, "there are %llu entries, and not %llu",
                         (unsigned long long)walk->entries,
                         (unsigned long long)bundle->entry_count);
    return 0;
}
