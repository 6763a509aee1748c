#include "payload/client/session.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "payload/base/scope.h"
#include "payload/base/text.h"
#include "payload/client/descriptor_share.h"
#include "payload/client/log.h"
#include "payload/client/loop.h"
#include "payload/client/neighbours.h"
#include "payload/client/operations.h"

#define MOST_THREADS 16

struct session {
    struct client *client;
    struct fuse_session *fuse;
    bool single_threaded;
    bool premounted;
    char *mountpoint; /* as this process sees it; NULL when it does not know */

    /* The thread that looks for new revisions. */
    pthread_t reloader;
    pthread_mutex_t lock;
    pthread_cond_t ending;
    bool is_ending;
};

/* libfuse's arguments: ours, then what the command line said is for FUSE. */
static int add_arguments(const struct options *options, const struct client *client,
                         struct fuse_args *arguments)
{
    const struct parameters *parameters = client->parameters;
    auto_text struct text list = TEXT_INIT;
    bool suid = options->suid || parameters_is_on(parameters, "CVMFS_SUID", false);
    int result = text_printf(
        &list, "%s,nodev,%s%s", parameters_is_on(parameters, "CVMFS_MOUNT_RW", false) ? "rw" : "ro",
        suid ? "suid" : "nosuid",
        parameters_is_on(parameters, "CVMFS_CHECK_PERMISSIONS", false) ? ",default_permissions"
                                                                       : "");
    if (result == 0 && !strstr(options->fuse.length ? options->fuse.bytes : "", "fsname="))
        result = text_append_string(&list, ",fsname=cvmfs2");
    if (result == 0 && options->fuse.length)
        result = text_printf(&list, ",%s", options->fuse.bytes);
    if (result < 0)
        return result;
    bool added = fuse_opt_add_arg(arguments, "cvmfs2") == 0 &&
                 fuse_opt_add_arg(arguments, "-o") == 0 &&
                 fuse_opt_add_arg(arguments, list.bytes) == 0 &&
                 (!options->fuse_debug || fuse_opt_add_arg(arguments, "-d") == 0);
    return added ? 0 : -ENOMEM;
}

static void session_free(struct session *session)
{
    free(session->mountpoint);
    free(session);
}

int session_mount(const struct options *options, struct client *client, struct session **session,
                  struct error *error)
{
    struct session *made = calloc(1, sizeof *made);
    struct fuse_args arguments = FUSE_ARGS_INIT(0, NULL);
    int result = made ? add_arguments(options, client, &arguments) : -ENOMEM;
    if (result < 0) {
        free(made);
        fuse_opt_free_args(&arguments);
        return error_system(error, result, "starting FUSE");
    }
    made->client = client;
    made->single_threaded = options->single_threaded;
    made->premounted = strncmp(options->mountpoint, "/dev/fd/", 8) == 0;
    /* Before it is mounted; who has mounted a descriptor says where, if he knows. */
    const char *mountpoint = getenv("CVMFSEXEC_MOUNTPOINT");
    if (!made->premounted)
        made->mountpoint = realpath(options->mountpoint, NULL);
    else if (mountpoint)
        made->mountpoint = strdup(mountpoint);
    made->fuse = fuse_session_new(&arguments, &client_operations, sizeof client_operations, client);
    fuse_opt_free_args(&arguments);
    if (!made->fuse) {
        session_free(made);
        return error_set(error, -EINVAL, "FUSE does not take the options");
    }
    if (fuse_session_mount(made->fuse, options->mountpoint) < 0) {
        fuse_session_destroy(made->fuse);
        session_free(made);
        return error_set(error, -ENOTCONN, "failed to mount on %s", options->mountpoint);
    }
    (void)pthread_mutex_init(&made->lock, NULL);
    pthread_condattr_t attributes;
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&made->ending, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    *session = made;
    return 0;
}

/* Sleeps until the revision expires; false when the session ends before that. */
static bool wait_for_expiry(struct session *session)
{
    const struct timespec deadline = {.tv_sec = atomic_load(&session->client->expires)};
    (void)pthread_mutex_lock(&session->lock);
    int result = 0;
    while (!session->is_ending && result != ETIMEDOUT)
        result = pthread_cond_timedwait(&session->ending, &session->lock, &deadline);
    bool ending = session->is_ending;
    (void)pthread_mutex_unlock(&session->lock);
    return !ending;
}

/* A notification that the kernel refuses is for a directory that it does not know (any more). */
static void drop_listing(void *context, uint64_t inode)
{
    struct session *session = context;
    (void)fuse_lowlevel_notify_inval_inode(session->fuse, inode, 0, 0);
}

/* What nobody waits for: the directories of the cache, then, at every expiry, look for a newer
 * revision. What the kernel knows of the old one runs out by itself, since nothing was promised for
 * longer than the expiry. Listings are kept without an end, though: those of the root, which has
 * the same number in every revision, and of directories that somebody stands in, have to be
 * dropped. */
