/* The note of a bundle, read and written. Reading trusts nothing: whatever passes here is safe to
 * allocate by and to seek by. What is inside the payload is judged where it is unpacked. */
#include "stub/bundle.h"

#include <elf.h>
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "payload/base/scope.h"

static const char note_owner[12] = "cvmfsexec"; /* 10 bytes with its NUL, filled up to four */

enum { NOTE_OWNER_SIZE = 10, NOTE_TYPE = 1 };

struct note_header {
    uint32_t owner_size;
    uint32_t content_size;
    uint32_t type;
    char owner[sizeof note_owner];
};

struct note_content {
    uint32_t format;
    uint32_t frame_count;
    uint64_t payload_size;
    uint64_t content_size;
    uint64_t entry_count;
    uint8_t digest[BUNDLE_DIGEST_LENGTH];
    char version[32];
    char disttype[16];
    char machtype[48];
};

struct note_frame {
    uint64_t offset;
    uint32_t size;
    uint32_t content_size;
    uint32_t continues;
    uint32_t reserved;
};

_Static_assert(sizeof(struct note_header) == 24, "the note's header has no gaps");
_Static_assert(sizeof(struct note_content) == 160, "the note's content has no gaps");
_Static_assert(sizeof(struct note_frame) == 24, "a frame of the note has no gaps");

/* A string field: printable, ended by a NUL, and nothing but NUL behind it. */
static bool field_is_text(const char *field, size_t size)
{
    size_t length = strnlen(field, size);
    if (length == 0 || length == size)
        return false;
    for (size_t i = 0; i < size; i++) {
        unsigned char byte = (unsigned char)field[i];
        if (i < length ? byte <= ' ' || byte >= 0x7f : byte != 0)
            return false;
    }
    return true;
}

static bool texts_are_valid(const struct bundle *bundle)
{
    return field_is_text(bundle->version, sizeof bundle->version) &&
           field_is_text(bundle->machtype, sizeof bundle->machtype) &&
           field_is_text(bundle->disttype, sizeof bundle->disttype) &&
           (strcmp(bundle->disttype, "standard") == 0 || strcmp(bundle->disttype, "sing") == 0);
}

/* The frames lie end to end, begin with one of their own, and add up to the sizes given. */
static bool frames_are_valid(const struct bundle *bundle)
{
    if (bundle->frame_count == 0 || bundle->frame_count > BUNDLE_FRAMES_LIMIT)
        return false;
    uint64_t size = 0;
    uint64_t content_size = 0;
    for (uint32_t i = 0; i < bundle->frame_count; i++) {
        const struct bundle_frame *frame = &bundle->frames[i];
        if (frame->offset != size || frame->size == 0 || frame->size > BUNDLE_FRAME_LIMIT ||
            frame->content_size == 0 || frame->content_size > BUNDLE_FRAME_LIMIT)
            return false;
        if (frame->continues && i == 0)
            return false;
        size += frame->size;
        content_size += frame->content_size;
    }
    return size == bundle->payload_size && content_size == bundle->content_size &&
           bundle->entry_count != 0;
}

static int read_frames(const struct image *image, uint64_t offset, struct bundle *bundle)
{
    auto_free struct note_frame *table = calloc(bundle->frame_count, sizeof *table);
    bundle->frames = calloc(bundle->frame_count, sizeof *bundle->frames);
    if (!table || !bundle->frames)
        return -ENOMEM;
    int result = image_read(image, offset, table, bundle->frame_count * sizeof *table);
    for (uint32_t i = 0; result == 0 && i < bundle->frame_count; i++) {
        uint32_t continues = le32toh(table[i].continues);
        if (continues > 1 || table[i].reserved != 0)
            result = -EBADMSG;
        bundle->frames[i] = (struct bundle_frame){.offset = le64toh(table[i].offset),
                                                  .size = le32toh(table[i].size),
                                                  .content_size = le32toh(table[i].content_size),
                                                  .continues = continues == 1};
    }
    return result;
}

static int read_note(const struct image *image, const struct section *section,
                     struct bundle *bundle, struct error *error)
{
    struct {
        struct note_header header;
        struct note_content content;
    } note;
    int result = section->size < sizeof note
                     ? -EBADMSG
                     : image_read(image, section->offset, &note, sizeof note);
    if (result < 0)
        return error_system(error, result, "reading the note");
    if (le32toh(note.header.owner_size) != NOTE_OWNER_SIZE ||
        le32toh(note.header.type) != NOTE_TYPE ||
        memcmp(note.header.owner, note_owner, sizeof note_owner) != 0)
        return error_set(error, -EBADMSG, "the note is not of cvmfsexec");
    uint32_t format = le32toh(note.content.format);
    if (format != BUNDLE_FORMAT)
        return error_set(error, -EPROTONOSUPPORT, "bundle format %u, only %d is known here", format,
                         BUNDLE_FORMAT);
    bundle->frame_count = le32toh(note.content.frame_count);
    if (bundle->frame_count == 0 || bundle->frame_count > BUNDLE_FRAMES_LIMIT ||
        le32toh(note.header.content_size) !=
            sizeof note.content + bundle->frame_count * sizeof(struct note_frame) ||
        section->size != sizeof note + bundle->frame_count * sizeof(struct note_frame))
        return error_set(error, -EBADMSG, "the note's size does not fit its number of frames");

