/* The packed list of extended attributes that a catalog row carries (cvmfs-format.md 5.6). */
#ifndef CVMFSEXEC_CLIENT_XATTR_BLOB_H
#define CVMFSEXEC_CLIENT_XATTR_BLOB_H

#include <stddef.h>
#include <stdint.h>

/* One attribute, within the blob: nothing is terminated, `key` is 1 to 255 bytes long. */
struct xattr_record {
    const char *key;
    const char *value;
    uint8_t key_length;
    uint8_t value_length;
};

struct xattr_iterator {
    const uint8_t *next;
    size_t left; /* bytes */
    unsigned records;
};

/* Begins at the first record of a blob that stays where it is. A blob of no bytes has no records.
 * The whole of it is checked here. 0, or -EINVAL for a blob that has to count as "no attributes".
 */
int xattr_iterator_begin(struct xattr_iterator *iterator, const void *blob, size_t size);

/* 1 with the next record whose key a system call could name, 0 at the end. */
int xattr_iterator_next(struct xattr_iterator *iterator, struct xattr_record *record);

/* The record of one key. 0, -ENODATA where there is none, -EINVAL for a broken blob. */
int xattr_blob_find(const void *blob, size_t size, const char *key, size_t key_length,
                    struct xattr_record *record);

#endif
