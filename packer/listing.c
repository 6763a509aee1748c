/* Packages by their file names alone. Where the names come from is in listing_page.c; what is newer
 * is decided by libsolv, with rpm's rules. */
#include "packer/listing.h"

#include <dirent.h>
#include <errno.h>
#include <libxml/uri.h>
#include <solv/evr.h>
#include <solv/pool.h>
#include <stdlib.h>
#include <string.h>

#include "packer/listing_page.h"
#include "packer/missing_package.h"
#include "packer/repomd.h"
#include "payload/base/file.h"
#include "payload/base/scope.h"

#define PAGE_LIMIT (16 * 1000 * 1000)
#define FILE_SCHEME "file://"

static void pool_release(Pool **pool)
{
    pool_free(*pool);
}

#define auto_pool __attribute__((cleanup(pool_release)))

void listing_package_free(struct listing_package *package)
{
    free(package->file);
    free(package->name);
    free(package->version);
    free(package->release);
    free(package->architecture);
    *package = (struct listing_package){.file = NULL};
}

void listing_free(struct listing *listing)
{
    for (size_t index = 0; index < listing->count; index++)
        listing_package_free(&listing->items[index]);
    free(listing->items);
    *listing = (struct listing)LISTING_INIT;
}

/* What rpm allows in names, versions and releases. */
static bool is_plain(const char *begin, const char *end)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                  "0123456789-._+~^";
    if (begin == end || *begin == '.' || *begin == '-')
        return false;
    for (; begin < end; begin++)
        if (!*begin || !strchr(allowed, *begin))
            return false;
    return true;
}

/* The last place of a byte before `end`, or NULL. */
static const char *find_last(const char *begin, const char *end, char byte)
{
    return begin < end ? memrchr(begin, byte, (size_t)(end - begin)) : NULL;
}

int listing_package_parse(const char *file, struct listing_package *package)
{
    if (!string_ends_with(file, ".rpm"))
        return -EINVAL;
    const char *const end = file + strlen(file) - 4;
    const char *dot = find_last(file, end, '.');
    const char *second = dot ? find_last(file, dot, '-') : NULL;
    const char *first = second ? find_last(file, second, '-') : NULL;
    if (!first || !is_plain(file, first) || !is_plain(first + 1, second) ||
        !is_plain(second + 1, dot) || !is_plain(dot + 1, end))
        return -EINVAL;
    struct listing_package parsed = {
        .file = strdup(file),
        .name = strndup(file, (size_t)(first - file)),
        .version = strndup(first + 1, (size_t)(second - first - 1)),
        .release = strndup(second + 1, (size_t)(dot - second - 1)),
        .architecture = strndup(dot + 1, (size_t)(end - dot - 1)),
    };
    if (!parsed.file || !parsed.name || !parsed.version || !parsed.release ||
        !parsed.architecture) {
        listing_package_free(&parsed);
        return -ENOMEM;
    }
    *package = parsed;
    return 0;
}

/* Adds what is a package among the files. */
static int add_files(struct listing *listing, const struct strings *files)
{
    for (size_t index = 0; index < files->count; index++) {
        if (listing->count == listing->capacity) {
            const size_t capacity = listing->capacity ? listing->capacity * 2 : 64;
            struct listing_package *items =
                realloc(listing->items, capacity * sizeof *listing->items);
            if (!items)
                return -ENOMEM;
            listing->items = items;
            listing->capacity = capacity;
        }
        int result = listing_package_parse(files->items[index], &listing->items[listing->count]);
        if (result == 0)
            listing->count++;
        else if (result != -EINVAL)
            return result;
    }
    return 0;
}

int listing_parse(const void *bytes, size_t length, const char *url, struct listing *listing,
                  struct error *error)
{
    auto_strings struct strings files = STRINGS_INIT;
    int result = listing_page_files(bytes, length, url, &files, error);
    if (result < 0)
        return error_prefix(error, "%s", url);
    result = add_files(listing, &files);
    return result < 0 ? error_system(error, result, "reading the listing %s", url) : 0;
}

/* A directory of this machine needs no page. */
static int load_directory(const char *url, struct listing *listing, struct error *error)
{
    auto_free char *path = xmlURIUnescapeString(url + strlen(FILE_SCHEME), 0, NULL);
    auto_directory DIR *directory = path ? opendir(path) : NULL;
    if (!directory)
        return error_system(error, path ? -errno : -ENOMEM, "listing %s", url);
    auto_strings struct strings files = STRINGS_INIT;
    int result = 0;
    errno = 0;
    for (const struct dirent *entry; result == 0 && (entry = readdir(directory)); errno = 0)
        result = strings_add(&files, entry->d_name);
    if (result == 0 && errno != 0)
        result = -errno;
    if (result == 0)
        result = add_files(listing, &files);
    return result < 0 ? error_system(error, result, "listing %s", url) : 0;
}

