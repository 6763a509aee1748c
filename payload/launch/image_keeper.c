/* Reads top to bottom: becoming a process of its own, receiving and entering the namespaces,
 * mounting, waiting, unmounting. It answers for the order in which things end; what fuse2fs is and
 * how it is started is in fuse2fs.c. */
#include "payload/launch/image_keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "payload/base/descriptors.h"
#include "payload/base/scope.h"
#include "payload/launch/fuse2fs.h"
#include "payload/launch/fuse_mount.h"
#include "payload/launch/passing.h"

/* How long to wait for the end of process 1 and its processes, which the kernel has begun. */
#define USERS_END_MILLISECONDS 10000

#define WORDS_LIMIT 600

struct keeper {
    struct image_keeper_plan plan;
    int user_namespace;
    int mount_namespace;
    int root;
    int user;
    int table;
    pid_t fuse2fs; /* -1 before it is started and after it has ended */
    int status;    /* as waitpid(2) gives it, afterwards */
    int output;    /* of fuse2fs; its end is the end of fuse2fs */
    char words[WORDS_LIMIT];
    size_t length;
};

/* The three descriptors become 3, 4 and 5, and nothing else of the caller's stays open: neither
 * the pipes that others wait at the end of, nor his terminal. */
static int leave_caller(struct image_keeper_plan *plan)
{
    int *const kept[] = {&plan->directory, &plan->file, &plan->socket};
    const int count = sizeof kept / sizeof *kept;
    const int first = STDERR_FILENO + 1;
    for (int index = 0; index < count; index++) {
        *kept[index] = fcntl(*kept[index], F_DUPFD_CLOEXEC, first + count);
        if (*kept[index] < 0)
            return -errno;
    }
    for (int index = 0; index < count; index++) {
        if (dup3(*kept[index], first + index, O_CLOEXEC) < 0)
            return -errno;
        *kept[index] = first + index;
    }
    int result = descriptors_close_from(first + count);
    if (result < 0)
        return result;
    auto_fd int null = descriptors_open_null();
    if (null < 0)
        return null;
    for (int stream = 0; stream < first; stream++) {
        if (dup2(null, stream) < 0)
            return -errno;
    }
    return 0;
}

static int *place_for(struct keeper *keeper, char message)
{
    switch ((enum image_message)message) {
    case IMAGE_USER_NAMESPACE:
        return &keeper->user_namespace;
    case IMAGE_MOUNT_NAMESPACE:
        return &keeper->mount_namespace;
    case IMAGE_ROOT_DIRECTORY:
        return &keeper->root;
    case IMAGE_USER:
        return &keeper->user;
    case IMAGE_MOUNT_TABLE:
        return &keeper->table;
    }
    return NULL;
}

/* 1 when all is there, 0 when nobody wants the image any more, or a negative errno. */
static int receive_messages(struct keeper *keeper)
{
    while (keeper->table < 0) {
        struct pollfd source = {.fd = keeper->plan.socket, .events = POLLIN};
        if (poll(&source, 1, -1) < 0 && errno != EINTR)
            return -errno;
        char message = '\0';
        auto_fd int descriptor = -1;
        ssize_t length = passing_receive(keeper->plan.socket, &message, 1, &descriptor);
        if (length == -EAGAIN)
            continue;
        if (length <= 0)
            return (int)length;
        int *place = place_for(keeper, message);
        if (place && *place < 0)
            *place = steal_fd(&descriptor);
    }
    return 1;
}

static bool is_own_user_namespace(int namespace)
{
    struct stat ours;
    struct stat theirs;
    return stat("/proc/self/ns/user", &ours) == 0 && fstat(namespace, &theirs) == 0 &&
           ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino;
}

/* The root directory is not always the one of the namespace, as in a chroot. The directory of the
 * image is entered as it is on the host, which has a way to it in any case. */
static int enter_namespaces(const struct keeper *keeper, struct error *error)
{
    if (!is_own_user_namespace(keeper->user_namespace) &&
        setns(keeper->user_namespace, CLONE_NEWUSER) < 0)
        return error_system(error, -errno, "entering the user namespace");
    if (setns(keeper->mount_namespace, CLONE_NEWNS) < 0)
        return error_system(error, -errno, "entering the mount namespace");
    if (fchdir(keeper->root) < 0 || chroot(".") < 0 || fchdir(keeper->plan.directory) < 0)
        return error_system(error, -errno, "entering the root directory of the job");
    return 0;
}

/* For its words: what libfuse says of a refusal does not tell what to do. */
static int try_fuse(struct error *error)
{
    auto_fd int fd = fuse_mount(IMAGE_MOUNT_POINT, false, error);
    if (fd < 0)
        return fd;
    return umount2(IMAGE_MOUNT_POINT, MNT_DETACH) < 0
               ? error_system(error, -errno, "unmounting " IMAGE_MOUNT_POINT)
               : 0;
}

static int start_fuse2fs(struct keeper *keeper, struct error *error)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return error_system(error, -errno, "making a pipe for fuse2fs");
    keeper->output = ends[0];
    auto_fd int theirs = ends[1];
    const struct fuse2fs_plan plan = {.paths = keeper->plan.paths,
                                      .program = keeper->plan.program,
                                      .image = keeper->plan.image,
                                      .where = IMAGE_MOUNT_POINT,
                                      .file = keeper->plan.file,
                                      .output = theirs};
    keeper->fuse2fs = fuse2fs_start(&plan, error);
    return keeper->fuse2fs < 0 ? keeper->fuse2fs : 0;
}

