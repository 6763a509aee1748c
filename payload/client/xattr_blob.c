/* Walks packed attribute lists. Knows no magic attributes and no permissions. */
#include "payload/client/xattr_blob.h"

#include <errno.h>
#include <string.h>

#define VERSION 1
#define HEADER_SIZE 2        /* version, number of records */
#define RECORD_HEADER_SIZE 2 /* length of the key, length of the value */

/* 1 with a record, 0 at the end, -EINVAL where it runs over the end or is of nothing. */
static int take_record(struct xattr_iterator *iterator, struct xattr_record *record)
{
    if (iterator->records == 0)
        return 0;
    if (iterator->left < RECORD_HEADER_SIZE)
        return -EINVAL;
    record->key_length = iterator->next[0];
    record->value_length = iterator->next[1];
    size_t length = RECORD_HEADER_SIZE + (size_t)record->key_length + record->value_length;
    if (length == RECORD_HEADER_SIZE || length > iterator->left)
        return -EINVAL;
    record->key = (const char *)iterator->next + RECORD_HEADER_SIZE;
    record->value = record->key + record->key_length;
    iterator->next += length;
    iterator->left -= length;
    iterator->records--;
    return 1;
}

/* No call could ask for an empty key, or for one with a NUL in it; a list would go wrong by it. */
static int is_askable(const struct xattr_record *record)
{
    return record->key_length > 0 && !memchr(record->key, '\0', record->key_length);
}

int xattr_iterator_begin(struct xattr_iterator *iterator, const void *blob, size_t size)
{
    const uint8_t *bytes = blob;
    *iterator = (struct xattr_iterator){.next = bytes, .left = 0, .records = 0};
    if (size == 0)
        return 0;
    if (size < HEADER_SIZE || bytes[0] != VERSION)
        return -EINVAL;
    struct xattr_iterator begun = {
        .next = bytes + HEADER_SIZE, .left = size - HEADER_SIZE, .records = bytes[1]};
    struct xattr_iterator check = begun;
    struct xattr_record record;
    int result = 0;
    while ((result = take_record(&check, &record)) > 0)
        continue;
    if (result < 0)
        return result;
    *iterator = begun;
    return 0;
}

int xattr_iterator_next(struct xattr_iterator *iterator, struct xattr_record *record)
{
    while (take_record(iterator, record) > 0)
        if (is_askable(record))
            return 1;
    return 0;
}

int xattr_blob_find(const void *blob, size_t size, const char *key, size_t key_length,
                    struct xattr_record *record)
{
    struct xattr_iterator iterator;
    int result = xattr_iterator_begin(&iterator, blob, size);
    if (result < 0)
        return result;
    struct xattr_record candidate;
    while (xattr_iterator_next(&iterator, &candidate)) {
        if (candidate.key_length != key_length || memcmp(candidate.key, key, key_length) != 0)
            continue;
        *record = candidate;
        return 0;
    }
    return -ENODATA;
}
