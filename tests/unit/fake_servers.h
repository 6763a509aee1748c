/* Servers in memory in place of the downloader and the fetcher, for tests of what asks them: which
 * paths were asked for, in which order, of whom. */
#ifndef CVMFSEXEC_TESTS_FAKE_SERVERS_H
#define CVMFSEXEC_TESTS_FAKE_SERVERS_H

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "payload/base/file.h"
#include "payload/base/scope.h"
#include "payload/client/cache.h"
#include "payload/client/download.h"
#include "payload/client/fetch.h"

#define FAKE_FILES 64
#define FAKE_SERVERS 2

struct fake_file {
    char path[80];
    struct text bytes;
};

struct fake_server {
    bool down;
    struct fake_file files[FAKE_FILES];
    size_t count;
};

struct downloader {
    struct fake_server servers[FAKE_SERVERS];
    size_t count;
    size_t current;
    struct text requests; /* "0 /.cvmfspublished\n", the server's number first */
};

struct fetcher {
    struct downloader *downloader;
    struct cache *cache;
};

static inline struct fake_file *fake_find(struct fake_server *server, const char *path)
{
    for (size_t index = 0; index < server->count; index++)
        if (strcmp(server->files[index].path, path) == 0)
            return &server->files[index];
    return NULL;
}

/* Replaces a file of a server, or adds it. */
static inline void fake_put(struct fake_server *server, const char *path, const void *bytes,
                            size_t length)
{
    struct fake_file *file = fake_find(server, path);
    if (!file) {
        file = &server->files[server->count++];
        (void)snprintf(file->path, sizeof file->path, "%s", path);
    }
    text_free(&file->bytes);
    (void)text_append(&file->bytes, bytes, length);
}

static inline void fake_remove(struct fake_server *server, const char *path)
{
    struct fake_file *file = fake_find(server, path);
    if (file)
        file->path[0] = '\0';
}

static inline void fake_free(struct downloader *downloader)
{
    for (size_t server = 0; server < FAKE_SERVERS; server++)
        for (size_t file = 0; file < FAKE_FILES; file++)
            text_free(&downloader->servers[server].files[file].bytes);
    text_free(&downloader->requests);
}

static struct fake_file *fake_request(struct downloader *downloader, const char *path)
{
    for (size_t attempt = 0; attempt < downloader->count; attempt++) {
        struct fake_server *server = &downloader->servers[downloader->current];
        (void)text_printf(&downloader->requests, "%zu %s\n", downloader->current, path);
        struct fake_file *file = server->down ? NULL : fake_find(server, path);
        if (file)
            return file;
        downloader->current = (downloader->current + 1) % downloader->count;
    }
    return NULL;
}

int download(struct downloader *downloader, const struct download_request *request,
             enum download_failure *failure, struct error *error)
{
    const struct fake_file *file = fake_request(downloader, request->path);
    if (!file) {
        *failure = DOWNLOAD_HOST_HTTP;
        return error_set(error, -EIO, "%s (9 - host returned HTTP error)", request->path);
    }
    if (request->server)
        *request->server = downloader->current;
    const struct download_sink *sink = &request->sink;
    int result = sink->start(sink->context);
    if (result == 0)
        result = sink->write(sink->context, file->bytes.bytes, file->bytes.length);
    if (result == 0)
        result = sink->finish(sink->context);
    return result == 0 ? 0 : error_set(error, -EIO, "the sink refused");
}

const char *download_failure_text(enum download_failure failure)
{
    return failure == DOWNLOAD_HOST_HTTP ? "host returned HTTP error" : "something else";
}

size_t downloader_server_count(const struct downloader *downloader)
{
    return downloader->count;
}

void downloader_skip_server(struct downloader *downloader, size_t server, const char *reason)
{
    (void)reason;
    downloader->current = (server + 1) % downloader->count;
}

int fetch_cached(struct fetcher *fetcher, const struct hash *hash, uint64_t size)
{
    (void)size;
    return cache_find(fetcher->cache, hash, NULL);
}

void fetch_discard(struct fetcher *fetcher, const struct hash *hash)
{
    (void)cache_remove(fetcher->cache, hash);
}

/* Objects are stored as they are: compression and digests are the real fetcher's. */
int fetch_object(struct fetcher *fetcher, const struct object *object, struct error *error)
{
    int fd = cache_find(fetcher->cache, &object->hash, NULL);
    if (fd >= 0)
        return fd;
    char path[80];
    char text[HASH_TEXT_SIZE];
    (void)hash_format(&object->hash, text);
    if (object->alternative)
        (void)snprintf(path, sizeof path, "/.cvmfsalt-%s%c", text, object->suffix);
    else
        (void)snprintf(path, sizeof path, "/data/%.2s/%s%c", text, text + 2, object->suffix);
    const struct fake_file *file = fake_request(fetcher->downloader, path);
    if (!file)
        return error_set(error, -EIO, "%s (9 - host returned HTTP error)", path);
    struct cache_transaction transaction;
    int result = cache_begin(fetcher->cache, &transaction, error);
    if (result < 0)
        return result;
    result = file_write_full(transaction.fd, file->bytes.bytes, file->bytes.length);
    if (result == 0)
        result =
            cache_commit(fetcher->cache, &transaction, &object->hash, file->bytes.length, error);
    return result < 0 ? result : transaction.fd;
}

#endif
