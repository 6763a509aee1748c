/* One request through libcurl. What it may do: write to the partial file, and say how it went. It
 * neither verifies checksums nor tries again. */
#include "packer/download_attempt.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "payload/base/file.h"
#include "payload/base/scope.h"

#define REDIRECTS_MAX 8L
#define HEADERS_MAX (256 * 1024) /* of all answers of an attempt */
#define DISCARD_MAX (64 * 1024)  /* of an error page, to keep the connection */
#define LIMIT_DEFAULT UINT64_C(2000000000)

static bool is_https(const char *url)
{
    return strncasecmp(url, "https:", 6) == 0;
}

static bool is_file(const char *url)
{
    return strncasecmp(url, "file:", 5) == 0;
}

void download_host(const char *url, const char **host, size_t *length)
{
    const char *begin = strstr(url, "://");
    begin = begin ? begin + 3 : url;
    size_t end = strcspn(begin, "/?#");
    for (size_t index = end; index > 0; index--) {
        if (begin[index - 1] != '@')
            continue;
        begin += index;
        end -= index;
        break;
    }
    *host = begin;
    *length = end;
}

/* The URL without user and password, which have no place in messages and files. */
static int append_public_url(const char *url, struct text *text)
{
    const char *host = NULL;
    size_t length = 0;
    download_host(url, &host, &length);
    const char *scheme_end = strstr(url, "://");
    const size_t scheme = scheme_end ? (size_t)(scheme_end - url) + 3 : 0;
    int result = text_append(text, url, scheme);
    return result < 0 ? result : text_append_string(text, host);
}

/* Ends the transfer from within a callback: the value is what libcurl takes for a failure. */
static size_t stop(struct download_attempt *attempt, enum download_verdict verdict)
{
    attempt->verdict = verdict;
    return 0;
}

static uint64_t limit_of(const struct download *wanted)
{
    if (wanted->size > 0)
        return wanted->size;
    return wanted->limit > 0 ? wanted->limit : LIMIT_DEFAULT;
}

/* Empties the partial file, for an answer that begins at its beginning. */
static int start_again(struct download_attempt *attempt)
{
    attempt->offset = 0;
    attempt->length = 0;
    if (ftruncate(attempt->partial, 0) == 0)
        return 0;
    return error_system(&attempt->error, -errno, "emptying %s", attempt->partial_name);
}

/* Reads "bytes FIRST-LAST/TOTAL" or "bytes FIRST-LAST/" with an asterisk behind it. */
static bool parse_range(const char *range, uint64_t *first, uint64_t *total)
{
    uint64_t last = 0;
    char slash = '\0';
    *total = 0;
    const int fields =
        sscanf(range, "bytes %" SCNu64 "-%" SCNu64 "%c%" SCNu64, first, &last, &slash, total);
    return fields >= 3 && slash == '/' && last >= *first;
}

static void keep_validators(struct download_attempt *attempt)
{
    struct download_origin *origin = attempt->origin;
    download_origin_free(origin);
    /* Without its URL the validators are of no use: nothing is lost but a resumption. */
    if (text_append_string(&origin->url, attempt->url.bytes) < 0)
        return;
    memcpy(origin->etag, attempt->etag, sizeof origin->etag);
    memcpy(origin->modified, attempt->modified, sizeof origin->modified);
}

/* The length that an answer, which begins at `offset`, announces for the whole file; 0: it does
 * not. */
