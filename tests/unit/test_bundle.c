/* stub/bundle and stub/section: a bundle is found and read, and no field of it is believed. */
#include <elf.h>
#include <errno.h>
#include <stddef.h>

#include "payload/base/scope.h"
#include "stub/bundle.h"
#include "tests/unit/tap.h"

static const char section_names[] =
    "\0" BUNDLE_SECTION_PAYLOAD "\0" BUNDLE_SECTION_NOTE "\0.shstrtab";

enum {
    NAME_PAYLOAD = 1,
    NAME_NOTE = NAME_PAYLOAD + sizeof BUNDLE_SECTION_PAYLOAD,
    NAME_NAMES = NAME_NOTE + sizeof BUNDLE_SECTION_NOTE,
    PAYLOAD_SIZE = 100,
    NOTE_CONTENT = 24, /* where the note's content begins: see stub/bundle.h */
    NOTE_FRAMES = NOTE_CONTENT + 160
};

/* A small file with the sections of a bundle, for tests to spoil. */
struct specimen {
    struct {
        Elf64_Ehdr header;
        Elf64_Shdr table[4]; /* nothing, payload, note, names */
        char names[64];
        uint8_t payload[PAYLOAD_SIZE];
        uint8_t note[256];
    } file;
    size_t length;
};

static struct bundle sample_bundle(struct bundle_frame frames[3])
{
    frames[0] = (struct bundle_frame){.offset = 0, .size = 10, .content_size = 1024};
    frames[1] = (struct bundle_frame){.offset = 10, .size = 50, .content_size = 4096};
    frames[2] =
        (struct bundle_frame){.offset = 60, .size = 40, .content_size = 512, .continues = true};
    return (struct bundle){.version = "5.0.0",
                           .disttype = "standard",
                           .machtype = "rhel9-x86_64",
                           .digest = {0x01, 0xab},
                           .payload_size = PAYLOAD_SIZE,
                           .content_size = 1024 + 4096 + 512,
                           .entry_count = 3,
                           .frames = frames,
                           .frame_count = 3};
}

static void make_specimen(struct specimen *specimen)
{
    struct bundle_frame frames[3];
    struct bundle bundle = sample_bundle(frames);
    auto_text struct text note = TEXT_INIT;
    memset(specimen, 0, sizeof *specimen);
    (void)bundle_write_note(&bundle, &note);
    memcpy(specimen->file.note, note.bytes, note.length);
    memcpy(specimen->file.names, section_names, sizeof section_names);
    Elf64_Ehdr *header = &specimen->file.header;
    memcpy(header->e_ident, ELFMAG, SELFMAG);
    header->e_ident[EI_CLASS] = ELFCLASS64;
    header->e_ident[EI_DATA] = ELFDATA2LSB;
    header->e_ident[EI_VERSION] = EV_CURRENT;
    header->e_shoff = offsetof(struct specimen, file.table);
    header->e_shentsize = sizeof(Elf64_Shdr);
    header->e_shnum = 4;
    header->e_shstrndx = 3;
    specimen->file.table[1] = (Elf64_Shdr){.sh_name = NAME_PAYLOAD,
                                           .sh_type = SHT_PROGBITS,
                                           .sh_offset = offsetof(struct specimen, file.payload),
                                           .sh_size = PAYLOAD_SIZE};
    specimen->file.table[2] = (Elf64_Shdr){.sh_name = NAME_NOTE,
                                           .sh_type = SHT_NOTE,
                                           .sh_offset = offsetof(struct specimen, file.note),
                                           .sh_size = note.length};
    specimen->file.table[3] = (Elf64_Shdr){.sh_name = NAME_NAMES,
                                           .sh_type = SHT_STRTAB,
                                           .sh_offset = offsetof(struct specimen, file.names),
                                           .sh_size = sizeof section_names};
    specimen->length = sizeof specimen->file;
}

static int read_specimen(const struct specimen *specimen, struct bundle *bundle,
                         struct error *error)
{
    const struct image image = {.bytes = (const uint8_t *)&specimen->file,
                                .length = specimen->length};
    return bundle_read(&image, bundle, error);
}

