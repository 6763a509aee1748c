/* Transfers in memory in place of libcurl: what each server and proxy answers, and who was asked.
 * To be included by one file of a test. */
#ifndef CVMFSEXEC_TESTS_FAKE_TRANSFER_H
#define CVMFSEXEC_TESTS_FAKE_TRANSFER_H

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "payload/base/text.h"
#include "payload/client/transfer.h"

#define FAKE_MOST 16

/* The first answer that fits a request and is not used up is given. */
struct fake_answer {
    const char *part;  /* of the URL; NULL fits every one */
    const char *proxy; /* its URL, "" for none; NULL fits every one */
    int times;         /* 0: any number */
    enum transfer_outcome outcome;
    int status;
    const void *body; /* of a 2xx answer */
    size_t length;
    int used;
};

static struct {
    pthread_mutex_t lock;
    struct fake_answer answers[FAKE_MOST];
    size_t count;
    struct text requests; /* "URL[ via PROXY][, HEADER]...\n" each */
    int open;             /* connections */
    int opened;
    void (*before)(const struct transfer_request *request); /* called in every transfer, or NULL */
} fake = {.lock = PTHREAD_MUTEX_INITIALIZER};

static int fake_open(const struct transfer_options *options,
                     struct transfer_connection **connection)
{
    (void)options;
    *connection = malloc(1);
    (void)pthread_mutex_lock(&fake.lock);
    fake.open++;
    fake.opened++;
    (void)pthread_mutex_unlock(&fake.lock);
    return *connection ? 0 : -1;
}

static void fake_close(struct transfer_connection *connection)
{
    free(connection);
    fake.open--;
}

static const struct fake_answer *fake_find(const struct transfer_request *request)
{
    const char *proxy = request->proxy ? request->proxy : "";
    for (size_t index = 0; index < fake.count; index++) {
        struct fake_answer *answer = &fake.answers[index];
        if ((answer->part && !strstr(request->url, answer->part)) ||
            (answer->proxy && strcmp(answer->proxy, proxy) != 0) ||
            (answer->times && answer->used == answer->times))
            continue;
        answer->used++;
        return answer;
    }
    return NULL;
}

static void fake_note(const struct transfer_request *request)
{
    (void)text_printf(&fake.requests, "%s%s%s", request->url, request->proxy ? " via " : "",
                      request->proxy ? request->proxy : "");
    if (request->length)
        (void)text_printf(&fake.requests, " %llu+%llu", (unsigned long long)request->offset,
                          (unsigned long long)request->length);
    for (const char *const *header = request->headers; header && *header; header++)
        (void)text_printf(&fake.requests, ", %s", *header);
    (void)text_append_string(&fake.requests, "\n");
}

/* The body goes out in two pieces. */
static void fake_send(const struct transfer_request *request, const struct fake_answer *answer,
                      struct transfer_result *result)
{
    const char *body = answer->body;
    size_t sent = 0;
    while (result->refusal == 0 && sent < answer->length) {
        size_t piece = sent == 0 ? (answer->length + 1) / 2 : answer->length - sent;
        result->refusal = request->write(request->context, body + sent, piece);
        sent += piece;
    }
    result->received = sent;
    if (result->refusal != 0)
        result->outcome = TRANSFER_REFUSED;
}

static void fake_perform(struct transfer_connection *connection,
                         const struct transfer_request *request, struct transfer_result *result)
{
    (void)connection;
    *result = (struct transfer_result){.outcome = TRANSFER_NOT_CONNECTED};
    if (fake.before)
        fake.before(request);
    (void)pthread_mutex_lock(&fake.lock);
    fake_note(request);
    const struct fake_answer *answer = fake_find(request);
    (void)pthread_mutex_unlock(&fake.lock);
    if (!answer)
        return;
    result->outcome = answer->outcome;
    result->status = answer->status;
    if (answer->status >= 200 && answer->status <= 299)
        fake_send(request, answer, result);
}

static const struct transfer_operations fake_operations = {
    .abi = TRANSFER_ABI, .open = fake_open, .perform = fake_perform, .close = fake_close};

/* Nobody answers, nobody was asked. */
static inline void fake_reset(void)
{
    transfer_use(&fake_operations);
    fake.count = 0;
    fake.opened = 0;
    fake.before = NULL;
    text_free(&fake.requests);
}

static inline void fake_add(struct fake_answer answer)
{
    fake.answers[fake.count++] = answer;
}

#endif
