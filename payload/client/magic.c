/* A table of names and the functions that answer them. Attributes that upstream has for parts that
 * this client has not (open files, an index of the cache) are not offered. */
#include "payload/client/magic.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "payload/base/file.h"
#include "payload/base/scope.h"
#include "payload/client/log.h"
#include "payload/client/magic_page.h"
#include "payload/client/version.h"

#define METAINFO_LIMIT (1 << 20)

struct question {
    struct client *client;
    const struct tree_node *node;
    struct tree_facts facts;
    struct downloader_counters downloads;
    size_t repeated; /* bytes at the value's beginning that every page repeats */
};

static int answer_fqrn(struct question *question, struct text *value)
{
    return text_append_string(value, question->client->fqrn);
}

static int answer_revision(struct question *question, struct text *value)
{
    return text_printf(value, "%" PRIu64, question->facts.revision);
}

static int append_hash(const struct hash *hash, struct text *value)
{
    char text[HASH_TEXT_SIZE];
    return text_append_string(value, hash_format(hash, text));
}

static int answer_root_hash(struct question *question, struct text *value)
{
    return append_hash(&question->facts.root, value);
}

static int answer_tag(struct question *question, struct text *value)
{
    const char *tag = parameters_get(question->client->parameters, "CVMFS_REPOSITORY_TAG");
    return text_append_string(value, tag ? tag : "");
}

static int answer_version(struct question *question, struct text *value)
{
    (void)question; /* the same for all */
    return text_append_string(value, OFFICIAL_VERSION ".0");
}

static int answer_pid(struct question *question, struct text *value)
{
    (void)question; /* of this process */
    return text_printf(value, "%ld", (long)getpid());
}

static int answer_expires(struct question *question, struct text *value)
{
    int64_t expires = atomic_load(&question->client->expires);
    if (expires == INT64_MAX)
        return text_append_string(value, "never (fixed root catalog)");
    int64_t left = expires - client_now();
    return text_printf(value, "%" PRId64, left > 0 ? left / 60 : 0);
}

static int answer_uptime(struct question *question, struct text *value)
{
    return text_printf(value, "%" PRId64, (client_now() - question->client->started) / 60);
}

static int answer_last_io_error(struct question *question, struct text *value)
{
    return text_printf(value, "%" PRId64, atomic_load(&question->client->counters.last_io_error));
}

static int answer_io_errors(struct question *question, struct text *value)
{
    return text_printf(value, "%" PRIu64, atomic_load(&question->client->counters.io_errors));
}

static int answer_inode_max(struct question *question, struct text *value)
{
    return text_printf(value, "%" PRIu64, question->facts.last_inode);
}

static int answer_nclg(struct question *question, struct text *value)
{
    return text_printf(value, "%" PRIu64, question->facts.attached_catalogs);
}

static int answer_ndownload(struct question *question, struct text *value)
{
    return text_printf(value, "%" PRIu64, question->downloads.requests);
}

static int answer_maxfd(struct question *question, struct text *value)
{
    (void)question; /* of this process */
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return -errno;
    return text_printf(value, "%lld", (long long)limit.rlim_cur - 512);
}

static int answer_rx(struct question *question, struct text *value)
{
    return text_printf(value, "%" PRIu64, question->downloads.received_bytes / 1024);
}

static int answer_speed(struct question *question, struct text *value)
{
    uint64_t milliseconds = question->downloads.nanoseconds / 1000000;
    if (milliseconds == 0)
        return text_append_string(value, "n/a");
    return text_printf(value, "%" PRIu64,
                       question->downloads.received_bytes * 1000 / 1024 / milliseconds);
}

static int answer_host(struct question *question, struct text *value)
{
    return downloader_host(question->client->downloader, value);
}

static int answer_external_host(struct question *question, struct text *value)
{
    struct downloader *external = question->client->external;
    return external ? downloader_host(external, value) : text_reserve(value, 0);
}

static int answer_host_list(struct question *question, struct text *value)
{
    return downloader_host_list(question->client->downloader, value);
}

static int answer_proxy(struct question *question, struct text *value)
{
    return downloader_proxy(question->client->downloader, value);
}

static int answer_proxy_list(struct question *question, struct text *value)
{
    return downloader_proxy_list(question->client->downloader, value);
}

static int answer_external_proxy_list(struct question *question, struct text *value)
{
    struct downloader *external = question->client->external;
    return external ? downloader_proxy_list(external, value) : text_reserve(value, 0);
}

static int answer_timeout(struct question *question, struct text *value)
{
    return text_printf(value, "%u", question->downloads.timeout);
}

static int answer_timeout_direct(struct question *question, struct text *value)
{
    return text_printf(value, "%u", question->downloads.timeout_direct);
}

static int answer_pubkeys(struct question *question, struct text *value)
{
    return text_append_string(value, repository_public_keys(question->client->repository));
}

