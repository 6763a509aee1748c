#include "payload/client/breadcrumb.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "payload/base/file.h"
#include "payload/base/scope.h"
#include "payload/base/text.h"
#include "payload/client/number.h"

#define LONGEST_BREADCRUMB 256

/* The number behind `letter`, if that is what `*at` begins with. 0 or -EINVAL. */
static int parse_field(char letter, const char **at, const char *end, uint64_t *number)
{
    *number = 0;
    if (*at == end || **at != letter)
        return 0;
    const char *digits = *at + 1;
    size_t length = number_length(digits, (size_t)(end - digits));
    *at = digits + length;
    return number_parse(digits, length, number);
}

int breadcrumb_parse(const char *text, size_t length, struct breadcrumb *breadcrumb)
{
    const char *end = text + length;
    if (end > text && end[-1] == '\n')
        end--;
    const char *at = text;
    while (at < end && *at != 'T' && *at != 'R')
        at++;
    int result = hash_parse(text, (size_t)(at - text), &breadcrumb->catalog);
    if (result == 0)
        result = parse_field('T', &at, end, &breadcrumb->timestamp);
    if (result == 0)
        result = parse_field('R', &at, end, &breadcrumb->revision);
    return result == 0 && at == end ? 0 : -EINVAL;
}

int breadcrumb_read(int directory, const char *name, struct breadcrumb *breadcrumb)
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
    int result = breadcrumb_parse(text, (size_t)length, breadcrumb);
    breadcrumb->checked = status.st_mtim.tv_sec;
    return result;
}

static int breadcrumb_name(const char *fqrn, struct text *name)
{
    if (fqrn[0] == '\0' || strchr(fqrn, '/'))
        return -EINVAL;
    return text_printf(name, BREADCRUMB_PREFIX "%s", fqrn);
}

int breadcrumb_load(int directory, const char *fqrn, struct breadcrumb *breadcrumb)
{
    auto_text struct text name = TEXT_INIT;
    int result = breadcrumb_name(fqrn, &name);
    return result < 0 ? result : breadcrumb_read(directory, name.bytes, breadcrumb);
}

static int breadcrumb_format(const struct breadcrumb *breadcrumb, struct text *text)
{
    char hash[HASH_TEXT_SIZE];
    int result = text_append_string(text, hash_format(&breadcrumb->catalog, hash));
    if (result == 0 && breadcrumb->timestamp)
        result = text_printf(text, "T%llu", (unsigned long long)breadcrumb->timestamp);
    if (result == 0 && breadcrumb->revision)
        result = text_printf(text, "R%llu", (unsigned long long)breadcrumb->revision);
    return result;
}

int breadcrumb_store(int directory, const char *fqrn, const struct breadcrumb *breadcrumb)
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

    struct breadcrumb present;
    if (breadcrumb_read(directory, name.bytes, &present) < 0 ||
        !hash_equal(&present.catalog, &breadcrumb->catalog) ||
        present.timestamp != breadcrumb->timestamp || present.revision != breadcrumb->revision)
        result = file_replace(directory, name.bytes, text.bytes, text.length, 0600);
    const struct timespec times[2] = {{.tv_sec = breadcrumb->checked},
                                      {.tv_sec = breadcrumb->checked}};
    if (result == 0 && utimensat(directory, name.bytes, times, AT_SYMLINK_NOFOLLOW) < 0)
        result = -errno;
    return result;
}
