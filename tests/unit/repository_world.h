/* A repository on servers in memory, and mounts of it: the ground of test_repository. Each test
 * works between world_begin and world_end. */
#ifndef CVMFSEXEC_TESTS_REPOSITORY_WORLD_H
#define CVMFSEXEC_TESTS_REPOSITORY_WORLD_H

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

#include "payload/base/remove.h"
#include "payload/client/log.h"
#include "payload/client/repository.h"
#include "tests/unit/catalog_builder.h"
#include "tests/unit/fake_servers.h"
#include "tests/unit/signing.h"

#define FQRN "a.example.org"
#define DAY (24 * 60 * 60)

static char place[] = "/tmp/test_repository.XXXXXX";
static EVP_PKEY *master_key, *signing, *other_key;
static struct text certificate_pem, certificate_der;
static char fingerprint[80];

/* Everything a test needs; begins with an empty cache and one server. */
static struct world {
    struct downloader servers;
    struct parameters parameters;
    struct cache *cache;
    struct fetcher fetcher;
    char directory[64];
    unsigned number;
} world;

/* A parameter. */
static inline void set(const char *name, const char *value)
{
    (void)parameters_set(&world.parameters, name, value, NULL);
}

static inline void write_file(const char *name, const char *text)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", place, name);
    (void)file_replace(AT_FDCWD, path, text, strlen(text), 0600);
}

static inline void open_cache(void)
{
    const struct cache_options options = {.directory = world.directory};
    (void)cache_create(&options, &world.cache, NULL);
    world.fetcher.cache = world.cache;
}

static inline void world_begin(void)
{
    char path[128];
    world.servers = (struct downloader){.count = 1};
    world.parameters = (struct parameters)PARAMETERS_INIT;
    world.fetcher.downloader = &world.servers;
    (void)snprintf(world.directory, sizeof world.directory, "%s/%u", place, world.number++);
    open_cache();
    (void)snprintf(path, sizeof path, "%s/master.pub", place);
    set("CVMFS_PUBLIC_KEY", path);
    (void)snprintf(path, sizeof path, "%s/blacklist", place);
    set("CVMFS_BLACKLIST", path);
    write_file("blacklist", "");
}

static inline void world_end(void)
{
    cache_destroy(world.cache);
    parameters_free(&world.parameters);
    fake_free(&world.servers);
}

/* Stores an object under the hash of what is stored. */
static inline struct hash put_object(struct fake_server *server, const void *bytes, size_t length,
                                     char suffix)
{
    struct hash hash = {.algorithm = HASH_NONE};
    char path[80];
    char text[HASH_TEXT_SIZE];
    (void)hash_compute(HASH_SHA1, bytes, length, &hash);
    (void)hash_format(&hash, text);
    (void)snprintf(path, sizeof path, "/data/%.2s/%s%c", text, text + 2, suffix);
    fake_put(server, path, bytes, length);
    return hash;
}

static inline struct hash put_catalog(struct fake_server *server, unsigned revision)
{
    struct catalog_builder builder;
    char number[16];
    (void)snprintf(number, sizeof number, "%u", revision);
    builder_begin(&builder, "2.5", 7);
    builder_property(&builder, "revision", number);
    builder_property(&builder, "TTL", "600");
    builder_entry(&builder, "", 040755, 4096, 1, NULL);
    auto_fd int fd = builder_finish(&builder);
    auto_text struct text bytes = TEXT_INIT;
    (void)file_load_fd(fd, 1 << 20, &bytes);
    return put_object(server, bytes.bytes, bytes.length, 'C');
}

static inline struct hash put_history(struct fake_server *server, const struct hash *tagged)
{
    char path[] = "/tmp/test_repository_history.XXXXXX";
    auto_fd int fd = mkstemp(path);
    char text[HASH_TEXT_SIZE];
    struct catalog_builder builder = {.failed = false};
    (void)sqlite3_open(path, &builder.database);
    builder_run(&builder,
                "CREATE TABLE properties (key TEXT, value TEXT);"
                "INSERT INTO properties VALUES ('schema', '1.0'), ('fqrn', %Q);"
                "CREATE TABLE tags (name TEXT, hash TEXT, revision INTEGER, timestamp INTEGER);"
                "INSERT INTO tags VALUES ('old', %Q, 1, 1000000000)",
                FQRN, hash_format(tagged, text));
    (void)sqlite3_close(builder.database);
    (void)unlink(path);
    auto_text struct text bytes = TEXT_INIT;
    (void)file_load_fd(fd, 1 << 20, &bytes);
    return put_object(server, bytes.bytes, bytes.length, 'H');
}

static inline void put_whitelist(struct fake_server *server, EVP_PKEY *key, long seconds,
                                 const char *lines)
{
    auto_text struct text whitelist = TEXT_INIT;
    (void)signing_whitelist(key, FQRN, seconds, lines, &whitelist);
    fake_put(server, "/.cvmfswhitelist", whitelist.bytes, whitelist.length);
}

