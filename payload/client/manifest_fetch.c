/* Steps 1 to 5 of the verification sequence. Which catalog is mounted in the end is not decided
 * here. */
#include "payload/client/manifest_fetch.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "payload/base/file.h"
#include "payload/base/scope.h"
#include "payload/client/certificate.h"
#include "payload/client/log.h"
#include "payload/client/signed_text.h"
#include "payload/client/whitelist.h"

#define BODY_LIMIT (1 << 20)        /* bytes of a manifest or whitelist; real ones have hundreds */
#define CERTIFICATE_LIMIT (1 << 20) /* bytes */

/* Whether another server could do better. */
enum verdict {
    VERDICT_GOOD,
    VERDICT_FINAL,      /* all servers were asked already, or the trouble is not theirs */
    VERDICT_NEXT_SERVER /* what came does not fit together */
};

static int body_start(void *context)
{
    struct text *body = context;
    body->length = 0;
    return 0;
}

static int body_write(void *context, const void *bytes, size_t length)
{
    struct text *body = context;
    if (length > BODY_LIMIT - body->length)
        return 1; /* cannot be right */
    return text_append(body, bytes, length);
}

static int body_finish(void *context)
{
    (void)context; /* whether it is good shows when it is parsed */
    return 0;
}

/* `server` as in a request. */
static int download_body(const struct manifest_source *source, const char *path, struct text *body,
                         size_t *server, enum download_failure *failure, struct error *error)
{
    const struct download_request request = {
        .path = path,
        .server = server,
        .sink = {.start = body_start, .write = body_write, .finish = body_finish, .context = body},
    };
    *failure = DOWNLOAD_OK;
    return download(source->downloader, &request, failure, error);
}

static enum verdict get_manifest(const struct manifest_source *source, uint64_t timestamp,
                                 struct text *body, struct manifest *manifest, size_t *server,
                                 struct error *error)
{
    enum download_failure failure;
    if (download_body(source, "/.cvmfspublished", body, server, &failure, error) < 0) {
        log_message(LOG_ERR, "failed to download repository manifest (%d - %s)", (int)failure,
                    download_failure_text(failure));
        (void)error_prefix(error, "failed to download repository manifest");
        return VERDICT_FINAL;
    }
    if (manifest_parse(body->bytes, body->length, manifest, error) < 0) {
        log_message(LOG_ERR, "%s", error->message);
        return VERDICT_NEXT_SERVER;
    }
    if (strcmp(manifest->fqrn, source->fqrn) != 0) {
        (void)error_set(error, -EBADMSG, "repository name does not match (found %s, expected %s)",
                        manifest->fqrn, source->fqrn);
        log_message(LOG_ERR, "%s", error->message);
        return VERDICT_NEXT_SERVER;
    }
    if (manifest->timestamp < timestamp) {
        (void)error_set(error, -ESTALE,
                        "the repository manifest is older than what is known already (timestamp "
                        "%llu, known %llu)",
                        (unsigned long long)manifest->timestamp, (unsigned long long)timestamp);
        log_message(LOG_WARNING, "%s", error->message);
        return VERDICT_NEXT_SERVER;
    }
    return VERDICT_GOOD;
}

static int load_certificate(struct fetcher *fetcher, const struct object *object,
                            struct certificate **certificate, struct error *error)
{
    auto_fd int fd = fetch_object(fetcher, object, error);
    if (fd < 0)
        return fd;
    auto_text struct text pem = TEXT_INIT;
    int result = file_load_fd(fd, CERTIFICATE_LIMIT, &pem);
    if (result < 0)
        return error_system(error, result, "reading the certificate");
    result = certificate_parse(pem.bytes, pem.length, certificate);
    return result < 0 ? error_set(error, result, "the certificate is none") : 0;
}

static enum verdict get_certificate(const struct manifest_source *source,
                                    const struct manifest *manifest,
                                    struct certificate **certificate, struct error *error)
{
    if (hash_is_null(&manifest->certificate)) {
        (void)error_set(error, -EBADMSG, "the repository manifest names no certificate");
        return VERDICT_NEXT_SERVER;
    }
    const struct object object = {
        .hash = manifest->certificate,
        .suffix = 'X',
        .compressed = true,
        .alternative = manifest->alternative,
        .size = OBJECT_SIZE_UNKNOWN,
        .label = "certificate",
    };
    int result = load_certificate(source->fetcher, &object, certificate, error);
    if (result == -EBADMSG) { /* a copy damaged in the cache: from the server it would be whole */
        fetch_discard(source->fetcher, &manifest->certificate);
        result = load_certificate(source->fetcher, &object, certificate, error);
    }
    if (result == 0)
        return VERDICT_GOOD;
    log_message(LOG_ERR, "failed to load certificate: %s", error->message);
    (void)error_prefix(error, "failed to load certificate");
    /* It may be that no server has it because this manifest is not to be believed. */
    return result == -EIO || result == -EBADMSG ? VERDICT_NEXT_SERVER : VERDICT_FINAL;
}

