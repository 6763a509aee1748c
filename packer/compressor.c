/* A queue and threads. Every block is compressed by one thread alone with one set of parameters:
 * what comes out depends on the block, and not on who did it or when. zstd's own threads would cut
 * a block into jobs, and are left out for that. */
#include "packer/compressor.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <zstd.h>

#include "payload/base/scope.h"

enum {
    THREADS_LIMIT = 256,
    STEP = 1 << 18, /* bytes between two updates of the progress */
    PROGRESS_NANOSECONDS = 100000000,
    /* 2^27 bytes, the longest window `zstd -d` takes without --long: a whole frame in any case. */
    WINDOW_LOG = 27
};

struct block {
    uint8_t *content; /* NULL when it has been compressed */
    struct compressed compressed;
};

struct compressor {
    struct compressor_options options;
    pthread_mutex_t lock; /* over all below */
    pthread_cond_t work;  /* for the threads: there is a block, or the end */
    pthread_cond_t done;  /* for the caller: a block is done, or has failed */
    struct block *blocks;
    size_t count;
    size_t capacity;
    size_t next;     /* the first block no thread has */
    size_t finished; /* blocks */
    uint64_t content_done;
    bool closing;
    struct error error;
    pthread_t threads[THREADS_LIMIT];
    unsigned started;
};

static void add_progress(struct compressor *compressor, uint64_t bytes)
{
    (void)pthread_mutex_lock(&compressor->lock);
    compressor->content_done += bytes;
    (void)pthread_mutex_unlock(&compressor->lock);
}

/* Feeds the block in steps of fixed size; compressed->bytes has room for all of it. */
static size_t compress_steps(struct compressor *compressor, ZSTD_CCtx *context,
                             const uint8_t *content, struct compressed *compressed, size_t room)
{
    ZSTD_outBuffer output = {.dst = compressed->bytes, .size = room};
    size_t offset = 0;
    size_t result = ZSTD_CCtx_setPledgedSrcSize(context, compressed->content_size);
    while (!ZSTD_isError(result)) {
        size_t left = compressed->content_size - offset;
        size_t step = left < STEP ? left : STEP;
        ZSTD_inBuffer input = {.src = content + offset, .size = step};
        result = ZSTD_compressStream2(context, &output, &input,
                                      step == left ? ZSTD_e_end : ZSTD_e_continue);
        if (ZSTD_isError(result))
            break;
        offset += input.pos;
        add_progress(compressor, input.pos);
        if (step == left && input.pos == step && result == 0)
            break;
    }
    compressed->size = output.pos;
    return result;
}

static int compress_block(struct compressor *compressor, ZSTD_CCtx *context, const uint8_t *content,
                          struct compressed *compressed, struct error *error)
{
    size_t room = ZSTD_compressBound(compressed->content_size);
    compressed->bytes = malloc(room);
    if (!compressed->bytes)
        return error_system(error, -ENOMEM, "compressing");
    size_t result = compress_steps(compressor, context, content, compressed, room);
    (void)ZSTD_CCtx_reset(context, ZSTD_reset_session_only); /* cannot fail for a session */
    if (ZSTD_isError(result))
        return error_set(error, -EIO, "compressing: %s", ZSTD_getErrorName(result));
    uint8_t *exact = realloc(compressed->bytes, compressed->size);
    if (exact)
        compressed->bytes = exact;
    return 0;
}

static ZSTD_CCtx *open_context(const struct compressor_options *options)
{
    ZSTD_CCtx *context = ZSTD_createCCtx();
    if (!context)
        return NULL;
    if (ZSTD_isError(ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, options->level)) ||
        ZSTD_isError(ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, WINDOW_LOG)) ||
        ZSTD_isError(ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1)) ||
        ZSTD_isError(ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, 1))) {
        (void)ZSTD_freeCCtx(context);
        return NULL;
    }
    return context;
}

/* Called and returns with the lock held. */
static void take_block(struct compressor *compressor, ZSTD_CCtx *context, size_t index)
{
    struct error error = ERROR_INIT;
    auto_free uint8_t *content = steal_pointer(compressor->blocks[index].content);
    struct compressed compressed = compressor->blocks[index].compressed;
    (void)pthread_mutex_unlock(&compressor->lock);
    if (context)
        (void)compress_block(compressor, context, content, &compressed, &error);
    else
        (void)error_system(&error, -ENOMEM, "compressing");
    (void)pthread_mutex_lock(&compressor->lock);
    compressor->blocks[index].compressed = compressed;
    compressor->finished++;
    if (error.code < 0 && compressor->error.code == 0)
        compressor->error = error;
    (void)pthread_cond_signal(&compressor->done);
}

