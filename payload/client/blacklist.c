/* Reading blacklists; every line that is neither a fingerprint nor "<fqrn revision" is passed
 * over. */
#include "payload/client/blacklist.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "payload/base/file.h"
#include "payload/client/number.h"
#include "payload/client/signed_text.h"

#define BLACKLIST_LIMIT (16 << 20) /* bytes */

int blacklist_load(struct blacklist *blacklist, const char *path)
{
    int result = file_load(AT_FDCWD, path, BLACKLIST_LIMIT, &blacklist->lines);
    if (result == -ENOENT || result == -ENOTDIR)
        return 0;
    return result < 0 ? result : text_append_string(&blacklist->lines, "\n");
}

void blacklist_free(struct blacklist *blacklist)
{
    text_free(&blacklist->lines);
}

bool blacklist_has_certificate(const struct blacklist *blacklist,
                               const struct certificate *certificate)
{
    const char *line;
    size_t length;
    size_t offset = 0;
    while (
        text_next_line(blacklist->lines.bytes, blacklist->lines.length, &offset, &line, &length)) {
        struct hash fingerprint;
        if (fingerprint_parse(line, length, &fingerprint) == 0 &&
            certificate_matches(certificate, &fingerprint))
            return true;
    }
    return false;
}

/* "<fqrn", blanks, and a number that ends the line. False for any other line. */
static bool read_revision(const char *line, size_t length, const char *fqrn, uint64_t *revision)
{
    const size_t name_length = strlen(fqrn);
    if (length < name_length + 2 || line[0] != '<' || memcmp(line + 1, fqrn, name_length) != 0)
        return false;
    size_t at = name_length + 1;
    if (line[at] != ' ' && line[at] != '\t')
        return false;
    while (at < length && (line[at] == ' ' || line[at] == '\t'))
        at++;
    return number_parse(line + at, length - at, revision) == 0;
}

uint64_t blacklist_lowest_revision(const struct blacklist *blacklist, const char *fqrn)
{
    uint64_t lowest = 0;
    const char *line;
    size_t length;
    size_t offset = 0;
    while (
        text_next_line(blacklist->lines.bytes, blacklist->lines.length, &offset, &line, &length)) {
        uint64_t revision;
        if (read_revision(line, length, fqrn, &revision) && revision > lowest)
            lowest = revision;
    }
    return lowest;
}
