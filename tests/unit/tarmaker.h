/* Tar archives made by hand, good and bad ones, for the tests of what reads them. */
#ifndef CVMFSEXEC_TESTS_TARMAKER_H
#define CVMFSEXEC_TESTS_TARMAKER_H

#include <stdio.h>
#include <string.h>

#include "payload/base/text.h"
#include "stub/tar.h"

/* Offsets of fields in a header (POSIX.1-2017, pax(1)). */
enum {
    TAR_AT_MODE = 100,
    TAR_AT_SIZE = 124,
    TAR_AT_CHECKSUM = 148,
    TAR_AT_TYPE = 156,
    TAR_AT_TARGET = 157,
    TAR_AT_MAGIC = 257,
    TAR_AT_PREFIX = 345
};

static inline void tar_seal(char header[TAR_BLOCK])
{
    unsigned sum = 0;
    memset(header + TAR_AT_CHECKSUM, ' ', 8);
    for (size_t i = 0; i < TAR_BLOCK; i++)
        sum += (unsigned char)header[i];
    (void)snprintf(header + TAR_AT_CHECKSUM, 8, "%06o", sum & 0777777);
}

static inline void tar_header(char header[TAR_BLOCK], char type, const char *name, unsigned mode,
                              size_t size, const char *target)
{
    memset(header, 0, TAR_BLOCK);
    memcpy(header, name, strnlen(name, 100));
    (void)snprintf(header + TAR_AT_MODE, 8, "%07o", mode & 07777777);
    (void)snprintf(header + TAR_AT_SIZE, 12, "%011o", (unsigned)size);
    memcpy(header + TAR_AT_TARGET, target, strnlen(target, 100));
    memcpy(header + TAR_AT_MAGIC, "ustar\00000", 8);
    header[TAR_AT_TYPE] = type;
    tar_seal(header);
}

/* Appends bytes and zeros up to a whole block. */
static inline void tar_add_content(struct text *tar, const void *bytes, size_t size)
{
    static const char zeros[TAR_BLOCK];
    (void)text_append(tar, bytes, size);
    (void)text_append(tar, zeros, (TAR_BLOCK - size % TAR_BLOCK) % TAR_BLOCK);
}

static inline void tar_add(struct text *tar, char type, const char *name, unsigned mode,
                           const char *content, const char *target)
{
    char header[TAR_BLOCK];
    tar_header(header, type, name, mode, strlen(content), target);
    (void)text_append(tar, header, sizeof header);
    tar_add_content(tar, content, strlen(content));
}

/* A long name (type L) or target (K), as GNU tar puts them in front of an entry. */
static inline void tar_add_long(struct text *tar, char type, const char *name)
{
    char header[TAR_BLOCK];
    tar_header(header, type, "././@LongLink", 0, strlen(name) + 1, "");
    (void)text_append(tar, header, sizeof header);
    tar_add_content(tar, name, strlen(name) + 1);
}

static inline void tar_end(struct text *tar)
{
    static const char zeros[2 * TAR_BLOCK];
    (void)text_append(tar, zeros, sizeof zeros);
}

#endif
