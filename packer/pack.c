/* The way of the data: inventory, archive, compressor, digest and note, sections, rename. Each step
 * has its file; here they are joined. */
#include "packer/pack.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "packer/archive.h"
#include "packer/compressor.h"
#include "packer/embed.h"
#include "packer/inventory.h"
#include "payload/base/file.h"
#include "payload/base/scope.h"
#include "payload/base/text.h"
#include "stub/bundle.h"

enum { LEVEL_DEFAULT = 19, STUB_LIMIT = 16 << 20 };

/* What is under way between the archive and the note. */
struct packing {
    const struct pack_options *options;
    struct compressor *compressor;
    struct bundle bundle; /* its frames have `continues` before they have sizes */
    uint32_t frame_room;
    uint64_t content_total; /* an estimate, for the progress */
};

static void packing_close(struct packing *packing)
{
    compressor_close(packing->compressor);
    bundle_free(&packing->bundle);
}

#define auto_packing __attribute__((cleanup(packing_close)))

static void pass_progress(void *context, uint64_t done)
{
    const struct packing *packing = context;
    uint64_t total = packing->content_total;
    packing->options->progress(packing->options->progress_context, done < total ? done : total,
                               total);
}

/* Headers and fillers: a record and a half for each entry on the average. */
static uint64_t estimate_archive(const struct inventory *inventory)
{
    return inventory->tree_bytes + inventory->count * 768;
}

/* The archive's blocks go to the compressor; what the note has to know of them is kept. */
static int take_block(void *context, uint8_t *bytes, size_t size, bool continues,
                      struct error *error)
{
    struct packing *packing = context;
    auto_free uint8_t *owned = bytes;
    struct bundle *bundle = &packing->bundle;
    if (bundle->frame_count == BUNDLE_FRAMES_LIMIT)
        return error_set(error, -EFBIG, "the tree is too large for a bundle");
    if (bundle->frame_count == packing->frame_room) {
        uint32_t room = packing->frame_room ? 2 * packing->frame_room : 64;
        struct bundle_frame *grown = reallocarray(bundle->frames, room, sizeof *grown);
        if (!grown)
            return error_system(error, -ENOMEM, "packing");
        bundle->frames = grown;
        packing->frame_room = room;
    }
    bundle->frames[bundle->frame_count++] =
        (struct bundle_frame){.content_size = (uint32_t)size, .continues = continues};
    return compressor_add(packing->compressor, steal_pointer(owned), size, error);
}

/* Joins the frames to the payload, and completes their table. */
static int join_frames(struct packing *packing, struct text *payload, struct error *error)
{
    struct bundle *bundle = &packing->bundle;
    size_t count;
    int result = compressor_finish(packing->compressor, &count, error);
    if (result < 0)
        return result;
    for (uint32_t i = 0; i < bundle->frame_count; i++) {
        const struct compressed *compressed = compressor_frame(packing->compressor, i);
        bundle->frames[i].offset = payload->length;
        bundle->frames[i].size = (uint32_t)compressed->size;
        bundle->content_size += compressed->content_size;
        result = text_append(payload, compressed->bytes, compressed->size);
        if (result < 0)
            return error_system(error, result, "packing");
    }
    bundle->payload_size = payload->length;
    return 0;
}

static int compress_inventory(struct packing *packing, const struct inventory *inventory,
                              struct text *payload, struct error *error)
{
    const struct pack_options *options = packing->options;
    cpu_set_t processors;
    unsigned threads = options->threads;
    if (threads == 0)
        threads = sched_getaffinity(0, sizeof processors, &processors) == 0
                      ? (unsigned)CPU_COUNT(&processors)
                      : 1;
    const struct compressor_options compression = {
        .level = options->level ? options->level : LEVEL_DEFAULT,
        .threads = threads,
        .progress = options->progress ? pass_progress : NULL,
        .progress_context = packing};
    packing->content_total = estimate_archive(inventory);
    packing->bundle.entry_count = inventory->count;
    int result = compressor_open(&packing->compressor, &compression, error);
    if (result == 0)
        result = archive_write_inventory(inventory, take_block, packing, error);
    return result == 0 ? join_frames(packing, payload, error) : result;
}

static int fill_field(char *field, size_t size, const char *value, const char *what,
                      struct error *error)
{
    if (!value || strlen(value) >= size)
        return error_set(error, -EINVAL, "%s is missing or longer than %zu characters", what,
                         size - 1);
    memset(field, 0, size);
    memcpy(field, value, strlen(value));
    return 0;
}

static int fill_fields(struct bundle *bundle, const struct pack_options *options,
                       struct error *error)
{
    int result = fill_field(bundle->version, sizeof bundle->version, CVMFSEXEC_VERSION,
                            "the version", error);
    if (result == 0)
        result = fill_field(bundle->disttype, sizeof bundle->disttype, options->disttype,
                            "the disttype", error);
    if (result == 0)
        result = fill_field(bundle->machtype, sizeof bundle->machtype, options->machtype,
                            "the machtype", error);
    if (result == 0 && strcmp(options->disttype, "standard") != 0 &&
        strcmp(options->disttype, "sing") != 0)
        result = error_set(error, -EINVAL, "unknown disttype %s", options->disttype);
    return result;
}

