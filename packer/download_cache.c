/* Names, locks and renames of the download cache. What is right in it is decided by checksums, and
 * what is loaded by download.c. */
#include "packer/download_cache.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "packer/download.h"
#include "payload/base/file.h"
#include "payload/base/scope.h"

#define PARTIAL ".part"
#define ORIGIN ".origin"
#define NAME_ROOM (DOWNLOAD_KEY_ROOM + sizeof PARTIAL + sizeof ORIGIN)

int download_cache_default(struct text *path, struct error *error)
{
    const char *base = getenv("XDG_CACHE_HOME");
    const char *home = getenv("HOME");
    int result = 0;
    if (base && base[0] == '/')
        result = text_printf(path, "%s/cvmfsexec", base);
    else if (home && home[0] == '/')
        result = text_printf(path, "%s/.cache/cvmfsexec", home);
    else
        return error_set(error, -ENOENT,
                         "there is no $HOME to keep downloads in: name a directory with --cache");
    return result < 0 ? error_system(error, result, "finding the download cache") : 0;
}

int download_cache_open(const char *path, struct download_cache *cache, struct error *error)
{
    int result = directory_make(AT_FDCWD, path, 0777);
    if (result < 0)
        return error_system(error, result, "making the download cache %s", path);
    cache->directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (cache->directory < 0)
        return error_system(error, -errno, "opening the download cache %s", path);
    result = text_append_string(&cache->path, path);
    return result < 0 ? error_system(error, result, "opening the download cache") : 0;
}

void download_cache_close(struct download_cache *cache)
{
    scope_close_fd(&cache->directory);
    cache->directory = -1;
    text_free(&cache->path);
}

int download_key_make(const struct checksum *checksum, const char *url, struct download_key *key)
{
    struct checksum of_url = CHECKSUM_NONE;
    const char *kind = checksum_known(checksum) ? checksum->kind : "url";
    if (!checksum_known(checksum)) {
        struct checksum_stream *stream = NULL;
        int result = checksum_stream_open("sha256", &stream);
        if (result == 0)
            result = checksum_stream_update(stream, url, strlen(url));
        if (result == 0)
            result = checksum_stream_finish(stream, &of_url);
        checksum_stream_close(stream);
        if (result < 0)
            return result;
        checksum = &of_url;
    }
    (void)snprintf(key->name, sizeof key->name, "%s-%s", kind, checksum->digits);
    return 0;
}

static const char *name_of(const struct download_key *key, const char *suffix, const char *more,
                           char name[NAME_ROOM])
{
    (void)snprintf(name, NAME_ROOM, "%s%s%s", key->name, suffix, more);
    return name;
}

void download_origin_free(struct download_origin *origin)
{
    text_free(&origin->url);
    *origin = (struct download_origin)DOWNLOAD_ORIGIN_INIT;
}

/* One line, "WORD VALUE". Words that are not known, and values that are too long, are left out. */
static int parse_line(const char *line, size_t length, struct download_origin *origin)
{
    const char *blank = memchr(line, ' ', length);
    if (!blank)
        return 0;
    const size_t word = (size_t)(blank - line);
    const char *value = blank + 1;
    const size_t value_length = length - word - 1;
    char copy[DOWNLOAD_VALIDATOR_ROOM] = "";
    for (size_t index = 0; index < value_length; index++)
        if ((unsigned char)value[index] < ' ')
            return 0; /* it would go out again in the headers of a request */
    if (word == 3 && memcmp(line, "url", 3) == 0 && origin->url.length == 0)
        return text_append(&origin->url, value, value_length);
    if (value_length >= sizeof copy)
        return 0;
    memcpy(copy, value, value_length);
    if (word == 4 && memcmp(line, "etag", 4) == 0)
        memcpy(origin->etag, copy, sizeof copy);
    else if (word == 8 && memcmp(line, "modified", 8) == 0)
        memcpy(origin->modified, copy, sizeof copy);
    else if (word == 6 && memcmp(line, "sha256", 6) == 0)
        (void)checksum_parse("sha256", copy,
                             &origin->checksum); /* a wrong one is as good as none */
    return 0;
}

int download_origin_parse(const char *bytes, size_t length, struct download_origin *origin)
{
    int result = 0;
    if (memchr(bytes, '\0', length))
        return 0;
    while (length > 0 && result == 0) {
        const char *end = memchr(bytes, '\n', length);
        if (!end)
            return 0; /* cut off: not written by us */
        const size_t line = (size_t)(end - bytes);
        result = parse_line(bytes, line, origin);
        bytes = end + 1;
        length -= line + 1;
    }
    return result;
}

int download_origin_load(const struct download_cache *cache, const struct download_key *key,
                         const char *suffix, struct download_origin *origin)
{
    char name[NAME_ROOM];
    auto_text struct text text = TEXT_INIT;
    int result = file_load(cache->directory, name_of(key, suffix, ORIGIN, name),
                           DOWNLOAD_ORIGIN_LIMIT, &text);
    if (result < 0 || text.length == 0)
        return result == -ENOMEM ? result : 0;
    return download_origin_parse(text.bytes, text.length, origin);
}