static int answer_logbuffer(struct question *question, struct text *value)
{
    (void)question; /* one log per process */
    return log_buffer(value);
}

static int append_counters(const struct catalog_statistics *statistics, bool subtree,
                           struct text *value)
{
    int result = 0;
    for (size_t counter = 0; result == 0 && counter < COUNTER_COUNT; counter++)
        result =
            text_printf(value, "%s,%" PRIu64 "\n", catalog_counter_names[counter],
                        statistics->self[counter] + (subtree ? statistics->subtree[counter] : 0));
    return result;
}

static int answer_repo_counters(struct question *question, struct text *value)
{
    return append_counters(&question->facts.statistics, true, value);
}

static int answer_catalog_counters(struct question *question, struct text *value)
{
    struct tree_catalog_facts facts;
    int result = tree_catalog_facts(question->client->tree, question->node, &facts);
    if (result < 0)
        return result;
    auto_free char *mountpoint = facts.mountpoint;
    char text[HASH_TEXT_SIZE];
    result = text_printf(value, "catalog_hash: %s\ncatalog_mountpoint: %s\n",
                         hash_format(&facts.hash, text), mountpoint);
    return result < 0 ? result : append_counters(&facts.statistics, false, value);
}

static int answer_metainfo(struct question *question, struct text *value)
{
    struct client *client = question->client;
    (void)pthread_mutex_lock(&client->root_lock);
    const struct hash metainfo = client->root.metainfo;
    (void)pthread_mutex_unlock(&client->root_lock);
    const struct object object = {
        .hash = metainfo,
        .suffix = 'M',
        .compressed = true,
        .size = OBJECT_SIZE_UNKNOWN,
        .label = "repository meta info",
    };
    if (hash_is_null(&object.hash))
        return -ENODATA;
    auto_fd int fd = fetch_object(client->fetcher, &object, NULL);
    if (fd < 0)
        return -EIO;
    int result = text_reserve(value, METAINFO_LIMIT);
    ssize_t count = result < 0 ? result : file_read_full(fd, value->bytes, METAINFO_LIMIT);
    if (count < 0)
        return (int)count;
    value->length = (size_t)count;
    return 0;
}

static int answer_hash(struct question *question, struct text *value)
{
    return append_hash(&question->node->entry.hash, value);
}

/* The chunks of a regular file; one that is whole is its own only chunk. */
static int load_chunks(const struct question *question, struct catalog_chunk **chunks,
                       size_t *count)
{
    const struct catalog_entry *entry = &question->node->entry;
    if (entry->flags & CATALOG_FLAG_CHUNKED)
        return tree_chunks(question->client->tree, question->node, chunks, count);
    *chunks = calloc(1, sizeof **chunks);
    if (!*chunks)
        return -ENOMEM;
    **chunks = (struct catalog_chunk){.hash = entry->hash, .size = entry->size};
    *count = 1;
    return 0;
}

static int answer_chunks(struct question *question, struct text *value)
{
    auto_free struct catalog_chunk *chunks = NULL;
    size_t count;
    int result = load_chunks(question, &chunks, &count);
    return result < 0 ? result : text_printf(value, "%zu", count);
}

static int answer_chunk_list(struct question *question, struct text *value)
{
    auto_free struct catalog_chunk *chunks = NULL;
    size_t count;
    int result = load_chunks(question, &chunks, &count);
    if (result == 0)
        result = text_append_string(value, "hash,offset,size\n");
    question->repeated = value->length;
    for (size_t index = 0; result == 0 && index < count; index++) {
        char text[HASH_TEXT_SIZE];
        result = text_printf(value, "%s,%" PRIu64 ",%" PRIu64 "\n",
                             hash_format(&chunks[index].hash, text), chunks[index].offset,
                             chunks[index].size);
    }
    return result;
}

static int answer_compression(struct question *question, struct text *value)
{
    return text_append_string(value, question->node->entry.compressed ? "zlib" : "none");
}

static int append_flag(const struct question *question, uint32_t flag, struct text *value)
{
    return text_append_string(value, question->node->entry.flags & flag ? "1" : "0");
}

static int answer_external_file(struct question *question, struct text *value)
{
    return append_flag(question, CATALOG_FLAG_EXTERNAL, value);
}

static int answer_direct_io(struct question *question, struct text *value)
{
    return append_flag(question, CATALOG_FLAG_DIRECT_IO, value);
}

static int answer_external_url(struct question *question, struct text *value)
{
    struct client *client = question->client;
    if (!(question->node->entry.flags & CATALOG_FLAG_EXTERNAL) || !client->external)
        return -ENODATA;
    int result = downloader_host(client->external, value);
    return result < 0 ? result : tree_path(client->tree, question->node, value);
}

static int answer_rawlink(struct question *question, struct text *value)
{
    return tree_symlink(question->client->tree, question->node, value);
}

enum applies { TO_ALL, TO_HASHED, TO_REGULAR, TO_SYMLINKS };

