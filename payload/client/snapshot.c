/* From a tag or a date to a hash: manifest, tag database, row. */
#include "payload/client/snapshot.h"

#include <errno.h>

#include "payload/base/scope.h"
#include "payload/client/fetch.h"
#include "payload/client/history.h"
#include "payload/client/manifest.h"

static int search(struct history *history, const char *tag, const char *date, struct hash *catalog,
                  struct error *error)
{
    int result;
    if (tag) {
        result = history_find_tag(history, tag, catalog);
        if (result == -ENOENT)
            return error_set(error, result, "no such tag: %s", tag);
    } else {
        int64_t timestamp;
        if (history_parse_date(date, &timestamp) < 0)
            return error_set(error, -EINVAL, "invalid timestamp in CVMFS_REPOSITORY_DATE: %s",
                             date);
        result = history_find_date(history, timestamp, catalog);
        if (result == -ENOENT)
            return error_set(error, result, "no repository state as early as utc timestamp %s",
                             date);
    }
    return result < 0 ? error_system(error, result, "No history: reading the tag database") : 0;
}

static void release_history(struct history **history)
{
    history_close(*history);
}

int snapshot_find(const struct manifest_source *source, const char *tag, const char *date,
                  struct hash *catalog, struct error *error)
{
    const struct hash unknown = {.algorithm = HASH_NONE}; /* so everything is verified */
    struct manifest manifest;
    int result = manifest_fetch(source, &unknown, 0, &manifest, error);
    if (result < 0) {
        (void)error_prefix(error, "Failed to fetch manifest");
        return result;
    }
    if (hash_is_null(&manifest.history))
        return error_set(error, -ENOENT, "No history: the repository has no tags");
    const struct object object = {
        .hash = manifest.history,
        .suffix = 'H',
        .compressed = true,
        .size = OBJECT_SIZE_UNKNOWN,
        .label = "tag database",
    };
    for (int attempt = 0;; attempt++) {
        __attribute__((cleanup(release_history))) struct history *history = NULL;
        auto_fd int fd = fetch_object(source->fetcher, &object, error);
        result = fd < 0 ? fd : history_open(fd, &history, error);
        if (result == 0)
            return search(history, tag, date, catalog, error);
        if (fd < 0 || result != -EIO || attempt > 0)
            break;
        fetch_discard(source->fetcher, &manifest.history);
    }
    (void)error_prefix(error, "No history");
    return result;
}