/* Takes what fuse2fs says, and keeps the beginning; at its end, waits for it. */
static void read_output(struct keeper *keeper)
{
    char bytes[512];
    ssize_t length = read(keeper->output, bytes, sizeof bytes);
    if (length < 0 && errno == EINTR)
        return;
    if (length <= 0) {
        while (waitpid(keeper->fuse2fs, &keeper->status, 0) < 0 && errno == EINTR)
            continue;
        keeper->fuse2fs = -1;
        (void)close(steal_fd(&keeper->output));
        return;
    }
    for (ssize_t index = 0; index < length && keeper->length + 1 < sizeof keeper->words; index++)
        keeper->words[keeper->length++] = (char)(bytes[index] == '\n' ? ' ' : bytes[index]);
    keeper->words[keeper->length] = '\0';
}

static int explain_end(const struct keeper *keeper, struct error *error)
{
    if (WIFSIGNALED(keeper->status))
        return error_set(error, -EIO, "fuse2fs was ended by signal %d; it said: %s",
                         WTERMSIG(keeper->status), keeper->words);
    return error_set(error, -EIO, "fuse2fs ended with status %d; it said: %s",
                     WEXITSTATUS(keeper->status), keeper->words);
}

/* Waits until the image is mounted and served. This also lets the kernel know whose the root
 * directory is: before it has asked, it takes it for that of an unmapped user, and refuses to write
 * to it. 0, -ECANCELED when nobody wants the image any more, or another negative errno. */
static int wait_until_mounted(struct keeper *keeper, dev_t before, struct error *error)
{
    for (;;) {
        struct pollfd sources[] = {{.fd = keeper->table, .events = POLLPRI},
                                   {.fd = keeper->output, .events = POLLIN},
                                   {.fd = keeper->plan.socket, .events = POLLIN}};
        if (poll(sources, sizeof sources / sizeof *sources, -1) < 0 && errno != EINTR)
            return error_system(error, -errno, "waiting for fuse2fs");
        struct stat status;
        if (stat(IMAGE_MOUNT_POINT, &status) == 0 && status.st_dev != before)
            return 0;
        if (sources[1].revents)
            read_output(keeper);
        if (keeper->fuse2fs < 0)
            return explain_end(keeper, error);
        if (sources[2].revents)
            return -ECANCELED;
    }
}

static int mount_image(struct keeper *keeper, struct error *error)
{
    struct stat status;
    int result = enter_namespaces(keeper, error);
    if (result == 0)
        result = try_fuse(error);
    if (result == 0 && stat(IMAGE_MOUNT_POINT, &status) < 0)
        result = error_system(error, -errno, "looking at " IMAGE_MOUNT_POINT);
    if (result == 0)
        result = start_fuse2fs(keeper, error);
    if (result == 0)
        result = wait_until_mounted(keeper, status.st_dev, error);
    return result;
}

/* Lets the users end, who may have been killed a moment ago. */
static void wait_for_users(struct keeper *keeper)
{
    while (keeper->fuse2fs > 0) {
        struct pollfd sources[] = {{.fd = keeper->plan.socket, .events = POLLIN},
                                   {.fd = keeper->output, .events = POLLIN}};
        if (poll(sources, sizeof sources / sizeof *sources, -1) < 0 && errno != EINTR)
            return;
        if (sources[1].revents)
            read_output(keeper);
        if (sources[0].revents)
            break;
    }
    struct pollfd user = {.fd = keeper->user, .events = POLLIN};
    if (keeper->user >= 0)
        (void)poll(&user, 1, USERS_END_MILLISECONDS); /* a failure ends the wait: no harm is done */
}

/* Unmounted, fuse2fs ends by itself; it is sent the signal only where that cannot be, for at its
 * end it gives the signal its deadly default back, before it writes what is left. In use is the
 * image when somebody holds a mount namespace of the job: then it is closed under him. */
static void end_fuse2fs(struct keeper *keeper, bool mounted)
{
    if (!mounted || umount2(IMAGE_MOUNT_POINT, 0) < 0) {
        (void)kill(keeper->fuse2fs, FUSE2FS_END);
        (void)umount2(IMAGE_MOUNT_POINT, MNT_DETACH);
    }
    while (keeper->fuse2fs > 0)
        read_output(keeper);
}

static void answer(const struct keeper *keeper, const char *words)
{
    /* Nobody may be there to hear it. */
    (void)send(keeper->plan.socket, words, *words ? strlen(words) : 1, MSG_NOSIGNAL);
}

static void keep(struct keeper *keeper)
{
    struct error error = ERROR_INIT;
    int result = leave_caller(&keeper->plan);
    if (result < 0)
        (void)error_system(&error, result, "preparing the process for the image");
    if (result == 0)
        result = receive_messages(keeper);
    if (result <= 0)
        return;
    result = mount_image(keeper, &error);
    if (result < 0 && result != -ECANCELED)
        answer(keeper, error.message);
    if (result == 0) {
        answer(keeper, "");
        wait_for_users(keeper);
    }
    if (keeper->fuse2fs > 0)
        end_fuse2fs(keeper, result == 0);
    if (result == 0 && keeper->status != 0) {
        (void)explain_end(keeper, &error);
        answer(keeper, error.message);
    }
}

int image_keeper_start(const struct image_keeper_plan *plan, struct error *error)
{
    pid_t pid = fork();
    if (pid < 0)
        return error_system(error, -errno, "starting a process for the image");
    if (pid == 0) {
        /* In a session of its own no terminal and nobody who ends a group of processes reaches it;
         * as nobody's child it is not among those that the launcher kills at its end. */
        if (setsid() < 0 || fork() != 0)
            _exit(0);
        struct keeper keeper = {.plan = *plan,
                                .user_namespace = -1,
                                .mount_namespace = -1,
                                .root = -1,
                                .user = -1,
                                .table = -1,
                                .fuse2fs = -1,
                                .output = -1};
        keep(&keeper);
        _exit(0);
    }
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    return 0;
}
