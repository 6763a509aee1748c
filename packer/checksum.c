/* Checksums by OpenSSL. Which kinds are believed is said here; what is checked with them is not. */
#include "packer/checksum.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/types.h>

#include "payload/base/file.h"
#include "payload/base/scope.h"

#define PIECE (256 * 1024)

struct kind {
    const char *spelling; /* as metadata has it */
    const char *name;     /* as we have it */
    size_t digits;
    const EVP_MD *(*digest)(void);
};

static const struct kind kinds[] = {
    {"sha256", "sha256", 64, EVP_sha256}, {"sha512", "sha512", 128, EVP_sha512},
    {"sha384", "sha384", 96, EVP_sha384}, {"sha224", "sha224", 56, EVP_sha224},
    {"sha1", "sha1", 40, EVP_sha1},       {"sha", "sha1", 40, EVP_sha1},
};

struct checksum_stream {
    EVP_MD_CTX *context;
    const struct kind *kind;
};

static const struct kind *find_kind(const char *spelling)
{
    for (size_t index = 0; index < sizeof kinds / sizeof kinds[0]; index++)
        if (strcasecmp(kinds[index].spelling, spelling) == 0)
            return &kinds[index];
    return NULL;
}

bool checksum_known(const struct checksum *checksum)
{
    return checksum && checksum->kind;
}

bool checksum_equal(const struct checksum *one, const struct checksum *other)
{
    if (!checksum_known(one) || !checksum_known(other))
        return false;
    return strcmp(one->kind, other->kind) == 0 && strcmp(one->digits, other->digits) == 0;
}

int checksum_parse(const char *name, const char *digits, struct checksum *checksum)
{
    const struct kind *kind = find_kind(name);
    if (!kind)
        return -ENOTSUP;
    if (strlen(digits) != kind->digits)
        return -EINVAL;
    struct checksum parsed = {.kind = kind->name};
    for (size_t index = 0; index < kind->digits; index++) {
        const char digit = digits[index];
        if (digit >= 'A' && digit <= 'F')
            parsed.digits[index] = (char)(digit - 'A' + 'a');
        else if ((digit >= '0' && digit <= '9') || (digit >= 'a' && digit <= 'f'))
            parsed.digits[index] = digit;
        else
            return -EINVAL;
    }
    *checksum = parsed;
    return 0;
}

int checksum_stream_open(const char *name, struct checksum_stream **stream)
{
    const struct kind *kind = find_kind(name);
    if (!kind)
        return -ENOTSUP;
    struct checksum_stream *made = calloc(1, sizeof *made);
    if (!made)
        return -ENOMEM;
    made->kind = kind;
    made->context = EVP_MD_CTX_new();
    if (!made->context || EVP_DigestInit_ex(made->context, kind->digest(), NULL) != 1) {
        int result = made->context ? -ENOTSUP : -ENOMEM;
        checksum_stream_close(made);
        return result;
    }
    *stream = made;
    return 0;
}

int checksum_stream_update(struct checksum_stream *stream, const void *bytes, size_t length)
{
    return EVP_DigestUpdate(stream->context, bytes, length) == 1 ? 0 : -ENOMEM;
}

int checksum_stream_finish(struct checksum_stream *stream, struct checksum *checksum)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    if (EVP_DigestFinal_ex(stream->context, digest, &length) != 1)
        return -ENOMEM;
    *checksum = (struct checksum){.kind = stream->kind->name};
    for (size_t index = 0; index < length && 2 * index + 1 < sizeof checksum->digits; index++) {
        checksum->digits[2 * index] = digits[digest[index] >> 4];
        checksum->digits[2 * index + 1] = digits[digest[index] & 15];
    }
    return 0;
}

void checksum_stream_close(struct checksum_stream *stream)
{
    if (!stream)
        return;
    EVP_MD_CTX_free(stream->context);
    free(stream);
}

static int add_file(struct checksum_stream *stream, int fd)
{
    auto_free char *piece = malloc(PIECE);
    if (!piece)
        return -ENOMEM;
    for (off_t offset = 0;;) {
        const ssize_t length = file_pread_full(fd, piece, PIECE, offset);
        if (length <= 0)
            return (int)length;
        int result = checksum_stream_update(stream, piece, (size_t)length);
        if (result < 0)
            return result;
        offset += length;
    }
}

int checksum_of_file(int fd, const char *kind, struct checksum *checksum)
{
    struct checksum_stream *stream = NULL;
    int result = checksum_stream_open(kind, &stream);
    if (result == 0)
        result = add_file(stream, fd);
    if (result == 0)
        result = checksum_stream_finish(stream, checksum);
    checksum_stream_close(stream);
    return result;
}
