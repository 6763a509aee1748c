/* The breadcrumb cvmfschecksum.<fqrn> (cvmfs-format.md 10.1). What it means is the repository's. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "payload/base/file.h"
#include "payload/base/scope.h"
#include "payload/base/text.h"
#include "payload/client/cache.h"
#include "payload/client/cache_layout.h"

#define LONGEST_BREADCRUMB 256

/* Reads decimal digits up to `end` or the first other byte. 0, or -EINVAL for none or too many. */
static int parse_number(const char **at, const char *end, uint64_t *number)
{
    const char *begin = *at;
    uint64_t value = 0;
    for (; *at < end && **at >= '0' && **at <= '9'; (*at)++)
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(**at - '0'), &value))
            return -EINVAL;
    *number = value;
    return *at > begin ? 0 : -EINVAL;
}

int cache_breadcrumb_parse(const char *text, size_t length, struct cache_breadcrumb *breadcrumb)
{
    const char *end = text + length;
    if (end > text && end[-1] == '\n')
        end--;
    const char *at = text;
    while (at < end && *at != 'T' && *at != 'R')
        at++;
    breadcrumb->timestamp = 0;
    breadcrumb->revision = 0;
    int result = hash_parse(text, (size_t)(at - text), &breadcrumb->catalog);
    if (result == 0 && at < end && *at == 'T') {
        at++;
        result = parse_number(&at, end, &breadcrumb->timestamp);
    }
    if (result == 0 && at < end && *at == 'R') {
        at++;
        result = parse_number(&at, end, &breadcrumb->revision);
    }
    return result == 0 && at == end ? 0 : -EINVAL;
}

int breadcrumb_load(int directory, const char *name, struct cache_breadcrumb *breadcrumb)
{
    auto_fd int fd = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return -errno;
    char text[LONGEST_BREADCRUMB];
    ssize_t length = file_read_full(fd, text, sizeof text);
    if (length < 0)
        return (int)length;
    struct stat status;
    if (fstat(fd, &status) < 0)
        return -errno;
    int result = cache_breadcrumb_parse(text, (size_t)length, breadcrumb);
    breadcrumb->checked = status.st_mtim.tv_sec;
    return result;
}

static int breadcrumb_name(const char *fqrn, struct text *name)
{
    if (fqrn[0] == '\0' || strchr(fqrn, '/'))
        return -EINVAL;
    return text_printf(name, BREADCRUMB_PREFIX "%s", fqrn);
}

int cache_breadcrumb_load(struct cache *cache, const char *fqrn,
                          struct cache_breadcrumb *breadcrumb)
{
    auto_text struct text name = TEXT_INIT;
    int result = breadcrumb_name(fqrn, &name);
    return result < 0 ? result : breadcrumb_load(cache_directory(cache), name.bytes, breadcrumb);
}

static int breadcrumb_format(const struct cache_breadcrumb *breadcrumb, struct text *text)
{
    char hash[HASH_TEXT_SIZE];
    int result = text_append_string(text, hash_format(&breadcrumb->catalog, hash));
    if (result == 0 && breadcrumb->timestamp)
        result = text_printf(text, "T%llu", (unsigned long long)breadcrumb->timestamp);
    if (result == 0 && breadcrumb->revision)
        result = text_printf(text, "R%llu", (unsigned long long)breadcrumb->revision);
    return result;
}

int cache_breadcrumb_store(struct cache *cache, const char *fqrn,
                           const struct cache_breadcrumb *breadcrumb)
{
    auto_text struct text name = TEXT_INIT;
    auto_text struct text text = TEXT_INIT;
    if (hash_is_null(&breadcrumb->catalog))
        return -EINVAL;
    int result = breadcrumb_name(fqrn, &name);
    if (result == 0)
        result = breadcrumb_format(breadcrumb, &text);
    if (result < 0)
        return result;

    const int directory = cache_directory(cache);
    struct cache_breadcrumb present;
    if (breadcrumb_load(directory, name.bytes, &present) < 0 ||
        !hash_equal(&present.catalog, &breadcrumb->catalog) ||
        present.timestamp != breadcrumb->timestamp || present.revision != breadcrumb->revision)
        result = file_replace(directory, name.bytes, text.bytes, text.length, 0600);
    const struct timespec times[2] = {{.tv_sec = breadcrumb->checked},
                                      {.tv_sec = breadcrumb->checked}};
    if (result == 0 && utimensat(directory, name.bytes, times, AT_SYMLINK_NOFOLLOW) < 0)
        result = -errno;
    return result;
}