static const struct magic {
    const char *name;
    enum applies applies;
    int (*answer)(struct question *question, struct text *value);
} magics[] = {
    {"user.catalog_counters", TO_ALL, answer_catalog_counters},
    {"user.chunk_list", TO_REGULAR, answer_chunk_list},
    {"user.chunks", TO_REGULAR, answer_chunks},
    {"user.compression", TO_REGULAR, answer_compression},
    {"user.direct_io", TO_REGULAR, answer_direct_io},
    {"user.expires", TO_ALL, answer_expires},
    {"user.external_file", TO_REGULAR, answer_external_file},
    {"user.external_host", TO_ALL, answer_external_host},
    {"user.external_timeout", TO_ALL, answer_timeout_direct},
    {"user.external_url", TO_REGULAR, answer_external_url},
    {"user.fqrn", TO_ALL, answer_fqrn},
    {"user.hash", TO_HASHED, answer_hash},
    {"user.host", TO_ALL, answer_host},
    {"user.host_list", TO_ALL, answer_host_list},
    {"user.inode_max", TO_ALL, answer_inode_max},
    {"user.logbuffer", TO_ALL, answer_logbuffer},
    {"user.maxfd", TO_ALL, answer_maxfd},
    {"user.nclg", TO_ALL, answer_nclg},
    {"user.ndownload", TO_ALL, answer_ndownload},
    {"user.nioerr", TO_ALL, answer_io_errors},
    {"user.pid", TO_ALL, answer_pid},
    {"user.proxy", TO_ALL, answer_proxy},
    {"user.proxy_list", TO_ALL, answer_proxy_list},
    {"user.proxy_list_external", TO_ALL, answer_external_proxy_list},
    {"user.pubkeys", TO_ALL, answer_pubkeys},
    {"user.rawlink", TO_SYMLINKS, answer_rawlink},
    {"user.repo_counters", TO_ALL, answer_repo_counters},
    {"user.repo_metainfo", TO_ALL, answer_metainfo},
    {"user.revision", TO_ALL, answer_revision},
    {"user.root_hash", TO_ALL, answer_root_hash},
    {"user.rx", TO_ALL, answer_rx},
    {"user.speed", TO_ALL, answer_speed},
    {"user.tag", TO_ALL, answer_tag},
    {"user.timeout", TO_ALL, answer_timeout},
    {"user.timeout_direct", TO_ALL, answer_timeout_direct},
    {"user.timestamp_last_ioerr", TO_ALL, answer_last_io_error},
    {"user.uptime", TO_ALL, answer_uptime},
    {"user.version", TO_ALL, answer_version},
    /* Linux refuses user.* on symlinks, hence a name outside of that space. */
    {"xfsroot.rawlink", TO_SYMLINKS, answer_rawlink},
};

#define MAGIC_COUNT (sizeof magics / sizeof magics[0])

static const struct magic *find_magic(const char *name, size_t length)
{
    for (size_t index = 0; index < MAGIC_COUNT; index++)
        if (strlen(magics[index].name) == length && memcmp(magics[index].name, name, length) == 0)
            return &magics[index];
    return NULL;
}

static bool applies_to(const struct magic *magic, const struct tree_node *node)
{
    switch (magic->applies) {
    case TO_HASHED:
        return !hash_is_null(&node->entry.hash);
    case TO_REGULAR:
        return S_ISREG(node->entry.mode);
    case TO_SYMLINKS:
        return S_ISLNK(node->entry.mode);
    case TO_ALL:
        return true;
    }
    return false;
}

bool magic_is_name(const char *name)
{
    return find_magic(name, strlen(name)) != NULL;
}

int magic_value(struct client *client, const struct tree_node *node, const char *name,
                struct text *value)
{
    struct page_request request;
    int result = page_request_parse(name, &request);
    if (result < 0)
        return result;
    const struct magic *magic = find_magic(name, request.name_length);
    if (!magic)
        return name[request.name_length] ? -ENODATA : -ENOENT;
    if (!applies_to(magic, node))
        return -ENODATA;
    struct question question = {.client = client, .node = node};
    tree_facts(client->tree, &question.facts);
    downloader_counters(client->downloader, &question.downloads);
    auto_text struct text whole = TEXT_INIT;
    result = magic->answer(&question, &whole);
    return result < 0 ? result : page_append(&request, name, &whole, question.repeated, value);
}

int magic_list(const struct client *client, const struct tree_node *node, struct text *names)
{
    if (client->visibility == XATTRS_NEVER ||
        (client->visibility == XATTRS_ROOT_ONLY && node->inode != TREE_ROOT))
        return 0;
    int result = 0;
    for (size_t index = 0; result == 0 && index < MAGIC_COUNT; index++)
        if (applies_to(&magics[index], node))
            result = text_append(names, magics[index].name, strlen(magics[index].name) + 1);
    return result;
}
