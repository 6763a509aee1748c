/* The manifest and its envelope, as a server sends them. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "payload/client/manifest.h"
#include "payload/client/signed_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct manifest manifest;
    struct error error = ERROR_INIT;
    if (manifest_parse(data, size, &manifest, &error) == 0) {
        if (hash_is_null(&manifest.catalog) || strlen(manifest.fqrn) >= FQRN_SIZE)
            abort();
    } else if (!error.message[0]) {
        abort();
    }
    struct signed_text parts;
    if (signed_text_split(data, size, &parts) == 0) {
        (void)signed_text_is_intact(&parts);
        if (parts.body_length + parts.digest_length + parts.signature.length + 4 != size)
            abort();
    }
    return 0;
}