static int check_program(const struct inventory *inventory, const struct bundle *bundle,
                         struct error *error)
{
    const char *program = bundle_program_name(bundle);
    for (size_t i = 0; i < inventory->count; i++) {
        const struct inventory_entry *entry = &inventory->entries[i];
        if (strcmp(entry->name, program) == 0 && S_ISREG(entry->mode) && (entry->mode & 0100))
            return 0;
        if (strcmp(entry->name, BUNDLE_STAMP) == 0)
            break;
    }
    return error_set(error, -EINVAL, "the tree needs a program %s, and nothing called %s", program,
                     BUNDLE_STAMP);
}

static int digest_payload(const struct text *payload, uint8_t digest[BUNDLE_DIGEST_LENGTH],
                          struct error *error)
{
    if (EVP_Digest(payload->bytes, payload->length, digest, NULL, EVP_sha256(), NULL) != 1)
        return error_set(error, -EIO, "computing the digest of the payload");
    return 0;
}

/* A stub has the format of a bundle but for the bundle. */
static int load_stub(const char *path, struct text *stub, struct error *error)
{
    int result = file_load(AT_FDCWD, path, STUB_LIMIT, stub);
    if (result < 0)
        return error_system(error, result, "reading the stub %s", path);
    auto_bundle struct bundle bundle = BUNDLE_INIT;
    struct error words = ERROR_INIT;
    const struct image image = {.bytes = (const uint8_t *)stub->bytes, .length = stub->length};
    result = bundle_read(&image, &bundle, &words);
    if (result == -ENOENT)
        return 0;
    return error_set(error, -EINVAL, "the stub %s cannot be used: %s", path,
                     result == 0 ? "it already carries a bundle" : words.message);
}

static int write_program(int fd, const struct text *stub, struct text *note, struct text *payload,
                         struct error *error)
{
    const struct embed_section sections[] = {{.name = BUNDLE_SECTION_PAYLOAD,
                                              .type = SHT_PROGBITS,
                                              .alignment = 16,
                                              .bytes = payload->bytes,
                                              .size = payload->length},
                                             {.name = BUNDLE_SECTION_NOTE,
                                              .type = SHT_NOTE,
                                              .alignment = 4,
                                              .bytes = note->bytes,
                                              .size = note->length}};
    int result = file_write_full(fd, stub->bytes, stub->length);
    if (result < 0)
        return error_system(error, result, "writing the stub");
    return embed_sections(fd, sections, 2, error);
}

/* What was written is read again, by the code that will read it on the node. */
static int check_program_file(int fd, const struct bundle *expected, uint64_t *size,
                              struct error *error)
{
    auto_bundle struct bundle found = BUNDLE_INIT;
    struct stat status;
    if (fstat(fd, &status) < 0)
        return error_system(error, -errno, "looking at what was written");
    *size = (uint64_t)status.st_size;
    const struct image image = {.fd = fd, .length = *size};
    int result = bundle_read(&image, &found, error);
    if (result < 0)
        return error_prefix(error, "reading back what was written");
    if (memcmp(found.digest, expected->digest, sizeof found.digest) != 0)
        return error_set(error, -EIO, "reading back what was written: another digest");
    return 0;
}

/* Writes FILE under another name beside it and renames it. */
static int write_output(const struct pack_options *options, const struct bundle *bundle,
                        const struct text *stub, struct text *payload, uint64_t *size,
                        struct error *error)
{
    auto_text struct text note = TEXT_INIT;
    auto_text struct text temporary = TEXT_INIT;
    int result = bundle_write_note(bundle, &note);
    if (result == 0)
        result = text_printf(&temporary, "%s.XXXXXX", options->output);
    if (result < 0)
        return error_system(error, result, "describing the bundle");
    auto_fd int fd = mkostemp(temporary.bytes, O_CLOEXEC);
    if (fd < 0)
        return error_system(error, -errno, "creating %s", temporary.bytes);
    result = write_program(fd, stub, &note, payload, error);
    if (result == 0)
        result = check_program_file(fd, bundle, size, error);
    if (result == 0 && (fchmod(fd, 0755) < 0 || close(steal_fd(&fd)) < 0 ||
                        rename(temporary.bytes, options->output) < 0))
        result = error_system(error, -errno, "putting it into place");
    if (result < 0)
        (void)unlink(temporary.bytes); /* the first failure is the one to report */
    return result < 0 ? error_prefix(error, "writing %s", options->output) : 0;
}

int pack_bundle(const struct pack_options *options, struct pack_result *result, struct error *error)
{
    auto_packing struct packing packing = {.options = options, .bundle = BUNDLE_INIT};
    auto_inventory struct inventory inventory = INVENTORY_INIT;
    auto_text struct text stub = TEXT_INIT;
    auto_text struct text payload = TEXT_INIT;
    uint64_t file_bytes = 0;
    int status = fill_fields(&packing.bundle, options, error);
    if (status == 0)
        status = load_stub(options->stub, &stub, error);
    if (status == 0)
        status = inventory_take(options, &inventory, error);
    if (status == 0)
        status = check_program(&inventory, &packing.bundle, error);
    if (status == 0)
        status = compress_inventory(&packing, &inventory, &payload, error);
    if (status == 0)
        status = digest_payload(&payload, packing.bundle.digest, error);
    if (status == 0)
        status = write_output(options, &packing.bundle, &stub, &payload, &file_bytes, error);
    if (status == 0 && options->progress)
        options->progress(options->progress_context, packing.content_total, packing.content_total);
    if (status == 0 && result)
        *result = (struct pack_result){.entries = inventory.count,
                                       .tree_bytes = inventory.tree_bytes,
                                       .payload_bytes = payload.length,
                                       .file_bytes = file_bytes,
                                       .frames = packing.bundle.frame_count};
    return status;
}