static uint64_t announced_total(struct download_attempt *attempt, uint64_t offset,
                                uint64_t range_total)
{
    curl_off_t length = -1;
    (void)curl_easy_getinfo(attempt->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    if (range_total > 0 || length <= 0)
        return range_total;
    return offset + (uint64_t)length;
}

/* Looks at the status and the headers of the final answer, before its body. False when the
 * transfer has to end. */
static bool judge(struct download_attempt *attempt)
{
    const struct download *wanted = attempt->wanted;
    long status = 0;
    (void)curl_easy_getinfo(attempt->curl, CURLINFO_RESPONSE_CODE, &status);
    attempt->judged = true;
    attempt->wanted_body = status == 0 || status == 200 || status == 206; /* 0: of file:// */
    if (!attempt->wanted_body)
        return true;
    uint64_t first = 0, range_total = 0;
    if (status == 206 &&
        (!parse_range(attempt->range, &first, &range_total) || first != attempt->offset)) {
        (void)error_set(&attempt->error, -EBADMSG, "it sent another part than was asked for");
        return stop(attempt, attempt->offset > 0 ? DOWNLOAD_RESTART : DOWNLOAD_REFUSED);
    }
    attempt->total = announced_total(attempt, status == 206 ? attempt->offset : 0, range_total);
    if (wanted->size > 0 && attempt->total > 0 && attempt->total != wanted->size) {
        (void)error_set(&attempt->error, -EBADMSG, "it has %" PRIu64 " bytes instead of %" PRIu64,
                        attempt->total, wanted->size);
        return stop(attempt, DOWNLOAD_REFUSED);
    }
    if (attempt->total > limit_of(wanted)) {
        (void)error_set(&attempt->error, -EFBIG,
                        "it has %" PRIu64 " bytes, more than the limit of %" PRIu64, attempt->total,
                        limit_of(wanted));
        return stop(attempt, DOWNLOAD_REFUSED);
    }
    if (status != 206 && start_again(attempt) < 0)
        return stop(attempt, DOWNLOAD_LOCAL);
    keep_validators(attempt);
    return true;
}

static size_t take_body(char *bytes, size_t size, size_t count, void *context)
{
    struct download_attempt *attempt = context;
    const size_t length = size * count;
    if (!attempt->judged && !judge(attempt))
        return 0;
    if (!attempt->wanted_body) {
        attempt->discarded += length;
        return attempt->discarded <= DISCARD_MAX ? length : 0;
    }
    if (length > limit_of(attempt->wanted) - attempt->length) {
        const bool known = attempt->wanted->size > 0;
        (void)error_set(&attempt->error, known ? -EBADMSG : -EFBIG,
                        "it sends more than %s %" PRIu64 " bytes", known ? "the" : "the limit of",
                        limit_of(attempt->wanted));
        /* In a continued file it may be the part from before that is too long. */
        return stop(attempt, attempt->offset > 0 ? DOWNLOAD_RESTART : DOWNLOAD_REFUSED);
    }
    for (size_t done = 0; done < length;) {
        const ssize_t written =
            pwrite(attempt->partial, bytes + done, length - done, (off_t)(attempt->length + done));
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0) {
            (void)error_system(&attempt->error, written < 0 ? -errno : -EIO, "writing %s",
                               attempt->partial_name);
            return stop(attempt, DOWNLOAD_LOCAL);
        }
        done += (size_t)written;
    }
    attempt->length += length;
    return length;
}

/* Copies the value of a header when the line is of that name and the value fits. */
static void take_header(const char *line, size_t length, const char *name, char *value, size_t room)
{
    const size_t name_length = strlen(name);
    if (length <= name_length || strncasecmp(line, name, name_length) != 0 ||
        line[name_length] != ':')
        return;
    const char *begin = line + name_length + 1;
    const char *end = line + length;
    while (begin < end && (*begin == ' ' || *begin == '\t'))
        begin++;
    while (end > begin && (unsigned char)end[-1] <= ' ')
        end--;
    value[0] = '\0';
    if ((size_t)(end - begin) >= room)
        return;
    for (const char *at = begin; at < end; at++)
        if ((unsigned char)*at < ' ')
            return;
    memcpy(value, begin, (size_t)(end - begin));
    value[end - begin] = '\0';
}

static size_t take_headers(char *line, size_t size, size_t count, void *context)
{
    struct download_attempt *attempt = context;
    const size_t length = size * count;
    attempt->header_bytes += length;
    if (attempt->header_bytes > HEADERS_MAX) {
        (void)error_set(&attempt->error, -EBADMSG, "it sends headers without end");
        return stop(attempt, DOWNLOAD_REFUSED);
    }
    if (length >= 5 && memcmp(line, "HTTP/", 5) == 0) { /* those before were of a redirect */
        attempt->etag[0] = attempt->modified[0] = attempt->range[0] = '\0';
        return length;
    }
    take_header(line, length, "ETag", attempt->etag, sizeof attempt->etag);
    take_header(line, length, "Last-Modified", attempt->modified, sizeof attempt->modified);
    take_header(line, length, "Content-Range", attempt->range, sizeof attempt->range);
    return length;
}

