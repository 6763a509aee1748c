/* Key files are read at the start, because a missing one must be said then, and decoded only when a
 * whitelist has to be checked, which a start from a fresh cache never does. */
#include "payload/client/master_keys.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

#include "payload/base/file.h"
#include "payload/base/scope.h"
#include "payload/base/strings.h"
#include "payload/client/crypto.h"

#define DEFAULT_DIRECTORY "/etc/cvmfs/keys"
#define KEY_FILE_LIMIT (1 << 20) /* bytes */

static const char block_begin[] = "-----BEGIN PUBLIC KEY-----";
static const char block_end[] = "-----END PUBLIC KEY-----";

/* The next PEM block of a public key in `text`, or NULL. */
static const char *find_block(const char *text, size_t *length)
{
    const char *begin = strstr(text, block_begin);
    const char *end = begin ? strstr(begin, block_end) : NULL;
    if (!end)
        return NULL;
    *length = (size_t)(end - begin) + sizeof block_end - 1;
    return begin;
}

static int load_file(int directory, const char *path, struct master_keys *keys, struct error *error)
{
    auto_text struct text content = TEXT_INIT;
    int result = file_load(directory, path, KEY_FILE_LIMIT, &content);
    if (result < 0)
        return error_system(error, result, "public key %s", path);
    size_t length = 0;
    const char *block = content.bytes ? find_block(content.bytes, &length) : NULL;
    if (!block)
        return error_set(error, -EINVAL, "public key %s: there is no PEM public key in it", path);
    for (; block; block = find_block(block + length, &length)) {
        result = text_append(&keys->pem, block, length);
        if (result == 0)
            result = text_append_string(&keys->pem, "\n");
        if (result < 0)
            return error_system(error, result, "public key %s", path);
    }
    return 0;
}

static int compare_names(const void *one, const void *other)
{
    return strcmp(*(char *const *)one, *(char *const *)other);
}

static int list_directory(DIR *directory, struct strings *names)
{
    const struct dirent *entry;
    while ((entry = readdir(directory))) {
        if (entry->d_name[0] == '.' || !string_ends_with(entry->d_name, ".pub"))
            continue;
        int result = strings_add(names, entry->d_name);
        if (result < 0)
            return result;
    }
    if (names->count)
        qsort(names->items, names->count, sizeof *names->items, compare_names);
    return 0;
}

static int load_directory(const char *path, struct master_keys *keys, struct error *error)
{
    auto_directory DIR *directory = opendir(path);
    if (!directory)
        return errno == ENOENT ? 0 : error_system(error, -errno, "public keys in %s", path);
    auto_strings struct strings names = STRINGS_INIT;
    int result = list_directory(directory, &names);
    if (result < 0)
        return error_system(error, result, "public keys in %s", path);
    for (size_t index = 0; result == 0 && index < names.count; index++)
        result = load_file(dirfd(directory), names.items[index], keys, error);
    return result;
}

int master_keys_load(const struct parameters *parameters, struct master_keys *keys,
                     struct error *error)
{
    const char *files = parameters_get(parameters, "CVMFS_PUBLIC_KEY");
    const char *directory = parameters_get(parameters, "CVMFS_KEYS_DIR");
    if (!files)
        return load_directory(directory ? directory : DEFAULT_DIRECTORY, keys, error);
    auto_free char **paths = parameters_split(files, ':', NULL);
    if (!paths)
        return error_system(error, -ENOMEM, "public keys");
    int result = 0;
    for (size_t index = 0; result == 0 && paths[index]; index++)
        result = load_file(AT_FDCWD, paths[index], keys, error);
    return result;
}

void master_keys_free(struct master_keys *keys)
{
    text_free(&keys->pem);
}

/* Without one the library would ask the terminal, should a block claim to be encrypted. */
static char no_passphrase[] = "";

static EVP_PKEY *decode(const char *block, size_t length)
{
    if (length > INT_MAX)
        return NULL;
    BIO *bio = BIO_new_mem_buf(block, (int)length);
    EVP_PKEY *key = bio ? PEM_read_bio_PUBKEY(bio, NULL, NULL, no_passphrase) : NULL;
    BIO_free(bio);
    ERR_clear_error();
    return key;
}

int master_keys_check(const struct master_keys *keys, const void *text, size_t length,
                      const struct signature *signature)
{
    int result = -EBADMSG;
    size_t block_length = 0;
    crypto_prepare();
    for (const char *block = keys->pem.bytes ? find_block(keys->pem.bytes, &block_length) : NULL;
         block && result == -EBADMSG; block = find_block(block + block_length, &block_length)) {
        EVP_PKEY *key = decode(block, block_length);
        if (key)
            result = signature_check_plain(key, text, length, signature);
        EVP_PKEY_free(key);
    }
    return result;
}
