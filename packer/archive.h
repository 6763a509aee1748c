/* An inventory -> a tar archive, cut into blocks as stub/bundle.h asks for. */
#ifndef CVMFSEXEC_PACKER_ARCHIVE_H
#define CVMFSEXEC_PACKER_ARCHIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "packer/inventory.h"
#include "payload/base/error.h"

/* Receives the blocks in order. `bytes` is the receiver's from then on, to be freed by free;
 * `continues` says that the block begins inside a file. A negative errno with words ends it all. */
typedef int archive_sink(void *context, uint8_t *bytes, size_t size, bool continues,
                         struct error *error);

/* Reads all files and hands over the blocks. 0; -EAGAIN for a file that changed size since the
 * inventory was taken; -EFBIG for one tar cannot hold; errors of reading; what `sink` returned. */
int archive_write_inventory(const struct inventory *inventory, archive_sink *sink, void *context,
                            struct error *error);

#endif