static int add_request_header(struct download_attempt *attempt, const char *name, const char *value)
{
    if (!value[0])
        return 0;
    auto_text struct text line = TEXT_INIT;
    if (text_printf(&line, "%s: %s", name, value) < 0)
        return -ENOMEM;
    struct curl_slist *longer = curl_slist_append(attempt->request_headers, line.bytes);
    if (!longer)
        return -ENOMEM;
    attempt->request_headers = longer;
    return 0;
}

static bool is_from(const struct download_origin *origin, const struct download_attempt *attempt)
{
    return origin->url.bytes && strcmp(origin->url.bytes, attempt->url.bytes) == 0;
}

/* A weak ETag says that two versions mean the same, not that their bytes can be joined
 * (RFC 9110, 13.1.5). */
static const char *joining_validator(const struct download_origin *origin)
{
    return origin->etag[0] == '"' ? origin->etag : origin->modified;
}

static int set_conditions(struct download_attempt *attempt,
                          const struct download_question *question)
{
    int result = 0;
    if (question->cached && is_from(question->cached, attempt)) {
        result = add_request_header(attempt, "If-None-Match", question->cached->etag);
        if (result == 0 && !question->cached->etag[0])
            result = add_request_header(attempt, "If-Modified-Since", question->cached->modified);
    }
    if (result == 0 && attempt->offset > 0 && is_from(attempt->origin, attempt))
        result = add_request_header(attempt, "If-Range", joining_validator(attempt->origin));
    return result;
}

/* Without a checksum, bytes of two answers are joined only when the server vouches for it. */
static uint64_t resumable(const struct download_attempt *attempt,
                          const struct download_question *question)
{
    if (is_file(question->url))
        return 0;
    if (checksum_known(question->wanted->checksum))
        return question->resume;
    return is_from(question->origin, attempt) && joining_validator(question->origin)[0]
               ? question->resume
               : 0;
}

/* An https URL of a file whose content nothing else vouches for stays with https. */
static const char *redirect_protocols(const struct download_question *question)
{
    return is_https(question->url) && !checksum_known(question->wanted->checksum) ? "https"
                                                                                  : "http,https";
}

static CURLcode configure(struct download_attempt *attempt,
                          const struct download_settings *settings,
                          const struct download_question *question)
{
    CURL *curl = attempt->curl;
    CURLcode failed = curl_easy_setopt(curl, CURLOPT_URL, question->url);
#define SET(option, value) failed = failed ? failed : curl_easy_setopt(curl, option, value)
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_ERRORBUFFER, attempt->words);
    SET(CURLOPT_PRIVATE, attempt);
    SET(CURLOPT_USERAGENT, "makedist/" CVMFSEXEC_VERSION);
    SET(CURLOPT_PROTOCOLS_STR, "http,https,file");
    SET(CURLOPT_REDIR_PROTOCOLS_STR, redirect_protocols(question));
    SET(CURLOPT_FOLLOWLOCATION, 1L);
    SET(CURLOPT_MAXREDIRS, REDIRECTS_MAX);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)settings->connect_timeout);
    SET(CURLOPT_LOW_SPEED_LIMIT, (long)settings->low_speed_limit);
    SET(CURLOPT_LOW_SPEED_TIME, (long)settings->low_speed_time);
    SET(CURLOPT_HTTPHEADER, attempt->request_headers);
    SET(CURLOPT_HEADERFUNCTION, take_headers);
    SET(CURLOPT_HEADERDATA, attempt);
    SET(CURLOPT_WRITEFUNCTION, take_body);
    SET(CURLOPT_WRITEDATA, attempt);
    if (settings->ca_bundle)
        SET(CURLOPT_CAINFO, settings->ca_bundle);
    if (attempt->offset > 0) {
        char range[32];
        (void)snprintf(range, sizeof range, "%" PRIu64 "-", attempt->offset);
        SET(CURLOPT_RANGE, range);
    }
#undef SET
    return failed;
}

int download_attempt_begin(struct download_attempt *attempt,
                           const struct download_settings *settings,
                           const struct download_question *question)
{
    *attempt = (struct download_attempt){
        .partial = question->partial,
        .partial_name = question->partial_name,
        .wanted = question->wanted,
        .origin = question->origin,
        .verdict = DOWNLOAD_WHOLE,
        .error = ERROR_INIT,
    };
    int result = append_public_url(question->url, &attempt->url);
    if (result < 0)
        return result;
    attempt->offset = resumable(attempt, question);
    attempt->length = attempt->offset;
    attempt->curl = curl_easy_init();
    if (!attempt->curl || set_conditions(attempt, question) < 0)
        return -ENOMEM;
    const CURLcode code = configure(attempt, settings, question);
    return code == CURLE_OK ? 0 : code == CURLE_OUT_OF_MEMORY ? -ENOMEM : -EINVAL;
}

