/* payload/client/whitelist and blacklist: who may sign, and who may not in spite of it. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "payload/base/file.h"
#include "payload/base/scope.h"
#include "payload/client/blacklist.h"
#include "payload/client/whitelist.h"
#include "tests/unit/signing.h"
#include "tests/unit/tap.h"

#define FQRN "a.example.org"
#define DAY (24 * 60 * 60)

static EVP_PKEY *key, *other_key;
static struct master_keys keys;
static struct certificate *certificate;
static char fingerprint[80];

/* Parses and checks a whitelist of the given lines. */
static enum whitelist_failure check(EVP_PKEY *signer, const char *fqrn, long seconds,
                                    const char *lines, struct error *error)
{
    auto_text struct text text = TEXT_INIT;
    struct whitelist whitelist;
    if (!signing_whitelist(signer, fqrn, seconds, lines, &text))
        return WHITELIST_DOWNLOAD;
    enum whitelist_failure failure = whitelist_parse(text.bytes, text.length, &whitelist);
    if (failure == WHITELIST_GOOD)
        failure = whitelist_check(&whitelist, FQRN, time(NULL), &keys, error);
    if (failure == WHITELIST_GOOD && !whitelist_lists(&whitelist, certificate))
        failure = WHITELIST_NOT_LISTED;
    return failure;
}

static void a_good_whitelist_lists_the_certificate(void)
{
    char lines[512];
    struct error error = ERROR_INIT;
    (void)snprintf(lines, sizeof lines, "%s # the release manager\n", fingerprint);
    CHECK(check(key, FQRN, DAY, lines, &error) == WHITELIST_GOOD, "accepted: %s", error.message);
    (void)snprintf(lines, sizeof lines, "garbage\n\n00:11\n%s\n", fingerprint);
    CHECK(check(key, FQRN, DAY, lines, &error) == WHITELIST_GOOD,
          "lines that are no fingerprints are passed over");
    lines[strlen(lines) - 10] ^= 1;
    CHECK(check(key, FQRN, DAY, lines, &error) == WHITELIST_NOT_LISTED,
          "a certificate that is not listed is not accepted");
}

static void the_reasons_are_told_apart(void)
{
    char lines[512];
    struct error error = ERROR_INIT;
    (void)snprintf(lines, sizeof lines, "%s\n", fingerprint);
    CHECK(check(key, "b.example.org", DAY, lines, &error) == WHITELIST_NAME,
          "another repository's: %s", error.message);
    CHECK(check(key, "a.example.or", DAY, lines, &error) == WHITELIST_NAME &&
              check(key, "a.example.organ", DAY, lines, &error) == WHITELIST_NAME,
          "a part of the name is another name");
    CHECK(check(key, FQRN, -DAY, lines, &error) == WHITELIST_EXPIRED, "expired: %s", error.message);
    CHECK(check(other_key, FQRN, DAY, lines, &error) == WHITELIST_SIGNATURE, "another key: %s",
          error.message);
    (void)snprintf(lines, sizeof lines, "Vpkcs7\n%s\n", fingerprint);
    CHECK(check(key, FQRN, DAY, lines, &error) == WHITELIST_SIGNATURE, "PKCS#7: %s", error.message);
    (void)snprintf(lines, sizeof lines, "Wcachain\n%s\n", fingerprint);
    CHECK(check(key, FQRN, DAY, lines, &error) == WHITELIST_SIGNATURE, "CA chain: %s",
          error.message);
}

static void the_expiry_counts_in_hours(void)
{
    auto_text struct text text = TEXT_INIT;
    (void)text_printf(&text, "20200101000000\nE20261123221005\nN" FQRN "\n");
    (void)signing_seal(key, SIGN_WHITELIST, HASH_SHA1, &text);
    struct whitelist whitelist;
    struct error error = ERROR_INIT;
    (void)whitelist_parse(text.bytes, text.length, &whitelist);
    const int64_t hour = 1795471200; /* 2026-11-23 22:00:00 UTC */
    CHECK(whitelist_check(&whitelist, FQRN, hour - 1, &keys, &error) == WHITELIST_GOOD,
          "valid in the hour before that of the expiry");
    CHECK(whitelist_check(&whitelist, FQRN, hour, &keys, &error) == WHITELIST_EXPIRED &&
              strstr(error.message, "2026-11-23 22:10:05"),
          "not any more in the hour of the expiry: %s", error.message);
}

static void a_changed_whitelist_is_refused(void)
{
    auto_text struct text text = TEXT_INIT;
    char lines[128];
    (void)snprintf(lines, sizeof lines, "%s\n", fingerprint);
    (void)signing_whitelist(key, FQRN, DAY, lines, &text);
    size_t accepted = 0;
    for (size_t index = 0; index < text.length; index++) {
        struct whitelist whitelist;
        text.bytes[index] = (char)(text.bytes[index] ^ 4);
        accepted += whitelist_parse(text.bytes, text.length, &whitelist) == WHITELIST_GOOD &&
                    whitelist_check(&whitelist, FQRN, time(NULL), &keys, NULL) == WHITELIST_GOOD;
        text.bytes[index] = (char)(text.bytes[index] ^ 4);
    }
    CHECK(accepted == 0, "whichever of its %zu bytes is changed", text.length);
}

