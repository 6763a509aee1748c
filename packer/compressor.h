/* Blocks of bytes -> zstd frames, on several threads, in the order they came. */
#ifndef CVMFSEXEC_PACKER_COMPRESSOR_H
#define CVMFSEXEC_PACKER_COMPRESSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "payload/base/error.h"

struct compressor;

/* A block after its compression. */
struct compressed {
    uint8_t *bytes;
    size_t size;
    size_t content_size;
};

struct compressor_options {
    int level;
    unsigned threads; /* at least 1 */
    /* Called now and then in a thread that calls one of the functions below. */
    void (*progress)(void *context, uint64_t content_done);
    void *progress_context;
};

/* Starts the threads. The caller closes it. 0; -EINVAL for a level zstd does not have; -ENOMEM,
 * -EAGAIN. */
int compressor_open(struct compressor **compressor, const struct compressor_options *options,
                    struct error *error);

/* Hands in the next block, which becomes a frame with a checksum and its content size. Takes
 * `content` over (to be freed by free), also when it fails. Waits while all threads have enough to
 * do. 0, or the negative errno of the first failure of any block. */
int compressor_add(struct compressor *compressor, uint8_t *content, size_t size,
                   struct error *error);

/* Waits for all blocks; `count` receives their number. 0, or the negative errno of the first
 * failure. */
int compressor_finish(struct compressor *compressor, size_t *count, struct error *error);

/* A frame after compressor_finish, in the order of compressor_add; lives until the compressor is
 * closed. */
const struct compressed *compressor_frame(const struct compressor *compressor, size_t index);

/* Stops the threads and frees everything; NULL is fine. */
void compressor_close(struct compressor *compressor);

#endif