static void a_bundle_is_read_as_it_was_written(void)
{
    struct specimen specimen;
    auto_bundle struct bundle bundle = BUNDLE_INIT;
    struct error error = ERROR_INIT;
    make_specimen(&specimen);
    CHECK(read_specimen(&specimen, &bundle, &error) == 0, "a good bundle is read: %s",
          error.message);
    CHECK(strcmp(bundle.version, "5.0.0") == 0 && strcmp(bundle.disttype, "standard") == 0 &&
              strcmp(bundle.machtype, "rhel9-x86_64") == 0,
          "it has the strings it was written with");
    CHECK(bundle.payload_size == PAYLOAD_SIZE && bundle.entry_count == 3 &&
              bundle.payload_offset == offsetof(struct specimen, file.payload),
          "it has the numbers it was written with, and the payload's place in the file");
    CHECK(bundle.frame_count == 3 && bundle.frames[2].offset == 60 && bundle.frames[2].size == 40 &&
              bundle.frames[2].content_size == 512 && bundle.frames[2].continues &&
              !bundle.frames[1].continues,
          "it has the frames it was written with");
}

static void a_bundle_is_read_from_a_descriptor(void)
{
    struct specimen specimen;
    auto_bundle struct bundle bundle = BUNDLE_INIT;
    struct error error = ERROR_INIT;
    make_specimen(&specimen);
    auto_file FILE *file = tmpfile();
    if (!CHECK(file && fwrite(&specimen.file, specimen.length, 1, file) == 1 && fflush(file) == 0,
               "a file to read from"))
        return;
    const struct image image = {.fd = fileno(file), .length = specimen.length};
    CHECK(bundle_read(&image, &bundle, &error) == 0 && bundle.frame_count == 3,
          "a bundle is read by pread");
    const struct image longer = {.fd = fileno(file), .length = specimen.length + 4096};
    uint8_t byte;
    CHECK(image_read(&longer, specimen.length + 10, &byte, 1) == -EBADMSG,
          "a file that has become shorter is no bundle any more");
}

static void a_stamp_is_the_digest_in_hexadecimal(void)
{
    struct bundle_frame frames[3];
    struct bundle bundle = sample_bundle(frames);
    char stamp[BUNDLE_STAMP_LENGTH];
    bundle_stamp(&bundle, stamp);
    CHECK(memcmp(stamp, "01ab0000", 8) == 0 && stamp[BUNDLE_STAMP_LENGTH - 1] == '\n',
          "the stamp of 01 ab 00 ... begins with 01ab00 and ends with a newline");
}

static void names_follow_the_disttype(void)
{
    struct bundle standard = {.disttype = "standard"};
    struct bundle sing = {.disttype = "sing"};
    CHECK(strcmp(bundle_directory_name(&standard), ".cvmfsexec") == 0 &&
              strcmp(bundle_program_name(&standard), "cvmfsexec") == 0,
          "a standard bundle starts .cvmfsexec/cvmfsexec");
    CHECK(strcmp(bundle_directory_name(&sing), ".singcvmfs") == 0 &&
              strcmp(bundle_program_name(&sing), "singcvmfs") == 0,
          "a sing bundle starts .singcvmfs/singcvmfs");
}

static void what_is_no_bundle_is_told_apart(void)
{
    struct specimen specimen;
    struct bundle bundle = BUNDLE_INIT;
    make_specimen(&specimen);
    specimen.file.names[NAME_PAYLOAD] = 'x';
    specimen.file.names[NAME_NOTE] = 'x';
    CHECK(read_specimen(&specimen, &bundle, NULL) == -ENOENT, "a program without the sections");
    make_specimen(&specimen);
    specimen.file.header.e_shoff = 0;
    CHECK(read_specimen(&specimen, &bundle, NULL) == -ENOEXEC, "a program without any section");
    const struct image script = {.bytes = (const uint8_t *)"#!/bin/sh\n", .length = 10};
    CHECK(bundle_read(&script, &bundle, NULL) == -ENOEXEC, "a script");
    const struct image nothing = {.bytes = (const uint8_t *)"", .length = 0};
    CHECK(bundle_read(&nothing, &bundle, NULL) == -ENOEXEC, "an empty file");
}

/* One number changed, in the file as it lies there. */
struct damage {
    const char *what;
    size_t offset; /* in specimen.file */
    size_t size;
    uint64_t value;
    int result;
};