int download_origin_store(const struct download_cache *cache, const struct download_key *key,
                          const char *suffix, const struct download_origin *origin,
                          struct error *error)
{
    char name[NAME_ROOM];
    auto_text struct text text = TEXT_INIT;
    int result = text_printf(&text, "url %s\n", origin->url.bytes ? origin->url.bytes : "");
    if (result == 0 && origin->etag[0])
        result = text_printf(&text, "etag %s\n", origin->etag);
    if (result == 0 && origin->modified[0])
        result = text_printf(&text, "modified %s\n", origin->modified);
    if (result == 0 && checksum_known(&origin->checksum))
        result = text_printf(&text, "%s %s\n", origin->checksum.kind, origin->checksum.digits);
    (void)name_of(key, suffix, ORIGIN, name);
    if (result == 0)
        result = file_replace(cache->directory, name, text.bytes, text.length, 0666);
    return result < 0 ? error_system(error, result, "writing %s/%s", cache->path.bytes, name) : 0;
}

int download_entry_find(const struct download_cache *cache, const struct download_key *key,
                        const struct checksum *checksum, uint64_t size, int *fd,
                        struct error *error)
{
    auto_fd int entry =
        openat(cache->directory, key->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat status;
    if (entry < 0 && (errno == ENOENT || errno == ELOOP))
        return -ENOENT;
    if (entry < 0 || fstat(entry, &status) < 0)
        return error_system(error, -errno, "opening %s/%s", cache->path.bytes, key->name);
    bool right = S_ISREG(status.st_mode) && (size == 0 || (uint64_t)status.st_size == size);
    if (right) {
        struct checksum found = CHECKSUM_NONE;
        int result = checksum_of_file(entry, checksum->kind, &found);
        if (result < 0)
            return error_system(error, result, "reading %s/%s", cache->path.bytes, key->name);
        right = checksum_equal(&found, checksum);
    }
    if (!right) {
        (void)unlinkat(cache->directory, key->name, 0); /* whoever has it open keeps it */
        return -ENOENT;
    }
    *fd = steal_fd(&entry);
    return 0;
}

/* Whether the name still leads to the file that was opened: who had the lock before may have
 * published or removed it. */
static bool is_current(const struct download_cache *cache, const char *name, int fd)
{
    struct stat opened, named;
    return fstat(fd, &opened) == 0 &&
           fstatat(cache->directory, name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
           opened.st_ino == named.st_ino && opened.st_dev == named.st_dev;
}

int download_partial_open(const struct download_cache *cache, const struct download_key *key,
                          int *fd, struct error *error)
{
    char name[NAME_ROOM];
    (void)name_of(key, PARTIAL, "", name);
    for (;;) {
        auto_fd int partial = openat(cache->directory, name,
                                     O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0666);
        if (partial < 0)
            return error_system(error, -errno, "opening %s/%s", cache->path.bytes, name);
        if (flock(partial, LOCK_EX | LOCK_NB) < 0) {
            if (errno == EWOULDBLOCK)
                return -EAGAIN;
            if (errno == EINTR)
                continue;
            return error_system(error, -errno, "locking %s/%s (--cache names another directory)",
                                cache->path.bytes, name);
        }
        if (is_current(cache, name, partial)) {
            *fd = steal_fd(&partial);
            return 0;
        }
    }
}

int download_partial_publish(const struct download_cache *cache, const struct download_key *key,
                             int partial, int *fd, struct error *error)
{
    char name[NAME_ROOM];
    (void)name_of(key, PARTIAL, "", name);
    if (renameat(cache->directory, name, cache->directory, key->name) < 0)
        return error_system(error, -errno, "renaming %s/%s", cache->path.bytes, name);
    (void)unlinkat(cache->directory, name_of(key, PARTIAL, ORIGIN, name), 0); /* may be absent */
    auto_fd int entry = openat(cache->directory, key->name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (entry < 0)
        return error_system(error, -errno, "opening %s/%s", cache->path.bytes, key->name);
    if (!is_current(cache, key->name, partial))
        return error_set(error, -EAGAIN, "%s/%s is being removed by somebody", cache->path.bytes,
                         key->name);
    *fd = steal_fd(&entry);
    return 0;
}

void download_partial_forget(const struct download_cache *cache, const struct download_key *key)
{
    char name[NAME_ROOM];
    /* Mostly there is none; one that cannot be removed could not be replaced either. */
    (void)unlinkat(cache->directory, name_of(key, PARTIAL, ORIGIN, name), 0);
}

void download_partial_remove(const struct download_cache *cache, const struct download_key *key)
{
    char name[NAME_ROOM];
    download_partial_forget(cache, key);
    (void)unlinkat(cache->directory, name_of(key, PARTIAL, "", name), 0);
}
