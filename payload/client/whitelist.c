/* Reading and checking a whitelist. Fetching it, and the blacklist, are others' work. */
#include "payload/client/whitelist.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "payload/client/number.h"

#define TIME_LENGTH 14 /* YYYYMMDDhhmmss */
#define HOUR_LENGTH 10 /* of it, what the expiry is compared by */

const char *whitelist_failure_text(enum whitelist_failure failure)
{
    switch (failure) {
    case WHITELIST_GOOD:
        return "OK";
    case WHITELIST_DOWNLOAD:
        return "failed to download whitelist";
    case WHITELIST_EMPTY:
        return "empty whitelist";
    case WHITELIST_MALFORMED:
        return "malformed whitelist";
    case WHITELIST_NAME:
        return "repository name mismatch on whitelist";
    case WHITELIST_EXPIRED:
        return "expired whitelist";
    case WHITELIST_SIGNATURE:
        return "invalid whitelist signature";
    case WHITELIST_NOT_LISTED:
        return "certificate not on whitelist";
    case WHITELIST_BLACKLISTED:
        return "blacklisted certificate";
    }
    return "unknown error";
}

struct lines {
    const char *text;
    size_t length;
    size_t offset;
};

/* The rest of the next line, when that has the right first letter and length (SIZE_MAX: any). Stays
 * where it is otherwise. A `letter` of 0 is none. */
static bool take_line(struct lines *lines, char letter, size_t wanted, const char **value,
                      size_t *length)
{
    size_t offset = lines->offset;
    if (!text_next_line(lines->text, lines->length, &offset, value, length))
        return false;
    if (letter) {
        if (*length == 0 || **value != letter)
            return false;
        (*value)++;
        (*length)--;
    }
    if (wanted != SIZE_MAX && *length != wanted)
        return false;
    lines->offset = offset;
    return true;
}

static bool take_word(struct lines *lines, const char *word)
{
    const char *value;
    size_t length;
    size_t before = lines->offset;
    if (take_line(lines, 0, strlen(word), &value, &length) && memcmp(value, word, length) == 0)
        return true;
    lines->offset = before;
    return false;
}

enum whitelist_failure whitelist_parse(const void *bytes, size_t length,
                                       struct whitelist *whitelist)
{
    if (length == 0)
        return WHITELIST_EMPTY;
    if (signed_text_split(bytes, length, &whitelist->envelope) < 0)
        return WHITELIST_MALFORMED;

    struct lines lines = {whitelist->envelope.body, whitelist->envelope.body_length, 0};
    const char *value;
    size_t value_length;
    if (!take_line(&lines, 0, TIME_LENGTH, &value, &value_length)) /* of creation: not used */
        return WHITELIST_MALFORMED;
    if (!take_line(&lines, 'E', TIME_LENGTH, &value, &value_length) ||
        number_length(value, value_length) != TIME_LENGTH)
        return WHITELIST_MALFORMED;
    memcpy(whitelist->expiry, value, TIME_LENGTH);
    whitelist->expiry[TIME_LENGTH] = '\0';
    if (!take_line(&lines, 'N', SIZE_MAX, &whitelist->fqrn, &whitelist->fqrn_length))
        return WHITELIST_MALFORMED;
    whitelist->pkcs7 = take_word(&lines, "Vpkcs7");
    whitelist->ca_chain = take_word(&lines, "Wcachain");
    whitelist->fingerprints = lines.text + lines.offset;
    whitelist->fingerprints_length = lines.length - lines.offset;
    return WHITELIST_GOOD;
}

/* Both are digits from the most significant on, so their order is that of the text. Valid only
 * while the hour of now is before the hour of the expiry (cvmfs-format.md 3.1). */
static bool has_expired(const struct whitelist *whitelist, int64_t now)
{
    const time_t seconds = now;
    struct tm utc;
    char text[32];
    if (!gmtime_r(&seconds, &utc) || strftime(text, sizeof text, "%Y%m%d%H", &utc) != HOUR_LENGTH)
        return true;
    return memcmp(text, whitelist->expiry, HOUR_LENGTH) >= 0;
}

enum whitelist_failure whitelist_check(const struct whitelist *whitelist, const char *fqrn,
                                       int64_t now, const struct master_keys *keys,
                                       struct error *error)
{
    const struct signed_text *envelope = &whitelist->envelope;
    if (whitelist->fqrn_length != strlen(fqrn) ||
        memcmp(whitelist->fqrn, fqrn, whitelist->fqrn_length) != 0) {
        (void)error_set(error, -EBADMSG, "the whitelist is for %.*s, not for %s",
                        whitelist->fqrn_length < 256 ? (int)whitelist->fqrn_length : 256,
                        whitelist->fqrn, fqrn);
        return WHITELIST_NAME;
    }
    if (has_expired(whitelist, now)) {
        const char *at = whitelist->expiry;
        (void)error_set(error, -EKEYEXPIRED,
                        "the whitelist expired on %.4s-%.2s-%.2s %.2s:%.2s:%.2s UTC", at, at + 4,
                        at + 6, at + 8, at + 10, at + 12);
        return WHITELIST_EXPIRED;
    }
    int result = 0;
    if (whitelist->pkcs7 || whitelist->ca_chain)
        result = error_set(error, -ENOTSUP,
                           "the whitelist asks for a verification by %s, which is not supported",
                           whitelist->pkcs7 ? "PKCS#7" : "certificate authorities");
    else if (!signed_text_is_intact(envelope))
        result = error_set(error, -EBADMSG, "the whitelist is not what its digest says");
    else if (!keys->pem.length)
        result = error_set(error, -ENOKEY,
                           "there is no public key to check the whitelist with "
                           "(CVMFS_PUBLIC_KEY, CVMFS_KEYS_DIR)");
    else if (master_keys_check(keys, envelope->digest_text, envelope->digest_length,
                               &envelope->signature) < 0)
        result =
            error_set(error, -EBADMSG, "the whitelist is not signed by any of the public keys");
    return result < 0 ? WHITELIST_SIGNATURE : WHITELIST_GOOD;
}

bool whitelist_lists(const struct whitelist *whitelist, const struct certificate *certificate)
{
    const char *line;
    size_t length;
    size_t offset = 0;
    while (text_next_line(whitelist->fingerprints, whitelist->fingerprints_length, &offset, &line,
                          &length)) {
        struct hash fingerprint;
        if (fingerprint_parse(line, length, &fingerprint) == 0 &&
            certificate_matches(certificate, &fingerprint))
            return true;
    }
    return false;
}
