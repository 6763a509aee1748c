/* The socket that others connect to is there before the session is, and its maker is the first to
 * connect: so he who starts a session waits for it in the same way as they who come meanwhile. */
#include "payload/launch/session_start.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "payload/base/descriptors.h"
#include "payload/base/file.h"
#include "payload/base/scope.h"
#include "payload/base/text.h"
#include "payload/launch/request.h"
#include "payload/launch/session_record.h"
#include "payload/launch/session_talk.h"

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434 /* the same number on every architecture */
#endif

#define USUAL_IDLE_SECONDS 3600
#define AGAIN 256 /* more than any exit code, which clients choose */

/* What the processes of a session have of their starter. */
struct keeping {
    const struct session_start_plan *plan;
    int words; /* a file for their standard error until it is mounted */
    int directory;
    int listener;
    int watched;
    struct session_identity identity;
};

static int open_process(pid_t pid, struct error *error)
{
    if (pid == 0)
        return -1;
    long fd = syscall(SYS_pidfd_open, pid, 0);
    if (fd >= 0)
        return (int)fd;
    if (errno == ESRCH)
        return error_set(error, -ESRCH, "--with-pid: there is no process %ld", (long)pid);
    return error_system(error, errno == EPERM ? -ENOSYS : -errno,
                        "--with-pid: watching process %ld (Linux 5.3 or newer can)", (long)pid);
}

/* Away from the terminal, the working directory and the descriptors of the starter. */
static int detach(struct keeping *keeping)
{
    auto_fd int null = descriptors_open_null();
    if (null < 0)
        return null;
    if (setsid() < 0 || chdir("/") < 0 || dup2(null, STDIN_FILENO) < 0 ||
        dup2(null, STDOUT_FILENO) < 0 || dup2(keeping->words, STDERR_FILENO) < 0)
        return -errno;
    int kept[] = {keeping->directory, keeping->listener, keeping->watched};
    (void)steal_fd(&null); /* closed with the others */
    int result = descriptors_keep(kept, sizeof kept / sizeof *kept);
    keeping->directory = kept[0];
    keeping->listener = kept[1];
    keeping->watched = kept[2];
    return result;
}

/* The process that stays outside, and takes the record away in the end. */
static int keep(struct keeping *keeping, struct error *error)
{
    int pipe_ends[2];
    int result = detach(keeping);
    if (result == 0 && pipe2(pipe_ends, O_CLOEXEC) < 0)
        result = -errno;
    if (result < 0)
        return error_system(error, result, "detaching the session");
    const struct session_start_plan *plan = keeping->plan;
    long idle = plan->idle_seconds;
    if (idle < 0)
        idle = plan->with_pid ? 0 : USUAL_IDLE_SECONDS;
    const struct session_plan session = {.listener = keeping->listener,
                                         .gone = pipe_ends[0],
                                         .gone_outside = pipe_ends[1],
                                         .watched = keeping->watched,
                                         .idle_seconds = idle,
                                         .offer_requests = plan->offer_requests};
    struct caller caller;
    result = caller_remember(&caller, error);
    if (result == 0)
        result = plan->run(plan->context, &caller, &session, error);
    session_record_remove_own(keeping->directory, plan->name, &keeping->identity);
    return result;
}

static int be_keeper(struct keeping *keeping)
{
    struct error error = ERROR_INIT;
    int result = keep(keeping, &error);
    if (result < 0)
        (void)dprintf(STDERR_FILENO, "cvmfsexec: %s\n", error.message);
    return result < 0 ? 1 : result;
}

static void copy_words(int words)
{
    auto_text struct text text = TEXT_INIT;
    if (lseek(words, 0, SEEK_SET) == 0 && file_load_fd(words, 1 << 20, &text) == 0)
        (void)file_write_full(STDERR_FILENO, text.bytes ? text.bytes : "", text.length);
}

static int say_failure(const struct session_packet *packet)
{
    const size_t length = packet->length > 0 ? packet->length - 1 : 0;
    (void)file_write_full(STDERR_FILENO, packet->words + 1, length);
    return packet->length > 0 ? (unsigned char)packet->words[0] : 1;
}

static int ask_mounts(int connection, struct session_packet *packet)
{
    int result = session_send(connection, SESSION_ASK_MOUNTS, NULL, 0, -1);
    return result == 0 ? session_await(connection, packet) : result;
}

