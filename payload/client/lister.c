#include "payload/client/lister.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BUFFER_SIZE 32768
#define TYPICAL_ENTRY 32 /* bytes in the buffer */

struct lister {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t change;
    const char *path; /* NULL: nothing to do */
    size_t most;
    bool ending;
    bool alone; /* the thread has a table of descriptors of its own */
};

static void list(const char *path, size_t most, char *buffer)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    size_t listed = 0;
    while (listed < most) {
        long count = syscall(SYS_getdents64, fd, buffer, BUFFER_SIZE);
        if (count <= 0)
            break;
        listed += (size_t)count / TYPICAL_ENTRY;
    }
    (void)close(fd); /* it was only read */
}

static void *work(void *context)
{
    struct lister *lister = context;
    char *buffer = malloc(BUFFER_SIZE);
    bool alone = buffer && unshare(CLONE_FILES) == 0 && close_range(0, ~0U, 0) == 0;
    (void)pthread_mutex_lock(&lister->lock);
    lister->alone = alone;
    while (!lister->ending) {
        if (!lister->path) {
            (void)pthread_cond_wait(&lister->change, &lister->lock);
            continue;
        }
        const char *path = lister->path;
        (void)pthread_mutex_unlock(&lister->lock);
        if (alone)
            list(path, lister->most, buffer);
        (void)pthread_mutex_lock(&lister->lock);
        lister->path = NULL;
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

void lister_run(struct lister *lister, const char *path, size_t most)
{
    (void)pthread_mutex_lock(&lister->lock);
    lister->path = path;
    lister->most = most;
    (void)pthread_cond_broadcast(&lister->change);
    while (lister->path && !lister->ending)
        (void)pthread_cond_wait(&lister->change, &lister->lock);
    (void)pthread_mutex_unlock(&lister->lock);
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
    free(lister);
}
