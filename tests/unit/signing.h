/* Keys, certificates, manifests and whitelists for tests, signed as a publisher signs them. Written
 * with the crypto library's own signing functions, not with what is tested. */
#ifndef CVMFSEXEC_TESTS_SIGNING_H
#define CVMFSEXEC_TESTS_SIGNING_H

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "payload/base/text.h"
#include "payload/client/hash.h"

enum signing_kind { SIGN_MANIFEST, SIGN_WHITELIST };

static inline EVP_PKEY *signing_key(void)
{
    return EVP_RSA_gen(2048);
}

static inline bool signing_take(BIO *bio, struct text *text)
{
    char *bytes = NULL;
    long length = BIO_get_mem_data(bio, &bytes);
    bool good = length > 0 && text_append(text, bytes, (size_t)length) == 0;
    BIO_free(bio);
    return good;
}

static inline bool signing_public_pem(EVP_PKEY *key, struct text *text)
{
    BIO *bio = BIO_new(BIO_s_mem());
    return PEM_write_bio_PUBKEY(bio, key) == 1 && signing_take(bio, text);
}

/* A self-signed certificate for the key; `der` may be NULL. Already expired: nobody looks. */
static inline bool signing_certificate(EVP_PKEY *key, struct text *pem, struct text *der)
{
    X509 *x509 = X509_new();
    X509_NAME *name = X509_get_subject_name(x509);
    static const unsigned char common_name[] = "a repository";
    bool good = ASN1_INTEGER_set(X509_get_serialNumber(x509), 1) == 1 &&
                X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, common_name, -1, -1, 0) == 1 &&
                X509_set_issuer_name(x509, name) == 1 &&
                X509_gmtime_adj(X509_getm_notBefore(x509), -100) &&
                X509_gmtime_adj(X509_getm_notAfter(x509), -50) && X509_set_pubkey(x509, key) == 1 &&
                X509_sign(x509, key, EVP_sha256()) > 0;
    unsigned char *bytes = NULL;
    int length = good ? i2d_X509(x509, &bytes) : -1;
    if (der)
        good = length > 0 && text_append(der, bytes, (size_t)length) == 0;
    OPENSSL_free(bytes);
    BIO *bio = BIO_new(BIO_s_mem());
    good = good && PEM_write_bio_X509(bio, x509) == 1;
    good = signing_take(bio, pem) && good;
    X509_free(x509);
    return good;
}

/* The upper-case form with colons of whitelists. */
static inline void signing_fingerprint(const struct text *der, enum hash_algorithm algorithm,
                                       char text[80])
{
    struct hash hash;
    char form[HASH_TEXT_SIZE];
    size_t length = 0;
    text[0] = '\0';
    if (hash_compute(algorithm, der->bytes, der->length, &hash) < 0)
        return;
    (void)hash_format(&hash, form);
    for (size_t index = 0; form[index]; index++) {
        if (index > 0 && index < 40 && index % 2 == 0)
            text[length++] = ':';
        text[length++] = form[index] >= 'a' && form[index] <= 'z' ? (char)(form[index] - 'a' + 'A')
                                                                  : form[index];
    }
    text[length] = '\0';
}

/* Appends the signature of the given text. */
static inline bool signing_sign(EVP_PKEY *key, enum signing_kind kind, const char *what,
                                struct text *text)
{
    unsigned char signature[512];
    size_t length = sizeof signature;
    const unsigned char *bytes = (const unsigned char *)what;
    bool good;
    if (kind == SIGN_MANIFEST) {
        EVP_MD_CTX *context = EVP_MD_CTX_new();
        good = EVP_DigestSignInit(context, NULL, EVP_sha1(), NULL, key) == 1 &&
               EVP_DigestSign(context, signature, &length, bytes, strlen(what)) == 1;
        EVP_MD_CTX_free(context);
    } else {
        EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(key, NULL);
        good = EVP_PKEY_sign_init(context) == 1 &&
               EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) == 1 &&
               EVP_PKEY_sign(context, signature, &length, bytes, strlen(what)) == 1;
        EVP_PKEY_CTX_free(context);
    }
    return good && text_append(text, signature, length) == 0;
}

/* Appends "--", the digest and its signature to a body that ends in a newline. */
static inline bool signing_seal(EVP_PKEY *key, enum signing_kind kind,
                                enum hash_algorithm algorithm, struct text *body)
{
    struct hash hash;
    char digest[HASH_TEXT_SIZE];
    return hash_compute(algorithm, body->bytes, body->length, &hash) == 0 &&
           text_printf(body, "--\n%s\n", hash_format(&hash, digest)) == 0 &&
           signing_sign(key, kind, digest, body);
}

/* Appends a whole whitelist that expires `seconds` from now. `lines` come behind the name. */
static inline bool signing_whitelist(EVP_PKEY *key, const char *fqrn, long seconds,
                                     const char *lines, struct text *text)
{
    time_t expiry = time(NULL) + seconds;
    struct tm utc;
    char date[32];
    return gmtime_r(&expiry, &utc) && strftime(date, sizeof date, "%Y%m%d%H%M%S", &utc) > 0 &&
           text_printf(text, "20200101000000\nE%s\nN%s\n%s", date, fqrn, lines) == 0 &&
           signing_seal(key, SIGN_WHITELIST, HASH_SHA1, text);
}

#endif
