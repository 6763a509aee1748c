/* Reading a manifest's lines. Whether to believe them is decided elsewhere. */
#include "payload/client/manifest.h"

#include <errno.h>
#include <string.h>

#include "payload/client/number.h"
#include "payload/client/signed_text.h"

/* MD5 of the empty path, which every root manifest names. */
#define ROOT_PATH_DIGEST "d41d8cd98f00b204e9800998ecf8427e"

struct reader {
    struct manifest *manifest;
    bool has_root_path, has_ttl, has_revision;
};

/* A hash of a length that belongs to no algorithm means "absent" (cvmfs-format.md 1.3). */
static int read_hash(const char *value, size_t length, struct hash *hash)
{
    if (length != 40 && length != 47 && length != 49) {
        *hash = (struct hash){.algorithm = HASH_NONE};
        return 0;
    }
    return hash_parse(value, length, hash);
}

static int read_name(const char *value, size_t length, char name[FQRN_SIZE])
{
    if (length >= FQRN_SIZE || memchr(value, '\0', length))
        return -EINVAL;
    memcpy(name, value, length);
    name[length] = '\0';
    return 0;
}

static int read_line(struct reader *reader, char key, const char *value, size_t length)
{
    struct manifest *manifest = reader->manifest;
    switch (key) {
    case 'A':
        manifest->alternative = length == 3 && memcmp(value, "yes", 3) == 0;
        return 0;
    case 'B':
        return number_parse(value, length, &manifest->catalog_size);
    case 'C':
        return read_hash(value, length, &manifest->catalog);
    case 'D':
        reader->has_ttl = true;
        return number_parse(value, length, &manifest->ttl);
    case 'H':
        return read_hash(value, length, &manifest->history);
    case 'M':
        return read_hash(value, length, &manifest->metainfo);
    case 'N':
        return read_name(value, length, manifest->fqrn);
    case 'R':
        reader->has_root_path = true;
        return length == strlen(ROOT_PATH_DIGEST) && memcmp(value, ROOT_PATH_DIGEST, length) == 0
                   ? 0
                   : -EINVAL;
    case 'S':
        reader->has_revision = true;
        return number_parse(value, length, &manifest->revision);
    case 'T':
        return number_parse(value, length, &manifest->timestamp);
    case 'X':
        return read_hash(value, length, &manifest->certificate);
    default:
        return 0; /* of no use to a client, or of a later version */
    }
}

int manifest_parse(const void *bytes, size_t length, struct manifest *manifest, struct error *error)
{
    memset(manifest, 0, sizeof *manifest);
    struct reader reader = {.manifest = manifest};
    const char *line;
    size_t line_length;
    size_t offset = 0;
    while (text_next_line(bytes, length, &offset, &line, &line_length)) {
        if (line_length == 2 && memcmp(line, "--", 2) == 0)
            break;
        if (line_length > 0 && read_line(&reader, line[0], line + 1, line_length - 1) < 0)
            return error_set(error, -EINVAL, "malformed repository manifest: bad line %c", line[0]);
    }
    if (hash_is_null(&manifest->catalog) || !reader.has_root_path || !reader.has_ttl ||
        !reader.has_revision)
        return error_set(error, -EINVAL,
                         "malformed repository manifest: line C, R, D or S is missing");
    return 0;
}