/* Waits for the session that this process has begun. */
static int wait_for_own(const struct session_start_plan *plan, int connection, int words,
                        struct error *error)
{
    struct session_packet packet;
    int result = ask_mounts(connection, &packet);
    if (result < 0) {
        copy_words(words);
        return error_set(error, -EPIPE, "session %s could not be started", plan->name);
    }
    auto_fd int descriptor = packet.descriptor;
    if (packet.letter == SESSION_READY) {
        copy_words(words);
        return 0;
    }
    session_await_end(connection, descriptor);
    if (packet.letter == SESSION_FAILED)
        return say_failure(&packet);
    return error_set(error, -ECANCELED, "session %s was ended before it was mounted", plan->name);
}

static int mount_in(const struct session_start_plan *plan, int requests, struct error *error)
{
    int result = 0;
    for (size_t index = 0; result == 0 && index < plan->repositories->count; index++) {
        auto_text struct text words = TEXT_INIT;
        result = request_ask_over(requests, REQUEST_MOUNT, plan->repositories->items[index], &words,
                                  error);
        if (words.length > 0)
            (void)dprintf(STDERR_FILENO, "cvmfsexec: %s", words.bytes);
    }
    return result;
}

/* AGAIN when the session has ended meanwhile. */
static int use_existing(const struct session_start_plan *plan, int connection, struct error *error)
{
    struct session_packet packet;
    int result = ask_mounts(connection, &packet);
    if (result == -EPIPE || result == -ECONNRESET)
        return AGAIN;
    if (result < 0)
        return error_system(error, result, "asking session %s", plan->name);
    auto_fd int descriptor = packet.descriptor;
    if (packet.letter == SESSION_READY) {
        (void)dprintf(STDERR_FILENO, "cvmfsexec: session %s exists already\n", plan->name);
        return mount_in(plan, descriptor, error);
    }
    session_await_end(connection, descriptor);
    return packet.letter == SESSION_FAILED ? say_failure(&packet) : AGAIN;
}

/* With the record locked, and unlocked again: starts the session. */
static int begin(struct keeping *keeping, int locked, struct error *error)
{
    const struct session_start_plan *plan = keeping->plan;
    auto_fd int listener = session_record_make(locked, plan->name, &keeping->identity, error);
    if (listener < 0)
        return listener;
    auto_fd int connection = session_record_connect(locked, plan->name, error);
    if (connection < 0)
        return connection;
    keeping->listener = listener;
    pid_t keeper = fork();
    if (keeper < 0)
        return error_system(error, -errno, "starting a process for the session");
    if (keeper == 0)
        _exit(be_keeper(keeping));
    session_record_unlock(locked);
    (void)close(steal_fd(&listener)); /* the keeper's end is to show here */
    return wait_for_own(plan, connection, keeping->words, error);
}

/* AGAIN when there was a session, but it has ended meanwhile. */
static int try_start(struct keeping *keeping, struct error *error)
{
    const struct session_start_plan *plan = keeping->plan;
    auto_fd int locked = session_record_open(error);
    if (locked < 0)
        return locked;
    int result = session_record_lock(locked, error);
    if (result < 0)
        return result;
    auto_fd int connection = session_record_connect(locked, plan->name, error);
    if (connection >= 0) {
        session_record_unlock(locked);
        return use_existing(plan, connection, error);
    }
    if (connection != -ENOENT && connection != -ECONNREFUSED)
        return connection;
    if (connection == -ECONNREFUSED) {
        result = session_record_remove(locked, plan->name, error);
        (void)dprintf(STDERR_FILENO, "cvmfsexec: session %s was killed; it is started anew\n",
                      plan->name);
    }
    /* Opened anew, since a lock is held by all copies of a descriptor, also those in the keeper. */
    auto_fd int directory = openat(locked, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0)
        return error_system(error, -errno, "opening the record of sessions");
    keeping->directory = directory;
    return result == 0 ? begin(keeping, locked, error) : result;
}

int session_start(const struct session_start_plan *plan, struct error *error)
{
    /* This process only waits, and signals have their usual effect on it. */
    int result = caller_restore(plan->caller);
    if (result < 0)
        return error_system(error, result, "preparing the session");
    auto_fd int watched = open_process(plan->with_pid, error);
    if (watched < 0 && plan->with_pid)
        return watched;
    auto_fd int words = memfd_create("session", MFD_CLOEXEC);
    if (words < 0)
        return error_system(error, -errno, "preparing the session");
    struct keeping keeping = {.plan = plan, .words = words, .watched = watched};
    do
        result = try_start(&keeping, error);
    while (result == AGAIN);
    return result;
}
