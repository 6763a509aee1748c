/* Signatures by RSA alone. Which text is signed, and whose key counts, others know. */
#include "payload/client/signature.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "payload/base/scope.h"
#include "payload/client/hash.h"

static void context_free(EVP_PKEY_CTX **context)
{
    EVP_PKEY_CTX_free(*context);
}

/* The payload of the type 1 block under the signature, which the caller frees. */
static int recover(EVP_PKEY *key, const struct signature *signature, uint8_t **payload,
                   size_t *length)
{
    const int size = EVP_PKEY_get_size(key); /* of the modulus, in bytes */
    if (EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA || size <= 0 || signature->length != (size_t)size)
        return -EBADMSG;
    __attribute__((cleanup(context_free))) EVP_PKEY_CTX *context =
        EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
    auto_free uint8_t *bytes = malloc((size_t)size);
    if (!context || !bytes)
        return -ENOMEM;
    *length = (size_t)size;
    if (EVP_PKEY_verify_recover_init(context) != 1 ||
        EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) != 1 ||
        EVP_PKEY_verify_recover(context, bytes, length, signature->bytes, signature->length) != 1) {
        ERR_clear_error();
        return -EBADMSG;
    }
    *payload = steal_pointer(bytes);
    return 0;
}

int signature_check_plain(EVP_PKEY *key, const void *text, size_t length,
                          const struct signature *signature)
{
    auto_free uint8_t *payload = NULL;
    size_t recovered;
    int result = recover(key, signature, &payload, &recovered);
    if (result < 0)
        return result;
    return recovered == length && memcmp(payload, text, length) == 0 ? 0 : -EBADMSG;
}

/* RFC 8017, 9.2: the DER of a DigestInfo for SHA-1 up to the digest. */
static const uint8_t sha1_digest_info[] = {0x30, 0x21, 0x30, 0x09, 0x06, 0x05, 0x2b, 0x0e,
                                           0x03, 0x02, 0x1a, 0x05, 0x00, 0x04, 0x14};

int signature_check_sha1(EVP_PKEY *key, const void *text, size_t length,
                         const struct signature *signature)
{
    struct hash hash;
    int result = hash_compute(HASH_SHA1, text, length, &hash);
    if (result < 0)
        return result;
    uint8_t expected[sizeof sha1_digest_info + HASH_SIZE];
    memcpy(expected, sha1_digest_info, sizeof sha1_digest_info);
    memcpy(expected + sizeof sha1_digest_info, hash.digest, HASH_SIZE);
    return signature_check_plain(key, expected, sizeof expected, signature);
}
