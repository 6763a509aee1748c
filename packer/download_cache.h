/* The directory of what was downloaded: entries that appear whole by rename, and partial files that
 * are continued by who comes next.
 *
 *     sha256-DIGITS         content that a checksum names
 *     url-DIGITS            content that only a URL names (DIGITS: sha256 of the URL) ...
 *     url-DIGITS.origin     ... with what its server said of it, and its checksum
 *     KEY.part              comes in; locked by who writes it
 *     KEY.part.origin       what the server said of the bytes that are in it
 *
 * Whoever takes something out holds it against its checksum, each time: others write here, too.
 * Nothing is ever removed but what is wrong: to make room, remove files, or all of the directory.
 */
#ifndef CVMFSEXEC_PACKER_DOWNLOAD_CACHE_H
#define CVMFSEXEC_PACKER_DOWNLOAD_CACHE_H

#include <stdint.h>

#include "packer/checksum.h"
#include "payload/base/error.h"
#include "payload/base/text.h"

struct download_cache {
    int directory;
    struct text path;
};

#define DOWNLOAD_CACHE_INIT                       \
    {                                             \
        .directory = -1, .path = {.bytes = NULL } \
    }

/* Opens the directory, made where it is not there. 0 or a negative errno. */
int download_cache_open(const char *path, struct download_cache *cache, struct error *error);
void download_cache_close(struct download_cache *cache);

/* The name of an entry. */
#define DOWNLOAD_KEY_ROOM 160
struct download_key {
    char name[DOWNLOAD_KEY_ROOM];
};
/* Of a checksum where it is known, of a URL otherwise. 0 or -ENOMEM. */
int download_key_make(const struct checksum *checksum, const char *url, struct download_key *key);

/* What a server said of the bytes it gave. Empty texts: nothing. */
#define DOWNLOAD_VALIDATOR_ROOM 256
#define DOWNLOAD_ORIGIN_LIMIT 8192
struct download_origin {
    struct text url; /* without user and password */
    char etag[DOWNLOAD_VALIDATOR_ROOM];
    char modified[DOWNLOAD_VALIDATOR_ROOM];
    struct checksum checksum; /* of the whole content; not known for a partial file */
};

#define DOWNLOAD_ORIGIN_INIT \
    {                        \
        .url = TEXT_INIT     \
    }

void download_origin_free(struct download_origin *origin);
#define auto_download_origin __attribute__((cleanup(download_origin_free)))

/* Reads what stands beside an entry ("") or its partial file (".part"): an empty one where there is
 * none, or none that can be read. 0 or -ENOMEM. */
int download_origin_load(const struct download_cache *cache, const struct download_key *key,
                         const char *suffix, struct download_origin *origin);
int download_origin_store(const struct download_cache *cache, const struct download_key *key,
                          const char *suffix, const struct download_origin *origin,
                          struct error *error);
/* For the fuzzer: the parser of the above. */
int download_origin_parse(const char *bytes, size_t length, struct download_origin *origin);

/* Opens an entry that has this checksum, and this size unless that is 0. `*fd` is the caller's. 0;
 * -ENOENT when there is none: a wrong one is removed; others of the system, with words. */
int download_entry_find(const struct download_cache *cache, const struct download_key *key,
                        const struct checksum *checksum, uint64_t size, int *fd,
                        struct error *error);

/* Opens and locks the partial file, made where there is none. 0; -EAGAIN while somebody else has
 * it; others of the system, with words. */
int download_partial_open(const struct download_cache *cache, const struct download_key *key,
                          int *fd, struct error *error);

/* Makes an entry of the partial file, which is whole now and stays locked until `partial` is
 * closed; `*fd` is the entry opened for reading. */
int download_partial_publish(const struct download_cache *cache, const struct download_key *key,
                             int partial, int *fd, struct error *error);

/* Removes what is said of a partial file. */
void download_partial_forget(const struct download_cache *cache, const struct download_key *key);

/* Removes a locked partial file, and what is said of it. */
void download_partial_remove(const struct download_cache *cache, const struct download_key *key);

#endif
