/* The two sides of a run that deal with the keeper of its image: the process outside, and
 * process 1.
 */
#include "payload/launch/image.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "payload/base/scope.h"
#include "payload/launch/caller.h"
#include "payload/launch/fuse2fs.h"
#include "payload/launch/image_file.h"
#include "payload/launch/passing.h"

#define CLOSE_MILLISECONDS 60000

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434 /* the same number on every architecture */
#endif

/* Opens the directory of the image, and leaves the name in it, which does not look like an option.
 * fuse2fs puts the name into a list of mount options, where ',' and '\\' have a meaning. */
static int split_path(const char *path, struct text *name, struct error *error)
{
    auto_text struct text directory = TEXT_INIT;
    const char *slash = strrchr(path, '/');
    const char *last = slash ? slash + 1 : path;
    if (strpbrk(last, ",\\"))
        return error_set(error, -EINVAL,
                         "the image %s: fuse2fs opens no file whose name has a ',' or '\\'", path);
    int result = slash ? text_append(&directory, path, (size_t)(slash + 1 - path))
                       : text_append_string(&directory, ".");
    if (result == 0)
        result = text_printf(name, "%s%s", *last == '-' ? "./" : "", last);
    if (result < 0)
        return error_system(error, result, "the image %s", path);
    int fd = open(directory.bytes, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? error_system(error, -errno, "opening %s", directory.bytes) : fd;
}

int image_open(struct image *image, const char *path, const struct paths *paths,
               struct text *warning, struct error *error)
{
    auto_text struct text program = TEXT_INIT;
    auto_text struct text name = TEXT_INIT;
    auto_fd int file = image_file_open(path, warning, error);
    if (file < 0)
        return file;
    auto_fd int directory = split_path(path, &name, error);
    if (directory < 0)
        return directory;
    int result = fuse2fs_find(paths, &program, error);
    if (result < 0)
        return result;
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return error_system(error, -errno, "making a socket for the image");
    image->path = path;
    image->socket = ends[0];
    auto_fd int theirs = ends[1];
    const struct image_keeper_plan plan = {.paths = paths,
                                           .program = program.bytes,
                                           .image = name.bytes,
                                           .directory = directory,
                                           .file = file,
                                           .socket = theirs};
    return image_keeper_start(&plan, error);
}

static int send_descriptor(const struct image *image, enum image_message message, int descriptor)
{
    const char byte = (char)message;
    return descriptor < 0 ? -errno : passing_send(image->socket, &byte, 1, descriptor);
}

static int send_file(const struct image *image, enum image_message message, const char *path,
                     int flags, struct error *error)
{
    auto_fd int fd = open(path, flags | O_CLOEXEC);
    int result = send_descriptor(image, message, fd);
    return result < 0 ? error_system(error, result, "handing %s to the keeper of the image", path)
                      : 0;
}

static int send_messages(const struct image *image, struct error *error)
{
    auto_fd int self = (int)syscall(SYS_pidfd_open, getpid(), 0);
    if (self >= 0)
        (void)send_descriptor(image, IMAGE_USER, self); /* it is only a help */
    int result = send_file(image, IMAGE_USER_NAMESPACE, "/proc/self/ns/user", O_RDONLY, error);
    if (result == 0)
        result = send_file(image, IMAGE_MOUNT_NAMESPACE, "/proc/self/ns/mnt", O_RDONLY, error);
    if (result == 0)
        result = send_file(image, IMAGE_ROOT_DIRECTORY, "/", O_PATH | O_DIRECTORY, error);
    if (result == 0)
        result = send_file(image, IMAGE_MOUNT_TABLE, "/proc/self/mountinfo", O_RDONLY, error);
    return result;
}

/* The keeper's answer. */
static int receive_answer(const struct image *image, struct error *error)
{
    char words[sizeof error->message];
    ssize_t length = recv(image->socket, words, sizeof words - 1, 0);
    if (length == 1 && words[0] == '\0')
        return 0;
    if (length <= 0)
        return error_set(error, -EIO, "mounting the image %s: its keeper was killed", image->path);
    words[length] = '\0';
    return error_set(error, -EIO, "mounting the image %s: %s", image->path, words);
}

/* Signals that end a start. They stay pending, for whoever waits for them later. */
static const int ending_signals[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM};

static int pending_signal(void)
{
    sigset_t pending;
    if (sigpending(&pending) < 0)
        return 0;
    for (size_t index = 0; index < sizeof ending_signals / sizeof *ending_signals; index++) {
        if (sigismember(&pending, ending_signals[index]) == 1 &&
            caller_signal_ends(ending_signals[index]))
            return ending_signals[index];
    }
    return 0;
}

int image_mount(const struct image *image, struct error *error)
{
    sigset_t ending;
    (void)sigemptyset(&ending);
    for (size_t index = 0; index < sizeof ending_signals / sizeof *ending_signals; index++) {
        if (caller_signal_ends(ending_signals[index]))
            (void)sigaddset(&ending, ending_signals[index]);
    }
    auto_fd int signals = signalfd(-1, &ending, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signals < 0)
        return error_system(error, -errno, "waiting for signals");
    int result = send_messages(image, error);
    while (result == 0) {
        struct pollfd sources[] = {{.fd = image->socket, .events = POLLIN},
                                   {.fd = signals, .events = POLLIN}};
        if (poll(sources, sizeof sources / sizeof *sources, -1) < 0 && errno != EINTR)
            return error_system(error, -errno, "waiting for the image");
        if (sources[0].revents)
            return receive_answer(image, error);
        if (sources[1].revents)
            result = pending_signal();
    }
    return result;
}

static long long milliseconds_now(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* this clock exists on every Linux */
    return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/* 1 when the keeper may have something to say, or has ended; 0 when the time is over. */
static int wait_for_keeper(const struct image *image, long long end)
{
    for (;;) {
        const long long left = end - milliseconds_now();
        struct pollfd source = {.fd = image->socket, .events = POLLIN};
        const int count = left > 0 ? poll(&source, 1, (int)left) : 0;
        if (count >= 0 || errno != EINTR)
            return count > 0;
    }
}

void image_close(struct image *image, struct text *report)
{
    if (image->socket < 0)
        return;
    const long long end = milliseconds_now() + CLOSE_MILLISECONDS;
    (void)shutdown(image->socket, SHUT_WR); /* tells the keeper: it cannot be gone unnoticed */
    for (;;) {
        if (!wait_for_keeper(image, end)) {
            (void)text_printf(report,
                              "the image %s is still being written to; do not use it before "
                              "fuse2fs has ended\n",
                              image->path);
            break;
        }
        char words[1024];
        ssize_t length = recv(image->socket, words, sizeof words, MSG_DONTWAIT);
        if (length <= 0)
            break;
        if (words[0] != '\0')
            (void)text_printf(report, "the image %s: %.*s\n", image->path, (int)length, words);
    }
    (void)close(steal_fd(&image->socket));
}