    bundle->payload_size = le64toh(note.content.payload_size);
    bundle->content_size = le64toh(note.content.content_size);
    bundle->entry_count = le64toh(note.content.entry_count);
    memcpy(bundle->digest, note.content.digest, sizeof bundle->digest);
    memcpy(bundle->version, note.content.version, sizeof bundle->version);
    memcpy(bundle->disttype, note.content.disttype, sizeof bundle->disttype);
    memcpy(bundle->machtype, note.content.machtype, sizeof bundle->machtype);
    if (!texts_are_valid(bundle))
        return error_set(error, -EBADMSG, "the note's version or types are damaged");
    result = read_frames(image, section->offset + sizeof note, bundle);
    if (result == 0 && !frames_are_valid(bundle))
        result = -EBADMSG;
    return result < 0 ? error_system(error, result, "the note's table of frames") : 0;
}

int bundle_read(const struct image *image, struct bundle *bundle, struct error *error)
{
    static const char *const names[] = {BUNDLE_SECTION_PAYLOAD, BUNDLE_SECTION_NOTE};
    struct section sections[2];
    *bundle = (struct bundle)BUNDLE_INIT;
    int result = section_find(image, names, sections, 2, error);
    if (result < 0)
        return result;
    const struct section *payload = &sections[0];
    const struct section *note = &sections[1];
    if (payload->type == SHT_NULL && note->type == SHT_NULL)
        return error_set(error, -ENOENT, "the program carries no bundle");
    if (payload->type != SHT_PROGBITS || note->type != SHT_NOTE ||
        ((payload->flags | note->flags) & (SHF_ALLOC | SHF_COMPRESSED)) != 0)
        return error_set(error, -EBADMSG, "a section of the bundle is missing or changed");
    result = read_note(image, note, bundle, error);
    if (result == 0 && bundle->payload_size != payload->size)
        result = error_set(error, -EBADMSG, "the payload's size is not what the note says");
    if (result < 0) {
        bundle_free(bundle);
        return result;
    }
    bundle->payload_offset = payload->offset;
    return 0;
}

int bundle_write_note(const struct bundle *bundle, struct text *note)
{
    if (!texts_are_valid(bundle) || !frames_are_valid(bundle))
        return -EINVAL;
    size_t table_size = bundle->frame_count * sizeof(struct note_frame);
    struct note_header header = {.owner_size = htole32(NOTE_OWNER_SIZE),
                                 .content_size =
                                     htole32((uint32_t)(sizeof(struct note_content) + table_size)),
                                 .type = htole32(NOTE_TYPE)};
    memcpy(header.owner, note_owner, sizeof note_owner);
    struct note_content content = {.format = htole32(BUNDLE_FORMAT),
                                   .frame_count = htole32(bundle->frame_count),
                                   .payload_size = htole64(bundle->payload_size),
                                   .content_size = htole64(bundle->content_size),
                                   .entry_count = htole64(bundle->entry_count)};
    memcpy(content.digest, bundle->digest, sizeof content.digest);
    memcpy(content.version, bundle->version, sizeof content.version);
    memcpy(content.disttype, bundle->disttype, sizeof content.disttype);
    memcpy(content.machtype, bundle->machtype, sizeof content.machtype);
    int result = text_reserve(note, sizeof header + sizeof content + table_size);
    if (result == 0)
        result = text_append(note, &header, sizeof header);
    if (result == 0)
        result = text_append(note, &content, sizeof content);
    for (uint32_t i = 0; result == 0 && i < bundle->frame_count; i++) {
        const struct bundle_frame *frame = &bundle->frames[i];
        struct note_frame row = {.offset = htole64(frame->offset),
                                 .size = htole32(frame->size),
                                 .content_size = htole32(frame->content_size),
                                 .continues = htole32(frame->continues ? 1 : 0)};
        result = text_append(note, &row, sizeof row);
    }
    return result;
}

void bundle_free(struct bundle *bundle)
{
    free(bundle->frames);
    *bundle = (struct bundle)BUNDLE_INIT;
}

void bundle_stamp(const struct bundle *bundle, char stamp[BUNDLE_STAMP_LENGTH])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < BUNDLE_DIGEST_LENGTH; i++) {
        stamp[2 * i] = digits[bundle->digest[i] >> 4];
        stamp[2 * i + 1] = digits[bundle->digest[i] & 15];
    }
    stamp[BUNDLE_STAMP_LENGTH - 1] = '\n';
}

const char *bundle_directory_name(const struct bundle *bundle)
{
    return strcmp(bundle->disttype, "sing") == 0 ? ".singcvmfs" : ".cvmfsexec";
}

const char *bundle_program_name(const struct bundle *bundle)
{
    return strcmp(bundle->disttype, "sing") == 0 ? "singcvmfs" : "cvmfsexec";
}