#define ELF_FIELD(field) \
    offsetof(struct specimen, file.header.field), sizeof(((Elf64_Ehdr *)0)->field)
#define SECTION_FIELD(index, field) \
    offsetof(struct specimen, file.table[index].field), sizeof(((Elf64_Shdr *)0)->field)
#define NOTE(offset_in_note, size) offsetof(struct specimen, file.note) + (offset_in_note), size
#define FRAME(index, offset_in_frame, size) \
    NOTE(NOTE_FRAMES + 24 * (index) + (offset_in_frame), size)

static const struct damage damages[] = {
    {"the magic", ELF_FIELD(e_ident[EI_MAG1]), 'e', -ENOEXEC},
    {"32 bits", ELF_FIELD(e_ident[EI_CLASS]), ELFCLASS32, -ENOEXEC},
    {"big-endian", ELF_FIELD(e_ident[EI_DATA]), ELFDATA2MSB, -ENOEXEC},
    {"a section table behind the end", ELF_FIELD(e_shoff), UINT64_MAX - 8, -EBADMSG},
    {"a section table at the end", ELF_FIELD(e_shoff), sizeof(((struct specimen *)0)->file),
     -EBADMSG},
    {"section headers of another size", ELF_FIELD(e_shentsize), 40, -EBADMSG},
    {"more section headers than the file has", ELF_FIELD(e_shnum), 1000, -EBADMSG},
    {"more section headers than sense", ELF_FIELD(e_shnum), 0xfff0, -EBADMSG},
    {"names in a section that is not there", ELF_FIELD(e_shstrndx), 4, -EBADMSG},
    {"names in a section of another type", ELF_FIELD(e_shstrndx), 1, -EBADMSG},
    {"names behind the end", SECTION_FIELD(3, sh_offset), UINT64_MAX - 3, -EBADMSG},
    {"more names than the file has", SECTION_FIELD(3, sh_size), 60000, -EBADMSG},
    {"no names", SECTION_FIELD(3, sh_size), 0, -EBADMSG},
    {"an unlimited size of names", SECTION_FIELD(3, sh_size), UINT64_MAX, -EBADMSG},
    {"the same section twice", SECTION_FIELD(1, sh_name), NAME_NOTE, -EBADMSG},
    {"a name behind the names", SECTION_FIELD(1, sh_name), 0xffffffff, -EBADMSG},
    {"no note", SECTION_FIELD(2, sh_name), 0, -EBADMSG},
    {"no payload", SECTION_FIELD(1, sh_name), 0, -EBADMSG},
    {"a payload without bytes", SECTION_FIELD(1, sh_type), SHT_NOBITS, -EBADMSG},
    {"a note that is no note", SECTION_FIELD(2, sh_type), SHT_PROGBITS, -EBADMSG},
    {"a payload that is loaded", SECTION_FIELD(1, sh_flags), SHF_ALLOC, -EBADMSG},
    {"a compressed note", SECTION_FIELD(2, sh_flags), SHF_COMPRESSED, -EBADMSG},
    {"a payload behind the end", SECTION_FIELD(1, sh_offset), UINT64_MAX, -EBADMSG},
    {"a payload over the end", SECTION_FIELD(1, sh_size), 100000, -EBADMSG},
    {"a payload of another size", SECTION_FIELD(1, sh_size), PAYLOAD_SIZE - 1, -EBADMSG},
    {"a note too short", SECTION_FIELD(2, sh_size), 20, -EBADMSG},
    {"a note cut in its frames", SECTION_FIELD(2, sh_size), NOTE_FRAMES + 24, -EBADMSG},
    {"another owner", NOTE(12, 1), 'C', -EBADMSG},
    {"an owner of another length", NOTE(0, 4), 9, -EBADMSG},
    {"another type of note", NOTE(8, 4), 2, -EBADMSG},
    {"content of another length", NOTE(4, 4), 232 - 24, -EBADMSG},
    {"another format", NOTE(NOTE_CONTENT, 4), 2, -EPROTONOSUPPORT},
    {"no frames", NOTE(NOTE_CONTENT + 4, 4), 0, -EBADMSG},
    {"a frame too many", NOTE(NOTE_CONTENT + 4, 4), 4, -EBADMSG},
    {"billions of frames", NOTE(NOTE_CONTENT + 4, 4), 0xffffffff, -EBADMSG},
    {"another size of the payload", NOTE(NOTE_CONTENT + 8, 8), PAYLOAD_SIZE + 1, -EBADMSG},
    {"another size of the archive", NOTE(NOTE_CONTENT + 16, 8), 5633, -EBADMSG},
    {"no entries", NOTE(NOTE_CONTENT + 24, 8), 0, -EBADMSG},
    {"no version", NOTE(NOTE_CONTENT + 64, 1), 0, -EBADMSG},
    {"a control character in the version", NOTE(NOTE_CONTENT + 64, 1), 27, -EBADMSG},
    {"something behind the version's end", NOTE(NOTE_CONTENT + 95, 1), 'x', -EBADMSG},
    {"an unknown disttype", NOTE(NOTE_CONTENT + 96, 1), 'S', -EBADMSG},
    {"no machtype", NOTE(NOTE_CONTENT + 112, 1), 0, -EBADMSG},
    {"a frame before the others' end", FRAME(1, 0, 8), 9, -EBADMSG},
    {"a frame far away", FRAME(2, 0, 8), UINT64_MAX - 39, -EBADMSG},
    {"an empty frame", FRAME(0, 8, 4), 0, -EBADMSG},
    {"a frame longer than the payload", FRAME(2, 8, 4), 41, -EBADMSG},
    {"an enormous frame", FRAME(2, 8, 4), 0xffffffff, -EBADMSG},
    {"a frame without content", FRAME(1, 12, 4), 0, -EBADMSG},
    {"a frame with enormous content", FRAME(1, 12, 4), 0xfffffff0, -EBADMSG},
    {"a first frame that continues", FRAME(0, 16, 4), 1, -EBADMSG},
    {"an unknown mark on a frame", FRAME(1, 16, 4), 2, -EBADMSG},
    {"a value in the spare field", FRAME(1, 20, 4), 1, -EBADMSG},
};

