/* The format of a bundle: what the packer writes and the stub reads.
 *
 * A bundle is an ELF program (the stub) with two sections more, neither of them loaded:
 *
 *   .cvmfsexec.dist   the payload (SHT_PROGBITS): a tar archive (GNU format) in zstd frames
 *   .note.cvmfsexec   a note (SHT_NOTE) with owner "cvmfsexec", type 1, that describes it
 *
 * The payload. Its frames lie one behind the other without gaps, so that `zstd -d | tar t` reads
 * it. Each has a checksum, records the size of its content, and content of at most
 * BUNDLE_FRAME_LIMIT bytes. They can be unpacked independently of each other, because
 *   - frame 0 holds all directories, parents first, and then all symbolic links. It is unpacked
 *     before any other, so that a file's directory is there whatever the order of the rest. (A tree
 *     without any begins with a frame of files.)
 *   - every further frame holds regular files only, and begins at a tar header. The exception is a
 *     file too long for its frame: its bytes go on in the next frames, which are marked as
 *     continuing and are unpacked by whoever unpacked the one before. Headers are never cut;
 *   - files stand in the order of (directory, name), so that the variants of a library share a
 * frame. There are no hard links. The two zero blocks that end a tar archive end the last frame.
 *
 * The note's content ("descriptor"), all numbers little-endian, strings filled up with NUL and
 * ended by one at least:
 *
 *     offset  size
 *          0     4  format: BUNDLE_FORMAT
 *          4     4  number of frames, 1 to BUNDLE_FRAMES_LIMIT
 *          8     8  size of the payload = sum of the sizes of the frames
 *         16     8  size of the tar archive = sum of the contents of the frames
 *         24     8  number of entries (names) in the archive
 *         32    32  SHA-256 of the payload
 *         64    32  version of the project that packed it
 *         96    16  disttype, "standard" or "sing"
 *        112    48  machtype, e.g. "rhel9-x86_64"
 *        160  24*n  per frame: offset in the payload (8), compressed size (4), size of content (4),
 *                   1 if it continues the one before, else 0 (4), 0 (4)
 *
 * An unpacked tree carries the payload's SHA-256 in BUNDLE_STAMP, which is written last. */
#ifndef CVMFSEXEC_STUB_BUNDLE_H
#define CVMFSEXEC_STUB_BUNDLE_H

#include <stdbool.h>
#include <stdint.h>

#include "payload/base/error.h"
#include "payload/base/text.h"
#include "stub/section.h"

#define BUNDLE_SECTION_PAYLOAD ".cvmfsexec.dist"
#define BUNDLE_SECTION_NOTE ".note.cvmfsexec"
#define BUNDLE_STAMP ".bundle"

enum {
    BUNDLE_FORMAT = 1,
    BUNDLE_FRAMES_LIMIT = 65536,
    BUNDLE_FRAME_LIMIT = 64 << 20, /* bytes of content, and of compressed content */
    BUNDLE_DIGEST_LENGTH = 32,
    BUNDLE_STAMP_LENGTH = 2 * BUNDLE_DIGEST_LENGTH + 1 /* hexadecimal and a newline */
};

struct bundle_frame {
    uint64_t offset;       /* in the payload */
    uint32_t size;         /* compressed */
    uint32_t content_size; /* decompressed */
    bool continues;
};

struct bundle {
    char version[32];
    char disttype[16];
    char machtype[48];
    uint8_t digest[BUNDLE_DIGEST_LENGTH];
    uint64_t payload_offset; /* in the ELF file; not in the note, section headers say it */
    uint64_t payload_size;
    uint64_t content_size;
    uint64_t entry_count;
    struct bundle_frame *frames; /* owned; see bundle_free */
    uint32_t frame_count;
};

#define BUNDLE_INIT    \
    {                  \
        .frames = NULL \
    }

/* Reads and checks all fields of the bundle in an ELF image into `bundle`, which the caller frees
 * with bundle_free (also after a failure). The payload itself is not looked at.
 * 0; -ENOENT for an ELF file without a bundle; -ENOEXEC for what is no ELF file of ours; -EBADMSG
 * for a damaged one; -EPROTONOSUPPORT for another format; -ENOMEM; errors of reading. */
int bundle_read(const struct image *image, struct bundle *bundle, struct error *error);

/* Appends the whole content of the note section for `bundle` (payload_offset does not count).
 * 0; -EINVAL for what bundle_read would refuse; -ENOMEM. */
int bundle_write_note(const struct bundle *bundle, struct text *note);

/* Releases the frame table and empties the bundle. */
void bundle_free(struct bundle *bundle);

#define auto_bundle __attribute__((cleanup(bundle_free)))

/* The content of BUNDLE_STAMP for this bundle. */
void bundle_stamp(const struct bundle *bundle, char stamp[BUNDLE_STAMP_LENGTH]);

/* The directory a bundle is unpacked to, and the program to start in it, by disttype:
 * ".cvmfsexec" and "cvmfsexec", or ".singcvmfs" and "singcvmfs". */
const char *bundle_directory_name(const struct bundle *bundle);
const char *bundle_program_name(const struct bundle *bundle);

#endif
