/* The whitelist as a server sends it, its fingerprints, and the same bytes as a blacklist. */
#include <stdint.h>
#include <stdlib.h>

#include "payload/client/blacklist.h"
#include "payload/client/number.h"
#include "payload/client/whitelist.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char key[] = "-----BEGIN PUBLIC KEY-----\n"
                          "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQC7BJdG0yhduzTJOUeOAcrkcm8S\n"
                          "VQAU63iS0yu5urnKi8CqlPX6nX/uZNdjMEJmD3B+bLeeX4idJ5UsBOY/uV5SnsBG\n"
                          "GelmxqCbpgNX2VPr1H+2Ln+7N3OXrM0NwR9xRNZu+UwSwnS0Lj6EzpfJUG8Ws1eD\n"
                          "VfUDnxUTj+vY/3fr3QIDAQAB\n"
                          "-----END PUBLIC KEY-----\n";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct whitelist whitelist;
    struct error error = ERROR_INIT;
    struct master_keys keys = MASTER_KEYS_INIT;
    if (text_append_string(&keys.pem, key) < 0)
        return 0;
    if (whitelist_parse(data, size, &whitelist) == WHITELIST_GOOD &&
        whitelist_check(&whitelist, "a.example.org", 1795471200, &keys, &error) == WHITELIST_GOOD)
        abort(); /* nobody has the private key */
    master_keys_free(&keys);

    struct blacklist blacklist = BLACKLIST_INIT;
    if (text_append(&blacklist.lines, data, size) == 0)
        (void)blacklist_lowest_revision(&blacklist, "a.example.org");
    blacklist_free(&blacklist);

    struct hash fingerprint;
    if (fingerprint_parse((const char *)data, size, &fingerprint) == 0 &&
        hash_is_null(&fingerprint))
        abort();
    struct certificate *certificate = NULL;
    if (certificate_parse(data, size, &certificate) == 0)
        certificate_free(certificate);
    return 0;
}