/* What a status without a body for us means. */
static enum download_verdict judge_status(const struct download_attempt *attempt, long status,
                                          struct error *error)
{
    const bool is_missing = status == 403 || status == 404 || status == 410;
    (void)error_set(error, is_missing ? -ENOENT : -EIO, "status %ld", status);
    if (status == 416 && attempt->offset > 0)
        return DOWNLOAD_RESTART; /* what is there in part is longer than what the server has */
    return status == 408 || status == 425 || status == 429 || status >= 500 ? DOWNLOAD_AGAIN
                                                                            : DOWNLOAD_REFUSED;
}

static enum download_verdict judge_failure(const struct download_attempt *attempt, CURLcode code,
                                           struct error *error)
{
    (void)error_set(error, -EIO, "%s",
                    attempt->words[0] ? attempt->words : curl_easy_strerror(code));
    /* The other codes, over a hundred, are what the default says. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wswitch-enum"
    switch (code) {
    case CURLE_FILE_COULDNT_READ_FILE:
    case CURLE_READ_ERROR: /* a directory */
        error->code = -ENOENT;
        return DOWNLOAD_REFUSED;
    case CURLE_TOO_MANY_REDIRECTS:
        (void)error_set(error, -EIO, "more than %ld redirects", REDIRECTS_MAX);
        return DOWNLOAD_REFUSED;
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
        return DOWNLOAD_REFUSED;
    case CURLE_OUT_OF_MEMORY:
        error->code = -ENOMEM;
        return DOWNLOAD_LOCAL;
    default:
        return DOWNLOAD_AGAIN;
    }
#pragma GCC diagnostic pop
}

/* An answer that ended well; it may have had no body, and so not been looked at yet. */
static enum download_verdict judge_end(struct download_attempt *attempt, long status,
                                       struct error *error)
{
    if (status == 304)
        return DOWNLOAD_UNCHANGED;
    if (!attempt->judged && !judge(attempt)) {
        *error = attempt->error;
        return attempt->verdict;
    }
    if (!attempt->wanted_body)
        return judge_status(attempt, status, error);
    const uint64_t size = attempt->wanted->size;
    if (size == 0 || attempt->length == size)
        return DOWNLOAD_WHOLE;
    (void)error_set(error, -EBADMSG, "it has %" PRIu64 " bytes instead of %" PRIu64,
                    attempt->length, size);
    return attempt->offset > 0 ? DOWNLOAD_RESTART : DOWNLOAD_REFUSED;
}

enum download_verdict download_attempt_end(struct download_attempt *attempt, CURLcode code,
                                           int64_t *retry_after, struct error *error)
{
    enum download_verdict verdict = DOWNLOAD_LOCAL;
    long status = 0;
    curl_off_t seconds = 0;
    (void)curl_easy_getinfo(attempt->curl, CURLINFO_RESPONSE_CODE, &status);
    (void)curl_easy_getinfo(attempt->curl, CURLINFO_RETRY_AFTER, &seconds);
    *retry_after = seconds > 0 ? seconds : 0;
    if (attempt->verdict != DOWNLOAD_WHOLE) {
        verdict = attempt->verdict;
        *error = attempt->error;
    } else if (code == CURLE_OK) {
        verdict = judge_end(attempt, status, error);
    } else if (attempt->judged && !attempt->wanted_body) {
        verdict = judge_status(attempt, status, error); /* an error page too long to read */
    } else {
        verdict = judge_failure(attempt, code, error);
    }
    if (verdict != DOWNLOAD_WHOLE && verdict != DOWNLOAD_UNCHANGED && verdict != DOWNLOAD_LOCAL)
        (void)error_prefix(error, "%s", attempt->url.bytes);
    return verdict;
}

void download_attempt_close(struct download_attempt *attempt)
{
    curl_easy_cleanup(attempt->curl);
    curl_slist_free_all(attempt->request_headers);
    text_free(&attempt->url);
    attempt->curl = NULL;
    attempt->request_headers = NULL;
}
