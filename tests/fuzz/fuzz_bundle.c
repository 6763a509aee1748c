/* Any bytes as a bundle: the ELF headers, the section names, the note. What is accepted must be
 * usable as it is, and give the same note again. */
#include <stdlib.h>
#include <string.h>

#include "payload/base/text.h"
#include "stub/bundle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    auto_bundle struct bundle bundle = BUNDLE_INIT;
    auto_text struct text note = TEXT_INIT;
    struct error error = ERROR_INIT;
    const struct image image = {.bytes = data, .fd = -1, .length = size};
    if (bundle_read(&image, &bundle, &error) < 0)
        return 0;
    if (bundle.payload_offset > size || bundle.payload_size > size - bundle.payload_offset)
        abort();
    for (uint32_t i = 0; i < bundle.frame_count; i++) {
        if (bundle.frames[i].offset + bundle.frames[i].size > bundle.payload_size)
            abort();
    }
    if (bundle_write_note(&bundle, &note) < 0 || !memmem(data, size, note.bytes, note.length))
        abort();
    return 0;
}
