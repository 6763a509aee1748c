/* X.509 by the crypto library, as far as a key container goes. */
#include "payload/client/certificate.h"

#include <errno.h>
#include <limits.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>

#include "payload/client/crypto.h"

struct certificate {
    X509 *x509;
    unsigned char *der;
    size_t der_length;
};

/* Without one the library would ask the terminal, should a block claim to be encrypted. */
static char no_passphrase[] = "";

static X509 *read_pem(const void *pem, size_t length)
{
    if (length > INT_MAX)
        return NULL;
    crypto_prepare();
    BIO *bio = BIO_new_mem_buf(pem, (int)length);
    X509 *x509 = bio ? PEM_read_bio_X509(bio, NULL, NULL, no_passphrase) : NULL;
    BIO_free(bio);
    ERR_clear_error();
    return x509;
}

int certificate_parse(const void *pem, size_t length, struct certificate **certificate)
{
    struct certificate *parsed = calloc(1, sizeof *parsed);
    if (!parsed)
        return -ENOMEM;
    parsed->x509 = read_pem(pem, length);
    int der_length = parsed->x509 ? i2d_X509(parsed->x509, &parsed->der) : -1;
    if (der_length <= 0) {
        ERR_clear_error();
        certificate_free(parsed);
        return -EBADMSG;
    }
    parsed->der_length = (size_t)der_length;
    *certificate = parsed;
    return 0;
}

void certificate_free(struct certificate *certificate)
{
    if (!certificate)
        return;
    X509_free(certificate->x509);
    OPENSSL_free(certificate->der);
    free(certificate);
}

int fingerprint_parse(const char *line, size_t length, struct hash *fingerprint)
{
    char text[HASH_TEXT_SIZE];
    size_t count = 0;
    for (size_t index = 0; index < length; index++) {
        const char byte = line[index];
        if (byte == ' ' || byte == '\t' || byte == '#')
            break;
        if (byte == ':')
            continue;
        if (count == sizeof text)
            return -EINVAL;
        text[count] = byte;
        if (byte >= 'A' && byte <= 'Z')
            text[count] = (char)(byte - 'A' + 'a');
        count++;
    }
    return hash_parse(text, count, fingerprint);
}

bool certificate_matches(const struct certificate *certificate, const struct hash *fingerprint)
{
    struct hash own;
    return hash_compute(fingerprint->algorithm, certificate->der, certificate->der_length, &own) ==
               0 &&
           hash_equal(&own, fingerprint);
}

int certificate_check(const struct certificate *certificate, const void *text, size_t length,
                      const struct signature *signature)
{
    EVP_PKEY *key = X509_get0_pubkey(certificate->x509);
    if (!key) {
        ERR_clear_error();
        return -EBADMSG;
    }
    return signature_check_sha1(key, text, length, signature);
}
