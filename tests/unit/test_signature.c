/* payload/client/signature, certificate, master_keys: what is signed is accepted, nothing else. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "payload/base/file.h"
#include "payload/base/remove.h"
#include "payload/base/scope.h"
#include "payload/client/certificate.h"
#include "payload/client/master_keys.h"
#include "payload/client/signature.h"
#include "tests/unit/signing.h"
#include "tests/unit/tap.h"

#define TEXT "0123456789abcdef0123456789abcdef01234567-rmd160"

static EVP_PKEY *key, *other_key;

static void a_bare_signature_is_checked(void)
{
    auto_text struct text bytes = TEXT_INIT;
    (void)signing_sign(key, SIGN_WHITELIST, TEXT, &bytes);
    struct signature signature = {.bytes = bytes.bytes, .length = bytes.length};
    CHECK(signature_check_plain(key, TEXT, strlen(TEXT), &signature) == 0,
          "the signature of a text is accepted");
    CHECK(signature_check_plain(key, TEXT, strlen(TEXT) - 1, &signature) == -EBADMSG,
          "that of a longer text is not");
    CHECK(signature_check_plain(other_key, TEXT, strlen(TEXT), &signature) == -EBADMSG,
          "that of another key is not");
    CHECK(signature_check_sha1(key, TEXT, strlen(TEXT), &signature) == -EBADMSG,
          "it is no signature of the other kind");
    signature.length--;
    CHECK(signature_check_plain(key, TEXT, strlen(TEXT), &signature) == -EBADMSG,
          "a signature cut short is not accepted");
    signature.length = 0;
    CHECK(signature_check_plain(key, TEXT, strlen(TEXT), &signature) == -EBADMSG,
          "an empty one is not accepted");
    signature.length = bytes.length;
    bytes.bytes[100] = (char)(bytes.bytes[100] ^ 1);
    CHECK(signature_check_plain(key, TEXT, strlen(TEXT), &signature) == -EBADMSG,
          "one with a bit changed is not accepted");
}

static void a_sha1_signature_is_checked(void)
{
    auto_text struct text bytes = TEXT_INIT;
    (void)signing_sign(key, SIGN_MANIFEST, TEXT, &bytes);
    const struct signature signature = {.bytes = bytes.bytes, .length = bytes.length};
    CHECK(signature_check_sha1(key, TEXT, strlen(TEXT), &signature) == 0,
          "the signature of a text is accepted");
    CHECK(signature_check_sha1(key, "x", 1, &signature) == -EBADMSG, "that of another text is not");
    CHECK(signature_check_plain(key, TEXT, strlen(TEXT), &signature) == -EBADMSG,
          "it is no signature of the other kind");
}

static void a_key_of_another_kind_is_refused(void)
{
    EVP_PKEY *curve = EVP_EC_gen("P-256");
    char zeros[64] = "";
    const struct signature signature = {.bytes = zeros, .length = sizeof zeros};
    CHECK(signature_check_plain(curve, TEXT, strlen(TEXT), &signature) == -EBADMSG &&
              signature_check_sha1(curve, TEXT, strlen(TEXT), &signature) == -EBADMSG,
          "a key that is not RSA verifies nothing");
    EVP_PKEY_free(curve);
}

static void a_certificate_is_known_by_its_fingerprint(void)
{
    auto_text struct text pem = TEXT_INIT;
    auto_text struct text der = TEXT_INIT;
    auto_text struct text bytes = TEXT_INIT;
    struct certificate *certificate = NULL;
    (void)signing_certificate(key, &pem, &der);
    if (!CHECK(certificate_parse(pem.bytes, pem.length, &certificate) == 0,
               "a certificate is read, expired as it is"))
        return;
    for (int algorithm = HASH_SHA1; algorithm <= HASH_SHAKE128; algorithm++) {
        char line[128];
        struct hash fingerprint;
        signing_fingerprint(&der, algorithm, line);
        CHECK(fingerprint_parse(line, strlen(line), &fingerprint) == 0 &&
                  certificate_matches(certificate, &fingerprint),
              "its fingerprint matches: %s", line);
        (void)strcat(line, " # a comment");
        CHECK(fingerprint_parse(line, strlen(line), &fingerprint) == 0 &&
                  certificate_matches(certificate, &fingerprint),
              "with a comment, too");
        line[1] = line[1] == '0' ? '1' : '0';
        CHECK(fingerprint_parse(line, strlen(line), &fingerprint) == 0 &&
                  !certificate_matches(certificate, &fingerprint),
              "another one does not");
    }
    (void)signing_sign(key, SIGN_MANIFEST, TEXT, &bytes);
    const struct signature signature = {.bytes = bytes.bytes, .length = bytes.length};
    CHECK(certificate_check(certificate, TEXT, strlen(TEXT), &signature) == 0 &&
              certificate_check(certificate, "x", 1, &signature) == -EBADMSG,
          "its key checks signatures");
    certificate_free(certificate);
    CHECK(certificate_parse("garbage", 7, &certificate) == -EBADMSG &&
              certificate_parse(NULL, 0, &certificate) == -EBADMSG &&
              certificate_parse(pem.bytes, pem.length / 2, &certificate) == -EBADMSG,
          "what is no certificate is refused");
    struct hash fingerprint;
    CHECK(fingerprint_parse("", 0, &fingerprint) == -EINVAL &&
              fingerprint_parse("# x", 3, &fingerprint) == -EINVAL &&
              fingerprint_parse("AA:BB", 5, &fingerprint) == -EINVAL,
          "what is no fingerprint is refused");
}

static int load(const char *name, const char *value, struct master_keys *keys, struct error *error)
{
    auto_parameters struct parameters parameters = PARAMETERS_INIT;
    *keys = (struct master_keys)MASTER_KEYS_INIT;
    (void)parameters_set(&parameters, name, value, NULL);
    return master_keys_load(&parameters, keys, error);
}

static void master_keys_are_files(void)
{
    char place[] = "/tmp/test_signature.XXXXXX";
    if (!mkdtemp(place))
        return;
    auto_fd int directory = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    auto_text struct text first = TEXT_INIT;
    auto_text struct text second = TEXT_INIT;
    auto_text struct text bytes = TEXT_INIT;
    (void)signing_public_pem(other_key, &first);
    (void)signing_public_pem(key, &second);
    (void)signing_sign(key, SIGN_WHITELIST, TEXT, &bytes);
    const struct signature signature = {.bytes = bytes.bytes, .length = bytes.length};
    (void)file_replace(directory, "a.pub", first.bytes, first.length, 0644);
    (void)file_replace(directory, "b.pub", second.bytes, second.length, 0644);
    (void)file_replace(directory, "garbage", "garbage", 7, 0644);

    struct error error = ERROR_INIT;
    struct master_keys keys;
    char value[256];
    (void)snprintf(value, sizeof value, "%s/a.pub:%s/b.pub", place, place);
    CHECK(load("CVMFS_PUBLIC_KEY", value, &keys, &error) == 0 &&
              master_keys_check(&keys, TEXT, strlen(TEXT), &signature) == 0,
          "one of several keys is enough");
    CHECK(keys.pem.length == first.length + second.length, "their PEM text is kept");
    master_keys_free(&keys);
    (void)snprintf(value, sizeof value, "%s/a.pub", place);
    CHECK(load("CVMFS_PUBLIC_KEY", value, &keys, &error) == 0 &&
              master_keys_check(&keys, TEXT, strlen(TEXT), &signature) == -EBADMSG,
          "a wrong key alone is not");
    master_keys_free(&keys);
    CHECK(load("CVMFS_KEYS_DIR", place, &keys, &error) == 0 &&
              keys.pem.length == first.length + second.length &&
              master_keys_check(&keys, TEXT, strlen(TEXT), &signature) == 0,
          "a directory gives all of its .pub files");
    master_keys_free(&keys);
    CHECK(load("CVMFS_PUBLIC_KEY", "", &keys, &error) == 0 &&
              master_keys_check(&keys, TEXT, strlen(TEXT), &signature) == -EBADMSG,
          "without keys nothing is accepted");
    master_keys_free(&keys);
    (void)snprintf(value, sizeof value, "%s/a.pub:%s/missing.pub", place, place);
    CHECK(load("CVMFS_PUBLIC_KEY", value, &keys, &error) == -ENOENT &&
              strstr(error.message, "missing.pub"),
          "a missing key file is a failure: %s", error.message);
    master_keys_free(&keys);
    (void)snprintf(value, sizeof value, "%s/garbage", place);
    CHECK(load("CVMFS_PUBLIC_KEY", value, &keys, &error) == -EINVAL,
          "a file without a key is a failure: %s", error.message);
    master_keys_free(&keys);
    CHECK(load("CVMFS_KEYS_DIR", "/nowhere/at/all", &keys, &error) == 0,
          "a missing directory is none");
    master_keys_free(&keys);
    (void)directory_remove(AT_FDCWD, place);
}

int main(void)
{
    key = signing_key();
    other_key = signing_key();
    a_bare_signature_is_checked();
    a_sha1_signature_is_checked();
    a_key_of_another_kind_is_refused();
    a_certificate_is_known_by_its_fingerprint();
    master_keys_are_files();
    EVP_PKEY_free(key);
    EVP_PKEY_free(other_key);
    return tap_done();
}