static enum verdict check_signature(const struct text *body, const struct certificate *certificate,
                                    struct error *error)
{
    struct signed_text envelope;
    int result = 0;
    if (signed_text_split(body->bytes, body->length, &envelope) < 0)
        result = error_set(error, -EBADMSG, "it is not signed");
    else if (!signed_text_is_intact(&envelope))
        result = error_set(error, -EBADMSG, "it is not what its digest says");
    else if (certificate_check(certificate, envelope.digest_text, envelope.digest_length,
                               &envelope.signature) < 0)
        result = error_set(error, -EBADMSG, "it is not signed by its certificate");
    if (result == 0)
        return VERDICT_GOOD;
    log_message(LOG_ERR, "failed to verify repository manifest: %s", error->message);
    (void)error_prefix(error, "failed to verify repository manifest");
    return VERDICT_NEXT_SERVER;
}

static enum whitelist_failure check_whitelist(const struct manifest_source *source,
                                              const struct certificate *certificate,
                                              struct error *error)
{
    auto_text struct text body = TEXT_INIT;
    enum download_failure ignored;
    if (download_body(source, "/.cvmfswhitelist", &body, NULL, &ignored, error) < 0)
        return WHITELIST_DOWNLOAD;
    struct whitelist whitelist;
    enum whitelist_failure failure = whitelist_parse(body.bytes, body.length, &whitelist);
    if (failure == WHITELIST_GOOD)
        failure = whitelist_check(&whitelist, source->fqrn, time(NULL), source->keys, error);
    if (failure == WHITELIST_GOOD && blacklist_has_certificate(source->blacklist, certificate))
        failure = WHITELIST_BLACKLISTED;
    if (failure == WHITELIST_GOOD && !whitelist_lists(&whitelist, certificate))
        failure = WHITELIST_NOT_LISTED;
    return failure;
}

static enum verdict get_whitelist(const struct manifest_source *source,
                                  const struct certificate *certificate, struct error *error)
{
    struct error detail = ERROR_INIT;
    enum whitelist_failure failure = check_whitelist(source, certificate, &detail);
    if (failure == WHITELIST_GOOD)
        return VERDICT_GOOD;
    const char *text = whitelist_failure_text(failure);
    log_message(LOG_ERR, "whitelist verification failed (%d): %s", (int)failure, text);
    (void)error_set(error, detail.code ? detail.code : -EBADMSG,
                    "whitelist verification failed (%d): %s%s%s", (int)failure, text,
                    detail.code ? ": " : "", detail.message);
    return failure == WHITELIST_DOWNLOAD ? VERDICT_FINAL : VERDICT_NEXT_SERVER;
}

static void release_certificate(struct certificate **certificate)
{
    certificate_free(*certificate);
}

/* `*server` is the one that the manifest came from. */
static enum verdict try_server(const struct manifest_source *source, const struct hash *known,
                               uint64_t timestamp, struct manifest *manifest, size_t *server,
                               struct error *error)
{
    auto_text struct text body = TEXT_INIT;
    enum verdict verdict = get_manifest(source, timestamp, &body, manifest, server, error);
    if (verdict != VERDICT_GOOD)
        return verdict;
    if (!hash_is_null(known) && hash_equal(&manifest->catalog, known))
        return VERDICT_GOOD;
    __attribute__((cleanup(release_certificate))) struct certificate *certificate = NULL;
    verdict = get_certificate(source, manifest, &certificate, error);
    if (verdict == VERDICT_GOOD)
        verdict = check_signature(&body, certificate, error);
    if (verdict == VERDICT_GOOD)
        verdict = get_whitelist(source, certificate, error);
    return verdict;
}

int manifest_fetch(const struct manifest_source *source, const struct hash *known,
                   uint64_t timestamp, struct manifest *manifest, struct error *error)
{
    const size_t servers = downloader_server_count(source->downloader);
    struct error failure = ERROR_INIT;
    size_t server = 0;
    enum verdict verdict = try_server(source, known, timestamp, manifest, &server, &failure);
    for (size_t tried = 1; verdict == VERDICT_NEXT_SERVER && tried < servers; tried++) {
        downloader_skip_server(source->downloader, server, failure.message);
        verdict = try_server(source, known, timestamp, manifest, &server, &failure);
    }
    if (verdict == VERDICT_GOOD)
        return 0;
    return error_set(error, failure.code ? failure.code : -EIO, "%s", failure.message);
}
