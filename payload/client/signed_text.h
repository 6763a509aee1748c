/* The envelope that manifests and whitelists come in: text, a line "--", the digest of the text,
 * and the signature of that digest (cvmfs-format.md 2.2, 3.2). */
#ifndef CVMFSEXEC_CLIENT_SIGNED_TEXT_H
#define CVMFSEXEC_CLIENT_SIGNED_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "payload/client/hash.h"
#include "payload/client/signature.h"

/* Points into the bytes it was split from. */
struct signed_text {
    const char *body; /* with the newline before "--" */
    size_t body_length;
    const char *digest_text; /* what is signed; without its newline */
    size_t digest_length;
    struct hash digest;
    struct signature signature;
};

/* 0, or -EINVAL when a part is missing or the digest is none. Checks nothing else. */
int signed_text_split(const void *bytes, size_t length, struct signed_text *text);

/* True when the digest is that of the body. */
bool signed_text_is_intact(const struct signed_text *text);

/* The line of `text` that begins at *offset, without its newline; moves *offset behind it. False at
 * the end. */
bool text_next_line(const char *text, size_t length, size_t *offset, const char **line,
                    size_t *line_length);

#endif
