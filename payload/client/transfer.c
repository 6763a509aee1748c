/* Transfers by libcurl. This file is all of libcvmfsexec-transfer.so; see transfer.h for why.
 *
 * The calling thread does the work itself (curl_easy_perform): no thread of its own, no event loop
 * shared by several transfers. It knows nothing of retries, proxy groups or hashes. */
#include "payload/client/transfer.h"

#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REDIRECTS_MAX 4L
/* The body of an error page is read and thrown away, so that the connection stays usable; one that
 * is longer than this costs more than a new connection. */
#define DISCARD_MAX (64 * 1024)
#define BUFFER_SIZE (64L * 1024)

struct transfer_connection {
    CURL *curl;
    struct curl_slist *headers; /* of every request */
    char *proxy; /* what the handle is set to, to leave it alone when it is the same */
    char words[CURL_ERROR_SIZE];
    const struct transfer_request *request; /* the one under way */
    struct transfer_result *result;
};

static size_t take_body(char *bytes, size_t size, size_t count, void *context)
{
    struct transfer_connection *connection = context;
    struct transfer_result *result = connection->result;
    size_t length = size * count;
    if (result->received == 0) {
        long status = 0;
        (void)curl_easy_getinfo(connection->curl, CURLINFO_RESPONSE_CODE, &status);
        result->status = (int)status; /* 0 for a file */
    }
    result->received += length;
    if (result->status != 0 && (result->status < 200 || result->status > 299))
        return result->received <= DISCARD_MAX ? length : 0;
    result->refusal = connection->request->write(connection->request->context, bytes, length);
    return result->refusal == 0 ? length : 0;
}

static int look_for_cancellation(void *context, curl_off_t download_total, curl_off_t download_now,
                                 curl_off_t upload_total, curl_off_t upload_now)
{
    (void)download_total, (void)download_now, (void)upload_total, (void)upload_now;
    const struct transfer_connection *connection = context;
    const atomic_bool *cancelled = connection->request->cancelled;
    return cancelled && atomic_load_explicit(cancelled, memory_order_relaxed);
}

static pthread_once_t library_once = PTHREAD_ONCE_INIT;
static CURLcode library_result;

/* TLS costs nothing here: OpenSSL sets itself up at its first use. */
static void library_start(void)
{
    library_result = curl_global_init(CURL_GLOBAL_SSL);
}

static void connection_close(struct transfer_connection *connection)
{
    if (!connection)
        return;
    curl_easy_cleanup(connection->curl);
    curl_slist_free_all(connection->headers);
    free(connection->proxy);
    free(connection);
}

/* What is the same for every transfer of a connection; any failure is one of memory. */
static CURLcode connection_configure(struct transfer_connection *connection,
                                     const struct transfer_options *options)
{
    CURL *curl = connection->curl;
    CURLcode failed = CURLE_OK;
#define SET(option, value) failed = failed ? failed : curl_easy_setopt(curl, option, value)
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_ERRORBUFFER, connection->words);
    SET(CURLOPT_PROTOCOLS_STR, "http,https,file");
    SET(CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_MAXREDIRS, REDIRECTS_MAX);
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_SSL_ENABLE_ALPN, 0L);
    SET(CURLOPT_PATH_AS_IS, 1L);
    SET(CURLOPT_TCP_NODELAY, 1L);
    SET(CURLOPT_BUFFERSIZE, BUFFER_SIZE);
    SET(CURLOPT_PROXY, "");
    SET(CURLOPT_NOPROXY, "");
    SET(CURLOPT_USERAGENT, options->user_agent);
    SET(CURLOPT_HTTPHEADER, connection->headers);
    SET(CURLOPT_WRITEFUNCTION, take_body);
    SET(CURLOPT_WRITEDATA, connection);
    SET(CURLOPT_XFERINFOFUNCTION, look_for_cancellation);
    SET(CURLOPT_XFERINFODATA, connection);
    SET(CURLOPT_NOPROGRESS, 0L);
    if (options->ca_directory || options->ca_bundle) {
        SET(CURLOPT_CAPATH, options->ca_directory);
        SET(CURLOPT_CAINFO, options->ca_bundle);
    }
#undef SET
    return failed;
}

static int connection_open(const struct transfer_options *options,
                           struct transfer_connection **connection)
{
    (void)pthread_once(&library_once, library_start);
    struct transfer_connection *made = calloc(1, sizeof *made);
    if (library_result != CURLE_OK || !made) {
        free(made);
        return -ENOMEM;
    }
    made->curl = curl_easy_init();
    /* The second line takes out one that libcurl adds by itself for a proxy. */
    made->headers = curl_slist_append(NULL, "Connection: Keep-Alive");
    if (!made->curl || !made->headers || !curl_slist_append(made->headers, "Proxy-Connection:") ||
        connection_configure(made, options) != CURLE_OK) {
        connection_close(made);
        return -ENOMEM;
    }
    *connection = made;
    return 0;
}

static CURLcode set_proxy(struct transfer_connection *connection, const char *proxy)
{
    if (connection->proxy && strcmp(connection->proxy, proxy) == 0)
        return CURLE_OK;
    free(connection->proxy);
    connection->proxy = strdup(proxy);
    return curl_easy_setopt(connection->curl, CURLOPT_PROXY, proxy);
}

static CURLcode set_range(CURL *curl, uint64_t offset, uint64_t length)
{
    if (length == 0)
        return curl_easy_setopt(curl, CURLOPT_RANGE, NULL);
    char range[48];
    (void)snprintf(range, sizeof range, "%llu-%llu", (unsigned long long)offset,
                   (unsigned long long)(offset + length - 1));
    return curl_easy_setopt(curl, CURLOPT_RANGE, range);
}

