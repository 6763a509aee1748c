#include "payload/client/lister.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BUFFER_SIZE 32768
#define TYPICAL_ENTRY 32 /* bytes in the buffer */

struct job {
    struct text path;  /* of the directory */
    struct text names; /* of files to read; empty: the directory is listed */
    size_t most;       /* entries to list, or bytes of each file to read */
};

struct lister {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t change;
    struct job job; /* its memory is used again for the next one */
    bool has_job;
    bool ending;
};

static void list(int directory, size_t most, char *buffer)
{
    size_t listed = 0;
    while (listed < most) {
        long count = syscall(SYS_getdents64, directory, buffer, BUFFER_SIZE);
        if (count <= 0)
            break;
        listed += (size_t)count / TYPICAL_ENTRY;
    }
}

static void read_ahead(int directory, const struct text *names, size_t length)
{
    const char *end = names->bytes + names->length;
    for (const char *name = names->bytes; name < end; name += strlen(name) + 1) {
        int fd = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        if (fd < 0)
            continue;
        (void)readahead(fd, 0, length); /* a reader will see what is wrong */
        (void)close(fd);
    }
}

static void carry_out(const struct job *job, char *buffer)
{
    int directory = open(job->path.bytes, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0)
        return;
    if (job->names.length > 0)
        read_ahead(directory, &job->names, job->most);
    else
        list(directory, job->most, buffer);
    (void)close(directory);
}

static void *work(void *context)
{
    struct lister *lister = context;
    char *buffer = malloc(BUFFER_SIZE);
    bool alone = buffer && unshare(CLONE_FILES) == 0 && close_range(0, ~0U, 0) == 0;
    (void)pthread_mutex_lock(&lister->lock);
    while (!lister->ending) {
        if (!lister->has_job) {
            (void)pthread_cond_wait(&lister->change, &lister->lock);
            continue;
        }
        (void)pthread_mutex_unlock(&lister->lock);
        if (alone)
            carry_out(&lister->job, buffer);
        (void)pthread_mutex_lock(&lister->lock);
        lister->has_job = false;
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
static void wait_until_idle(struct lister *lister)
{
    while (lister->has_job)
        (void)pthread_cond_wait(&lister->change, &lister->lock);
}

/* Under the lock, with no job: a job without names yet. */
static bool begin_job(struct lister *lister, const char *path, size_t most)
{
    lister->job.path.length = 0;
    lister->job.names.length = 0;
    lister->job.most = most;
    return text_append_string(&lister->job.path, path) == 0;
}

static void hand_over(struct lister *lister)
{
    lister->has_job = true;
    (void)pthread_cond_broadcast(&lister->change);
}

void lister_list(struct lister *lister, const char *path, size_t most)
{
    (void)pthread_mutex_lock(&lister->lock);
    wait_until_idle(lister);
    if (begin_job(lister, path, most))
        hand_over(lister);
    (void)pthread_mutex_unlock(&lister->lock);
}

void lister_wait(struct lister *lister)
{
    (void)pthread_mutex_lock(&lister->lock);
    wait_until_idle(lister);
    (void)pthread_mutex_unlock(&lister->lock);
}

void lister_read_ahead(struct lister *lister, const char *path, struct text *names, size_t length)
{
    if (names->length == 0)
        return;
    (void)pthread_mutex_lock(&lister->lock);
    wait_until_idle(lister);
    if (begin_job(lister, path, length)) {
        struct text used = lister->job.names;
        lister->job.names = *names;
        *names = used;
        hand_over(lister);
    }
    (void)pthread_mutex_unlock(&lister->lock);
    names->length = 0;
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
    text_free(&lister->job.path);
    text_free(&lister->job.names);
    free(lister);
}
