#include "payload/client/lister.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "payload/base/descriptors.h"
#include "payload/base/scope.h"
#include "payload/base/text.h"

#define BUFFER_SIZE 32768
#define QUEUE_LENGTH 4

struct job {
    struct text path; /* its memory is used again for a later job */
    int64_t from;
    int64_t until;
    bool is_given; /* the path: else there was no memory for it */
    bool opened;
};

struct lister {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t change;
    struct job queue[QUEUE_LENGTH]; /* job N has place N % QUEUE_LENGTH */
    uint64_t asked;                 /* jobs so far */
    uint64_t done;
    bool ending;
};

/* The offset behind the last of the entries in a buffer. */
static int64_t last_offset(const char *buffer, size_t length)
{
    int64_t offset = 0;
    for (size_t at = 0; at < length;) {
        const struct dirent64 *entry = (const void *)(buffer + at);
        offset = entry->d_off;
        at += entry->d_reclen;
    }
    return offset;
}

static void list(struct job *job, char *buffer)
{
    auto_fd int directory = open(job->path.bytes, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    job->opened = directory >= 0;
    if (directory < 0 || lseek(directory, job->from, SEEK_SET) < 0)
        return;
    ssize_t length;
    do
        length = getdents64(directory, buffer, BUFFER_SIZE);
    while (length > 0 && last_offset(buffer, (size_t)length) < job->until);
}

static void *work(void *context)
{
    struct lister *lister = context;
    char *buffer = malloc(BUFFER_SIZE); /* aligned for any type */
    bool alone = buffer && unshare(CLONE_FILES) == 0 && descriptors_close_from(0) == 0;
    (void)pthread_mutex_lock(&lister->lock);
    while (!lister->ending) {
        if (lister->done == lister->asked) {
            (void)pthread_cond_wait(&lister->change, &lister->lock);
            continue;
        }
        struct job *job = &lister->queue[lister->done % QUEUE_LENGTH];
        (void)pthread_mutex_unlock(&lister->lock);
        if (alone && job->is_given)
            list(job, buffer);
        (void)pthread_mutex_lock(&lister->lock);
        lister->done++;
        (void)pthread_cond_broadcast(&lister->change);
    }
    (void)pthread_mutex_unlock(&lister->lock);
    free(buffer);
    return NULL;
}

int lister_start(struct lister **lister)
{
    struct lister *made = calloc(1, sizeof *made);
    if (!made)
        return -ENOMEM;
    (void)pthread_mutex_init(&made->lock, NULL);
    (void)pthread_cond_init(&made->change, NULL);
    int result = -pthread_create(&made->thread, NULL, work, made);
    if (result < 0) {
        free(made);
        return result;
    }
    *lister = made;
    return 0;
}

/* Under the lock. */
static void wait_for(struct lister *lister, uint64_t number)
{
    while (lister->done < number)
        (void)pthread_cond_wait(&lister->change, &lister->lock);
}

uint64_t lister_list(struct lister *lister, const char *path, int64_t from, int64_t until)
{
    (void)pthread_mutex_lock(&lister->lock);
    if (lister->asked >= QUEUE_LENGTH)
        wait_for(lister, lister->asked + 1 - QUEUE_LENGTH);
    struct job *job = &lister->queue[lister->asked % QUEUE_LENGTH];
    job->path.length = 0;
    job->from = from;
    job->until = until;
    job->opened = false;
    job->is_given = text_append_string(&job->path, path) == 0;
    const uint64_t number = ++lister->asked;
    (void)pthread_cond_broadcast(&lister->change);
    (void)pthread_mutex_unlock(&lister->lock);
    return number;
}

bool lister_wait(struct lister *lister, uint64_t number)
{
    (void)pthread_mutex_lock(&lister->lock);
    wait_for(lister, number);
    const bool opened = lister->queue[(number - 1) % QUEUE_LENGTH].opened;
    (void)pthread_mutex_unlock(&lister->lock);
    return opened;
}

void lister_stop(struct lister *lister)
{
    if (!lister)
        return;
    (void)pthread_mutex_lock(&lister->lock);
    lister->ending = true;
    (void)pthread_cond_broadcast(&lister->change);
    (void)pthread_mutex_unlock(&lister->lock);
    (void)pthread_join(lister->thread, NULL);
    (void)pthread_mutex_destroy(&lister->lock);
    (void)pthread_cond_destroy(&lister->change);
    for (size_t index = 0; index < QUEUE_LENGTH; index++)
        text_free(&lister->queue[index].path);
    free(lister);
}