static inline void put_manifest(struct fake_server *server, EVP_PKEY *key, const char *fqrn,
                                unsigned revision, const struct hash *catalog,
                                const struct hash *history)
{
    auto_text struct text manifest = TEXT_INIT;
    char text[HASH_TEXT_SIZE];
    (void)text_printf(&manifest, "C%s\nRd41d8cd98f00b204e9800998ecf8427e\nD600\nS%u\nT%u\nN%s\n",
                      hash_format(catalog, text), revision, 1000 + revision, fqrn);
    struct hash certificate =
        put_object(server, certificate_pem.bytes, certificate_pem.length, 'X');
    (void)text_printf(&manifest, "X%s\n", hash_format(&certificate, text));
    if (history)
        (void)text_printf(&manifest, "H%s\n", hash_format(history, text));
    (void)signing_seal(key, SIGN_MANIFEST, HASH_SHA1, &manifest);
    fake_put(server, "/.cvmfspublished", manifest.bytes, manifest.length);
}

/* A good repository at the given revision; the hash of its root catalog. */
static inline struct hash publish(struct fake_server *server, unsigned revision)
{
    char lines[128];
    (void)snprintf(lines, sizeof lines, "%s\n", fingerprint);
    struct hash catalog = put_catalog(server, revision);
    put_whitelist(server, master_key, DAY, lines);
    put_manifest(server, signing, FQRN, revision, &catalog, NULL);
    return catalog;
}

struct outcome {
    struct repository_root root;
    int result;
    int exit_code;
    struct error error;
};

/* One mount of a new process. */
static inline struct outcome mount_once(void)
{
    struct outcome outcome = {.root = {.fd = -1}, .exit_code = 0};
    struct repository *repository = NULL;
    cache_destroy(world.cache);
    open_cache();
    text_free(&world.servers.requests);
    outcome.result =
        repository_open(FQRN, &world.parameters, world.cache, &world.servers, &world.fetcher,
                        &repository, &outcome.exit_code, &outcome.error);
    if (outcome.result == 0)
        outcome.result =
            repository_select(repository, &outcome.root, &outcome.exit_code, &outcome.error);
    scope_close_fd(&outcome.root.fd);
    repository_close(repository);
    return outcome;
}

static inline struct outcome check_once(const struct repository_root *current, unsigned revision)
{
    struct outcome outcome = {.exit_code = 0};
    struct repository *repository = NULL;
    text_free(&world.servers.requests);
    outcome.result =
        repository_open(FQRN, &world.parameters, world.cache, &world.servers, &world.fetcher,
                        &repository, &outcome.exit_code, &outcome.error);
    if (outcome.result == 0)
        outcome.result =
            repository_check(repository, current, revision, &outcome.root, &outcome.error);
    scope_close_fd(&outcome.root.fd);
    repository_close(repository);
    return outcome;
}

static inline bool requested(const char *paths)
{
    const char *actual = world.servers.requests.bytes ? world.servers.requests.bytes : "";
    if (strcmp(actual, paths) == 0)
        return true;
    printf("# requested: %s\n", actual);
    return false;
}

/* Sets back the time at which a server confirmed what the cache knows. */
static inline void age(int64_t seconds)
{
    const struct timespec times[2] = {{.tv_sec = time(NULL) - seconds},
                                      {.tv_sec = time(NULL) - seconds}};
    (void)utimensat(cache_directory(world.cache), "cvmfschecksum." FQRN, times, 0);
}

static inline bool logged(const char *words)
{
    auto_text struct text text = TEXT_INIT;
    return log_buffer(&text) == 0 && text.bytes && strstr(text.bytes, words);
}

/* Replaces words in a file of a server by others of the same length. */
static inline bool tamper(struct fake_server *server, const char *path, const char *old,
                          const char *new)
{
    struct fake_file *file = fake_find(server, path);
    char *at = file ? memmem(file->bytes.bytes, file->bytes.length, old, strlen(old)) : NULL;
    if (!at)
        return false;
    memcpy(at, new, strlen(old));
    return true;
}

/* Once, before all tests: keys, a certificate, a directory. */
static inline bool world_make(void)
{
    auto_text struct text pem = TEXT_INIT;
    if (!mkdtemp(place))
        return false;
    master_key = signing_key();
    signing = signing_key();
    other_key = signing_key();
    bool good = signing_public_pem(master_key, &pem) &&
                signing_certificate(signing, &certificate_pem, &certificate_der);
    if (good)
        write_file("master.pub", pem.bytes);
    signing_fingerprint(&certificate_der, HASH_SHA1, fingerprint);
    return good;
}

static inline void world_remove(void)
{
    text_free(&certificate_pem);
    text_free(&certificate_der);
    EVP_PKEY_free(master_key);
    EVP_PKEY_free(signing);
    EVP_PKEY_free(other_key);
    if (directory_remove(AT_FDCWD, place) < 0)
        printf("# %s is left behind\n", place);
}

#endif