static void *reload(void *context)
{
    struct session *session = context;
    if (cache_complete(session->client->cache) < 0) /* the client does without */
        log_message(LOG_WARNING, "the cache directory is not complete");
    while (!session->client->root.fixed && wait_for_expiry(session)) {
        struct tree_facts before;
        struct tree_facts after;
        tree_facts(session->client->tree, &before);
        if (client_refresh(session->client) < 0) {
            log_message(LOG_ERR, "the mounted revision %llu is blacklisted, unmounting",
                        (unsigned long long)before.revision);
            (void)kill(getpid(), SIGTERM); /* the end of the session is the main thread's */
            break;
        }
        tree_facts(session->client->tree, &after);
        if (!hash_equal(&before.root, &after.root)) {
            drop_listing(session, TREE_ROOT);
            tree_stale_directories(session->client->tree, drop_listing, session);
        }
    }
    return NULL;
}

/* The thread gets no signals: they are for the thread that waits for them. */
static int start_reloading(struct session *session)
{
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int result = -pthread_create(&session->reloader, NULL, reload, session);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return result;
}

/* Waits for a signal that ends the session, or for its end by an unmount (SIGUSR1, from the loop).
 */
static int serve_with_threads(struct session *session, const sigset_t *signals)
{
    struct loop *loop;
    int result = loop_start(session->fuse, (unsigned)descriptor_share(MOST_THREADS), &loop);
    if (result < 0)
        return result;
    loop_signal_at_end(loop, SIGUSR1);
    int signal;
    (void)sigwait(signals, &signal); /* fails for a set that is no set only */
    client_stop_waiting(session->client);
    fuse_session_exit(session->fuse);
    return loop_stop(loop);
}

static int serve(struct session *session)
{
    if (session->single_threaded) {
        if (fuse_set_signal_handlers(session->fuse) < 0)
            return -EINVAL;
        int result = fuse_session_loop(session->fuse);
        fuse_remove_signal_handlers(session->fuse);
        return result;
    }
    /* Blocked before there is any thread: they are for the one that waits for them. */
    sigset_t signals;
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigaddset(&signals, SIGINT);
    (void)sigaddset(&signals, SIGHUP);
    (void)sigaddset(&signals, SIGUSR1);
    (void)pthread_sigmask(SIG_BLOCK, &signals, NULL);
    return serve_with_threads(session, &signals);
}

static void end_reloading(struct session *session)
{
    (void)pthread_mutex_lock(&session->lock);
    session->is_ending = true;
    (void)pthread_cond_broadcast(&session->ending);
    (void)pthread_mutex_unlock(&session->lock);
    (void)pthread_join(session->reloader, NULL);
}

/* A content_storer. */
static int store_content(void *context, uint64_t inode, const char *bytes, size_t length)
{
    const struct session *session = context;
    struct fuse_bufvec content = FUSE_BUFVEC_INIT(length);
    content.buf[0].mem = (void *)(uintptr_t)bytes; /* is only read */
    return fuse_lowlevel_notify_store(session->fuse, inode, 0, &content, FUSE_BUF_NO_SPLICE);
}

/* One thread cannot answer itself. */
static int start_neighbours(struct session *session)
{
    struct client *client = session->client;
    if (session->single_threaded || !session->mountpoint ||
        !parameters_is_on(client->parameters, "CVMFS_READ_AHEAD", true))
        return 0;
    return neighbours_create(client->tree, client->fetcher, session->mountpoint, store_content,
                             session, loop_yield, &client->neighbours);
}

/* To be called when no thread uses the descriptor any more, else an answer could go into whatever
 * gets its number next. Who still waits for one gets an error then. */
static void close_channel(struct session *session)
{
    if (!session->fuse)
        return;
    if (!session->premounted)
        fuse_session_unmount(session->fuse);
    fuse_session_destroy(session->fuse);
    session->fuse = NULL;
}

int session_serve(struct session *session, struct error *error)
{
    /* Many threads that hold little: arenas of their own would cost more than they save. */
    (void)mallopt(M_ARENA_MAX, 2);
    (void)signal(SIGPIPE, SIG_IGN);
    fetch_on_wait(session->client->fetcher, loop_yield);
    int result = start_neighbours(session);
    if (result == 0)
        result = start_reloading(session);
    if (result == 0) {
        result = serve(session);
        end_reloading(session);
    }
    neighbours_stop_storing(session->client->neighbours);
    close_channel(session);
    neighbours_destroy(session->client->neighbours);
    session->client->neighbours = NULL;
    return result < 0 ? error_system(error, result, "serving") : 0;
}

void session_unmount(struct session *session)
{
    close_channel(session);
    (void)pthread_mutex_destroy(&session->lock);
    (void)pthread_cond_destroy(&session->ending);
    session_free(session);
}