/* The lines of every request and those of this one; `*headers` is the caller's. */
static CURLcode set_headers(const struct transfer_connection *connection,
                            const char *const *further, struct curl_slist **headers)
{
    for (const struct curl_slist *line = connection->headers; line; line = line->next) {
        struct curl_slist *longer = curl_slist_append(*headers, line->data);
        if (!longer)
            return CURLE_OUT_OF_MEMORY;
        *headers = longer;
    }
    for (; *further; further++) {
        struct curl_slist *longer = curl_slist_append(*headers, *further);
        if (!longer)
            return CURLE_OUT_OF_MEMORY;
        *headers = longer;
    }
    return curl_easy_setopt(connection->curl, CURLOPT_HTTPHEADER, *headers);
}

static CURLcode connection_set(struct transfer_connection *connection,
                               const struct transfer_request *request, struct curl_slist **headers)
{
    CURL *curl = connection->curl;
    CURLcode failed = curl_easy_setopt(curl, CURLOPT_URL, request->url);
#define SET(option, value) failed = failed ? failed : curl_easy_setopt(curl, option, value)
    SET(CURLOPT_CONNECTTIMEOUT, (long)request->connect_timeout);
    SET(CURLOPT_LOW_SPEED_LIMIT, (long)request->low_speed_limit);
    SET(CURLOPT_LOW_SPEED_TIME, (long)request->low_speed_window);
    SET(CURLOPT_FOLLOWLOCATION, request->follow_redirects ? 1L : 0L);
#undef SET
    failed = failed ? failed : set_proxy(connection, request->proxy ? request->proxy : "");
    failed = failed ? failed : set_range(curl, request->offset, request->length);
    if (!failed && request->headers && request->headers[0])
        failed = set_headers(connection, request->headers, headers);
    return failed;
}

/* A window that ended before there was a connection is one of connecting. */
static enum transfer_outcome classify_timeout(CURL *curl)
{
    curl_off_t connected = 0;
    (void)curl_easy_getinfo(curl, CURLINFO_CONNECT_TIME_T, &connected);
    return connected == 0 ? TRANSFER_NOT_CONNECTED : TRANSFER_SLOW;
}

static enum transfer_outcome classify(const struct transfer_connection *connection, CURLcode code)
{
    const struct transfer_result *result = connection->result;
    /* The other codes, over a hundred, are what the default says. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wswitch-enum"
    switch (code) {
    case CURLE_OK:
    case CURLE_TOO_MANY_REDIRECTS: /* the status is that of the last answer, a 3xx */
        return TRANSFER_ANSWERED;
    case CURLE_WRITE_ERROR:
        return result->refusal ? TRANSFER_REFUSED : TRANSFER_ANSWERED; /* a long error page */
    case CURLE_URL_MALFORMAT:
        return TRANSFER_BAD_URL;
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WEIRD_SERVER_REPLY:
        return TRANSFER_BAD_PROTOCOL;
    case CURLE_COULDNT_RESOLVE_PROXY:
        return TRANSFER_PROXY_UNRESOLVED;
    case CURLE_COULDNT_RESOLVE_HOST:
        return TRANSFER_HOST_UNRESOLVED;
    case CURLE_COULDNT_CONNECT:
    case CURLE_INTERFACE_FAILED:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_PROXY:
        return TRANSFER_NOT_CONNECTED;
    case CURLE_OPERATION_TIMEDOUT:
        return classify_timeout(connection->curl);
    case CURLE_PARTIAL_FILE:
    case CURLE_GOT_NOTHING:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
        return TRANSFER_SHORT;
    case CURLE_ABORTED_BY_CALLBACK:
        return TRANSFER_CANCELLED;
    default:
        return TRANSFER_FAILED;
    }
#pragma GCC diagnostic pop
}

/* A file has no status; it gets the one that a server in order would have sent for it. */
static void describe_file(struct transfer_result *result, CURLcode code)
{
    if (code == CURLE_FILE_COULDNT_READ_FILE || code == CURLE_READ_ERROR) {
        result->outcome = TRANSFER_ANSWERED;
        result->status = 404;
    } else if (code == CURLE_OK) {
        result->status = 200;
    }
}

static void connection_perform(struct transfer_connection *connection,
                               const struct transfer_request *request,
                               struct transfer_result *result)
{
    *result = (struct transfer_result){.outcome = TRANSFER_FAILED};
    connection->request = request;
    connection->result = result;
    connection->words[0] = '\0';
    struct curl_slist *headers = NULL;
    CURLcode code = connection_set(connection, request, &headers);
    if (code == CURLE_OK)
        code = curl_easy_perform(connection->curl);
    if (headers) {
        (void)curl_easy_setopt(connection->curl, CURLOPT_HTTPHEADER, connection->headers);
        curl_slist_free_all(headers);
    }
    long status = 0;
    (void)curl_easy_getinfo(connection->curl, CURLINFO_RESPONSE_CODE, &status);
    result->status = (int)status;
    result->outcome = classify(connection, code);
    if (strncmp(request->url, "file:", 5) == 0)
        describe_file(result, code);
    if (code != CURLE_OK)
        (void)snprintf(result->words, sizeof result->words, "%s",
                       connection->words[0] ? connection->words : curl_easy_strerror(code));
}

/* Redundant here, but what an exported object needs; transfer_load finds it by name. */
extern const struct transfer_operations cvmfsexec_transfer_operations;
const struct transfer_operations cvmfsexec_transfer_operations = {
    .abi = TRANSFER_ABI,
    .open = connection_open,
    .perform = connection_perform,
    .close = connection_close,
};