static void every_damaged_field_is_refused(void)
{
    for (size_t i = 0; i < sizeof damages / sizeof damages[0]; i++) {
        struct specimen specimen;
        auto_bundle struct bundle bundle = BUNDLE_INIT;
        struct error error = ERROR_INIT;
        make_specimen(&specimen);
        memcpy((uint8_t *)&specimen.file + damages[i].offset, &damages[i].value, damages[i].size);
        int result = read_specimen(&specimen, &bundle, &error);
        CHECK(result == damages[i].result && error.message[0], "%s: %s", damages[i].what,
              error.message);
    }
}

static void every_shortened_file_is_refused(void)
{
    struct specimen specimen;
    size_t accepted = 0;
    make_specimen(&specimen);
    size_t end = offsetof(struct specimen, file.note) + specimen.file.table[2].sh_size;
    for (specimen.length = 0; specimen.length < end; specimen.length++) {
        auto_bundle struct bundle bundle = BUNDLE_INIT;
        if (read_specimen(&specimen, &bundle, NULL) == 0)
            accepted++;
    }
    CHECK(accepted == 0, "a file cut anywhere before the end of the note is no bundle");
}

static void only_what_can_be_read_is_written(void)
{
    struct bundle_frame frames[3];
    auto_text struct text note = TEXT_INIT;
    struct bundle bundle = sample_bundle(frames);
    bundle.payload_size++;
    CHECK(bundle_write_note(&bundle, &note) == -EINVAL, "sizes that do not add up are not written");
    bundle = sample_bundle(frames);
    memset(bundle.machtype, 'm', sizeof bundle.machtype);
    CHECK(bundle_write_note(&bundle, &note) == -EINVAL, "a string without an end is not written");
    CHECK(note.length == 0, "and nothing else is");
}

int main(void)
{
    a_bundle_is_read_as_it_was_written();
    a_bundle_is_read_from_a_descriptor();
    a_stamp_is_the_digest_in_hexadecimal();
    names_follow_the_disttype();
    what_is_no_bundle_is_told_apart();
    every_damaged_field_is_refused();
    every_shortened_file_is_refused();
    only_what_can_be_read_is_written();
    return tap_done();
}