static void *thread_main(void *pointer)
{
    struct compressor *compressor = pointer;
    ZSTD_CCtx *context = open_context(&compressor->options);
    (void)pthread_mutex_lock(&compressor->lock);
    while (!compressor->closing) {
        if (compressor->next < compressor->count)
            take_block(compressor, context, compressor->next++);
        else
            (void)pthread_cond_wait(&compressor->work, &compressor->lock);
    }
    (void)pthread_mutex_unlock(&compressor->lock);
    (void)ZSTD_freeCCtx(context); /* NULL is fine */
    return NULL;
}

int compressor_open(struct compressor **compressor, const struct compressor_options *options,
                    struct error *error)
{
    if (options->level < ZSTD_minCLevel() || options->level > ZSTD_maxCLevel())
        return error_set(error, -EINVAL, "zstd has no level %d", options->level);
    struct compressor *opened = calloc(1, sizeof *opened);
    if (!opened)
        return error_system(error, -ENOMEM, "compressing");
    opened->options = *options;
    (void)pthread_mutex_init(&opened->lock, NULL); /* these three cannot fail on Linux */
    (void)pthread_cond_init(&opened->work, NULL);
    (void)pthread_cond_init(&opened->done, NULL);
    unsigned wanted = options->threads < THREADS_LIMIT ? options->threads : THREADS_LIMIT;
    int result = 0;
    while (opened->started < wanted && result == 0) {
        result = -pthread_create(&opened->threads[opened->started], NULL, thread_main, opened);
        if (result == 0)
            opened->started++;
    }
    if (opened->started == 0) {
        compressor_close(opened);
        return error_system(error, result < 0 ? result : -EINVAL, "starting a thread");
    }
    *compressor = opened;
    return 0;
}

/* Waits, with the lock held, until at most `pending` blocks are not done or one has failed. */
static int wait_for_blocks(struct compressor *compressor, size_t pending, struct error *error)
{
    const struct compressor_options *options = &compressor->options;
    while (compressor->count - compressor->finished > pending && compressor->error.code == 0) {
        struct timespec until;
        (void)clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += PROGRESS_NANOSECONDS;
        if (until.tv_nsec >= 1000000000) {
            until.tv_nsec -= 1000000000;
            until.tv_sec++;
        }
        (void)pthread_cond_timedwait(&compressor->done, &compressor->lock, &until);
        if (options->progress)
            options->progress(options->progress_context, compressor->content_done);
    }
    if (compressor->error.code < 0)
        return error_set(error, compressor->error.code, "%s", compressor->error.message);
    return 0;
}

int compressor_add(struct compressor *compressor, uint8_t *content, size_t size,
                   struct error *error)
{
    int result = 0;
    (void)pthread_mutex_lock(&compressor->lock);
    if (compressor->count == compressor->capacity) {
        size_t capacity = compressor->capacity ? 2 * compressor->capacity : 64;
        struct block *grown = reallocarray(compressor->blocks, capacity, sizeof *grown);
        if (grown) {
            compressor->blocks = grown;
            compressor->capacity = capacity;
        } else {
            result = error_system(error, -ENOMEM, "compressing");
        }
    }
    if (result == 0) {
        compressor->blocks[compressor->count++] =
            (struct block){.content = steal_pointer(content), .compressed = {.content_size = size}};
        (void)pthread_cond_signal(&compressor->work);
        result = wait_for_blocks(compressor, compressor->started, error);
    }
    (void)pthread_mutex_unlock(&compressor->lock);
    free(content);
    return result;
}

int compressor_finish(struct compressor *compressor, size_t *count, struct error *error)
{
    (void)pthread_mutex_lock(&compressor->lock);
    int result = wait_for_blocks(compressor, 0, error);
    *count = compressor->count;
    (void)pthread_mutex_unlock(&compressor->lock);
    return result;
}

const struct compressed *compressor_frame(const struct compressor *compressor, size_t index)
{
    return &compressor->blocks[index].compressed;
}

void compressor_close(struct compressor *compressor)
{
    if (!compressor)
        return;
    (void)pthread_mutex_lock(&compressor->lock);
    compressor->closing = true;
    (void)pthread_cond_broadcast(&compressor->work);
    (void)pthread_mutex_unlock(&compressor->lock);
    for (unsigned i = 0; i < compressor->started; i++)
        (void)pthread_join(compressor->threads[i], NULL);
    for (size_t i = 0; i < compressor->count; i++) {
        free(compressor->blocks[i].content);
        free(compressor->blocks[i].compressed.bytes);
    }
    free(compressor->blocks);
    (void)pthread_mutex_destroy(&compressor->lock);
    (void)pthread_cond_destroy(&compressor->work);
    (void)pthread_cond_destroy(&compressor->done);
    free(compressor);
}