static void what_is_no_whitelist_is_refused(void)
{
    struct whitelist whitelist;
    CHECK(whitelist_parse("", 0, &whitelist) == WHITELIST_EMPTY, "an empty one");
    static const char *const bad[] = {
        "<html></html>\n",
        "20200101000000\nE20300101000000\nNa\n",
        "2020\nE20300101000000\nNa\n--\nHASH\nx",
        "20200101000000\nE2030010100000x\nNa\n--\nHASH\nx",
        "20200101000000\nE203001010000000\nNa\n--\nHASH\nx",
        "20200101000000\nNa\n--\nHASH\nx",
        "20200101000000\nE20300101000000\n--\nHASH\nx",
    };
    for (size_t index = 0; index < sizeof bad / sizeof bad[0]; index++) {
        char text[256];
        const char *hash = strstr(bad[index], "HASH");
        (void)snprintf(text, sizeof text, "%.*s%s%s", hash ? (int)(hash - bad[index]) : 200,
                       bad[index], hash ? "0123456789abcdef0123456789abcdef01234567" : "",
                       hash ? hash + 4 : "");
        CHECK(whitelist_parse(text, strlen(text), &whitelist) == WHITELIST_MALFORMED,
              "a malformed one (case %zu)", index);
    }
}

static void failures_have_the_official_numbers_and_words(void)
{
    CHECK(WHITELIST_EXPIRED == 5 &&
              strcmp(whitelist_failure_text(WHITELIST_EXPIRED), "expired whitelist") == 0 &&
              WHITELIST_SIGNATURE == 6 &&
              strcmp(whitelist_failure_text(WHITELIST_SIGNATURE), "invalid whitelist signature") ==
                  0 &&
              WHITELIST_NOT_LISTED == 13 &&
              strcmp(whitelist_failure_text(WHITELIST_NOT_LISTED),
                     "certificate not on whitelist") == 0 &&
              WHITELIST_BLACKLISTED == 14 &&
              strcmp(whitelist_failure_text(WHITELIST_BLACKLISTED), "blacklisted certificate") == 0,
          "those that operators know");
}

static void load_blacklist(const char *lines, struct blacklist *blacklist)
{
    char path[] = "/tmp/test_whitelist.XXXXXX";
    auto_fd int fd = mkstemp(path);
    *blacklist = (struct blacklist)BLACKLIST_INIT;
    CHECK(fd >= 0 && file_write_full(fd, lines, strlen(lines)) == 0 &&
              blacklist_load(blacklist, path) == 0,
          "a blacklist is read");
    (void)unlink(path);
}

static void a_blacklist_names_certificates(void)
{
    struct blacklist blacklist;
    load_blacklist("garbage\n00:11\n", &blacklist);
    CHECK(!blacklist_has_certificate(&blacklist, certificate), "one that it does not list");
    blacklist_free(&blacklist);
    char lines[256];
    (void)snprintf(lines, sizeof lines, "# bad people\n%s stolen", fingerprint);
    load_blacklist(lines, &blacklist);
    CHECK(blacklist_has_certificate(&blacklist, certificate), "one that it lists");
    CHECK(blacklist_load(&blacklist, "/nowhere/blacklist") == 0, "a missing file is none");
    blacklist_free(&blacklist);
}

static void a_blacklist_names_revisions(void)
{
    struct blacklist blacklist;
    load_blacklist("<" FQRN " 7\n<" FQRN " \t 12\n<" FQRN " 100 \n<" FQRN "x 200\n<" FQRN
                   "300\n< " FQRN " 400\n<" FQRN " 5x\n<b.example.org 9",
                   &blacklist);
    CHECK(blacklist_lowest_revision(&blacklist, FQRN) == 12,
          "the highest number of the lines that are in form counts");
    CHECK(blacklist_lowest_revision(&blacklist, "b.example.org") == 9,
          "the last line may lack its newline");
    CHECK(blacklist_lowest_revision(&blacklist, "c.example.org") == 0, "nothing is said of others");
    blacklist_free(&blacklist);
}

int main(void)
{
    auto_text struct text pem = TEXT_INIT;
    auto_text struct text der = TEXT_INIT;
    key = signing_key();
    other_key = signing_key();
    keys = (struct master_keys)MASTER_KEYS_INIT;
    (void)signing_public_pem(key, &keys.pem);
    (void)signing_certificate(other_key, &pem, &der);
    signing_fingerprint(&der, HASH_SHA1, fingerprint);
    if (!CHECK(certificate_parse(pem.bytes, pem.length, &certificate) == 0, "a certificate"))
        return tap_done();
    a_good_whitelist_lists_the_certificate();
    the_reasons_are_told_apart();
    the_expiry_counts_in_hours();
    a_changed_whitelist_is_refused();
    what_is_no_whitelist_is_refused();
    failures_have_the_official_numbers_and_words();
    a_blacklist_names_certificates();
    a_blacklist_names_revisions();
    certificate_free(certificate);
    master_keys_free(&keys);
    EVP_PKEY_free(key);
    EVP_PKEY_free(other_key);
    return tap_done();
}
