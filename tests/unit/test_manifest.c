/* payload/client/manifest and signed_text: the lines of .cvmfspublished and its envelope. */
#include <errno.h>
#include <stdlib.h>

#include "payload/client/manifest.h"
#include "payload/client/signed_text.h"
#include "tests/unit/signing.h"
#include "tests/unit/tap.h"

#define HEX "0123456789abcdef0123456789abcdef01234567"
#define ROOT "Rd41d8cd98f00b204e9800998ecf8427e\n"
#define REQUIRED "C" HEX "\n" ROOT "D240\nS8\n"

static int parse(const char *text, struct manifest *manifest, struct error *error)
{
    return manifest_parse(text, strlen(text), manifest, error);
}

static void a_manifest_is_read(void)
{
    struct manifest manifest;
    struct error error = ERROR_INIT;
    int result = parse("C" HEX "-rmd160\nB59392\n" ROOT
                       "D240\nS18446744073709551615\nGno\nAyes\nNsmall.example.org\nX" HEX "\nH" HEX
                       "-shake128\nT1795471810\nM" HEX "\nY" HEX "\nQ?\n--\nS7\n",
                       &manifest, &error);
    CHECK(result == 0, "a complete manifest is read: %s", error.message);
    CHECK(manifest.catalog.algorithm == HASH_RIPEMD160 && manifest.catalog_size == 59392 &&
              manifest.ttl == 240 && manifest.revision == UINT64_MAX && manifest.alternative &&
              strcmp(manifest.fqrn, "small.example.org") == 0 &&
              manifest.certificate.algorithm == HASH_SHA1 &&
              manifest.history.algorithm == HASH_SHAKE128 && manifest.timestamp == 1795471810 &&
              manifest.metainfo.algorithm == HASH_SHA1,
          "and every line of it, none behind the separator");
}

static void what_may_be_absent_is_empty(void)
{
    struct manifest manifest;
    CHECK(parse(REQUIRED, &manifest, NULL) == 0 && hash_is_null(&manifest.certificate) &&
              hash_is_null(&manifest.history) && manifest.fqrn[0] == '\0' &&
              manifest.timestamp == 0 && !manifest.alternative,
          "C, R, D and S are enough");
    CHECK(parse(REQUIRED "X0123\n", &manifest, NULL) == 0 && hash_is_null(&manifest.certificate),
          "a hash of an unknown length is an absent one");
    CHECK(parse(REQUIRED "S9\n", &manifest, NULL) == 0 && manifest.revision == 9,
          "a repeated line overwrites");
    CHECK(parse(REQUIRED "T5", &manifest, NULL) == 0 && manifest.timestamp == 5,
          "the last line may lack its newline");
}

static void what_cannot_be_is_refused(void)
{
    struct manifest manifest;
    struct error error = ERROR_INIT;
    static const char *const bad[] = {
        "",
        "<html>404</html>\n",
        ROOT "D240\nS8\n",
        "C" HEX "\nD240\nS8\n",
        "C" HEX "\n" ROOT "S8\n",
        "C" HEX "\n" ROOT "D240\n",
        "C" HEX "\n--\n" ROOT "D240\nS8\n",
        "C0123\n" ROOT "D240\nS8\n",
        REQUIRED "C0123\n",
        REQUIRED "Cx123456789abcdef0123456789abcdef01234567\n",
        REQUIRED "R00000000000000000000000000000000\n",
        REQUIRED "S\n",
        REQUIRED "S-1\n",
        REQUIRED "S 1\n",
        REQUIRED "S18446744073709551616\n",
        REQUIRED "Tnow\n",
    };
    for (size_t index = 0; index < sizeof bad / sizeof bad[0]; index++)
        CHECK(parse(bad[index], &manifest, &error) == -EINVAL, "refused: %s (case %zu)",
              error.message, index);
    char name[400] = REQUIRED "N";
    memset(name + strlen(name), 'n', 300);
    CHECK(parse(name, &manifest, NULL) == -EINVAL, "a name that is too long is refused");
    CHECK(manifest_parse(REQUIRED "Na\0b\n", sizeof REQUIRED + 4, &manifest, NULL) == -EINVAL,
          "a name with a NUL in it is refused");
}

static void the_envelope_is_taken_apart(void)
{
    auto_text struct text text = TEXT_INIT;
    struct hash digest;
    char hash[HASH_TEXT_SIZE];
    (void)hash_compute(HASH_SHAKE128, "Nx\nS1\n", 6, &digest);
    (void)text_printf(&text, "Nx\nS1\n--\n%s\nsig\nna--\nture", hash_format(&digest, hash));
    struct signed_text parts;
    CHECK(signed_text_split(text.bytes, text.length, &parts) == 0 && parts.body_length == 6 &&
              parts.digest_length == 49 && parts.signature.length == 13 &&
              memcmp(parts.signature.bytes, "sig\n", 4) == 0,
          "body, digest, and a signature with newlines in it");
    CHECK(signed_text_is_intact(&parts), "the digest is that of the body, with its last newline");
    text.bytes[1] = 'y';
    CHECK(!signed_text_is_intact(&parts), "and not that of a changed one");
    CHECK(signed_text_split("Nx\n", 3, &parts) == -EINVAL &&
              signed_text_split("Nx\n--\n", 6, &parts) == -EINVAL &&
              signed_text_split("Nx\n--\n" HEX, 46, &parts) == -EINVAL &&
              signed_text_split("Nx\n--\n" HEX "\n", 47, &parts) == -EINVAL &&
              signed_text_split("Nx\n--\n0123\nsignature", 20, &parts) == -EINVAL,
          "one with a part missing is refused");
}

int main(void)
{
    a_manifest_is_read();
    what_may_be_absent_is_empty();
    what_cannot_be_is_refused();
    the_envelope_is_taken_apart();
    return tap_done();
}