static int load_page(struct download_session *session, const char *const *urls, size_t url_count,
                     struct listing *listing, struct error *error)
{
    struct download download = {
        .label = urls[0], .urls = urls, .url_count = url_count, .limit = PAGE_LIMIT};
    auto_text struct text page = TEXT_INIT;
    int result = download_all(session, &download, 1, error);
    if (result == 0) {
        result = file_load_fd(download.fd, PAGE_LIMIT, &page);
        if (result < 0)
            (void)error_system(error, result, "reading %s", download.path.bytes);
    }
    if (result == 0)
        result = listing_parse(page.bytes ? page.bytes : "", page.length, urls[download.url],
                               listing, error);
    download_free(&download);
    return result;
}

int listing_load(struct download_session *session, const char *const *urls, size_t url_count,
                 struct listing *listing, struct error *error)
{
    int result = error_set(error, -ENOENT, "there is no place to list");
    for (size_t index = 0; index < url_count && result < 0;) {
        size_t pages = 0;
        while (index + pages < url_count && !string_starts_with(urls[index + pages], FILE_SCHEME))
            pages++;
        result = pages > 0 ? load_page(session, urls + index, pages, listing, error)
                           : load_directory(urls[index], listing, error);
        index += pages > 0 ? pages : 1;
    }
    return result;
}

/* Positive when the first is newer. */
static int compare(Pool *pool, const struct listing_package *one,
                   const struct listing_package *other)
{
    const int order = pool_evrcmp_str(pool, one->version, other->version, EVRCMP_COMPARE);
    return order ? order : pool_evrcmp_str(pool, one->release, other->release, EVRCMP_COMPARE);
}

/* Numbers of the packages of this name, newest first. */
struct found {
    size_t *items;
    size_t count;
};

static void found_free(struct found *found)
{
    free(found->items);
}

#define auto_found __attribute__((cleanup(found_free)))

static int find_named(const struct listing *listing, const char *name, const char *architecture,
                      struct found *found)
{
    auto_pool Pool *pool = pool_create();
    (void)pool_setdisttype(pool, DISTTYPE_RPM); /* Debian's library is for any of them */
    found->items = calloc(listing->count + 1, sizeof *found->items);
    if (!found->items)
        return -ENOMEM;
    for (size_t index = 0; index < listing->count; index++) {
        const struct listing_package *package = &listing->items[index];
        if (strcmp(package->name, name) != 0 || (strcmp(package->architecture, architecture) != 0 &&
                                                 strcmp(package->architecture, "noarch") != 0))
            continue;
        size_t place = found->count++;
        for (; place > 0; place--) {
            const size_t before = found->items[place - 1];
            if (compare(pool, package, &listing->items[before]) <= 0)
                break;
            found->items[place] = before;
        }
        found->items[place] = index;
    }
    return 0;
}

int listing_versions(const struct listing *listing, const char *name, const char *architecture,
                     struct strings *versions)
{
    auto_found struct found found = {.items = NULL};
    int result = find_named(listing, name, architecture, &found);
    for (size_t index = 0; index < found.count && result == 0; index++) {
        const char *version = listing->items[found.items[index]].version;
        if (!strings_contain(versions, version))
            result = strings_add(versions, version);
    }
    return result;
}

static int not_found(const struct listing *listing, const char *name, const char *architecture,
                     const char *version, struct error *error)
{
    auto_strings struct strings versions = STRINGS_INIT;
    int result = listing_versions(listing, name, architecture, &versions);
    if (result < 0)
        return error_system(error, result, "looking for %s", name);
    const struct missing_package missing = {
        .name = name, .architecture = architecture, .version = version, .where = "the listing"};
    return missing_package_error(&missing, &versions, error);
}

int listing_find(const struct listing *listing, const char *name, const char *architecture,
                 const char *version, const struct listing_package **package, struct error *error)
{
    auto_found struct found found = {.items = NULL};
    int result = find_named(listing, name, architecture, &found);
    if (result < 0)
        return error_system(error, result, "looking for %s", name);
    for (size_t index = 0; index < found.count; index++) {
        const struct listing_package *candidate = &listing->items[found.items[index]];
        if (version && strcmp(candidate->version, version) != 0)
            continue;
        *package = candidate;
        return 0;
    }
    return not_found(listing, name, architecture, version, error);
}

int listing_url(const char *directory, const struct listing_package *package, struct strings *urls)
{
    auto_text struct text url = TEXT_INIT;
    size_t length = strlen(directory);
    while (length > 0 && directory[length - 1] == '/')
        length--;
    int result = text_append(&url, directory, length);
    if (result == 0)
        result = text_append(&url, "/", 1);
    if (result == 0)
        result = repomd_escape_location(package->file, &url);
    return result == 0 ? strings_take(urls, text_steal(&url)) : result;
}
