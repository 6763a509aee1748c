/* Both sides of the requests to mount outside. The side outside is as unprivileged as the caller;
 * it is fusermount that mounts. */
#include "payload/launch/mounter.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "payload/base/scope.h"
#include "payload/launch/fusermount.h"
#include "payload/launch/namespace.h"
#include "payload/launch/passing.h"

#ifndef SYS_open_tree
#define SYS_open_tree 428 /* the same number on every architecture */
#endif
#define OPEN_TREE_CLONE_FLAG 1 /* linux/mount.h; not every C library has it */

#define NAME_LIMIT 256

enum verb {
    VERB_MOUNT = 'm',
    VERB_MOUNT_CHECKING = 'p',
    VERB_COPY = 'c',
    VERB_UNMOUNT = 'u',
};

struct answer {
    int32_t code;
    char words[4096 + NAME_LIMIT]; /* a path or a message */
};

static int send_request(int mounter, enum verb verb, const char *name, int reply)
{
    char packet[NAME_LIMIT];
    const size_t length = strlen(name);
    if (length + 1 > sizeof packet)
        return -ENAMETOOLONG;
    packet[0] = (char)verb;
    memcpy(packet + 1, name, length);
    if (reply >= 0)
        return passing_send(mounter, packet, length + 1, reply);
    return send(mounter, packet, length + 1, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static int receive_answer(int socket, struct answer *answer, int *descriptor)
{
    struct pollfd source = {.fd = socket, .events = POLLIN};
    while (poll(&source, 1, -1) < 0) {
        if (errno != EINTR)
            return -errno;
    }
    ssize_t length = passing_receive(socket, answer, sizeof *answer - 1, descriptor);
    if (length < (ssize_t)sizeof answer->code)
        return length < 0 ? (int)length : -EPIPE;
    ((char *)answer)[length] = '\0';
    return 0;
}

static int ask(int mounter, enum verb verb, const char *name, struct answer *answer,
               struct error *error)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return error_system(error, -errno, "making a socket for the mounter outside");
    auto_fd int ours = ends[0];
    auto_fd int theirs = ends[1];
    auto_fd int descriptor = -1;
    int result = send_request(mounter, verb, name, theirs);
    (void)close(steal_fd(&theirs)); /* only the answering end counts from now on */
    if (result == 0)
        result = receive_answer(ours, answer, &descriptor);
    if (result < 0)
        return error_system(error, result, "asking the mounter outside");
    if (answer->code != 0)
        return error_set(error, answer->code, "%s", answer->words);
    if (descriptor < 0)
        return error_set(error, -EIO, "the mounter outside sent no descriptor");
    return steal_fd(&descriptor);
}

int mounter_mount(int mounter, const char *name, bool check_permissions, struct text *path,
                  struct error *error)
{
    struct answer answer;
    auto_fd int device =
        ask(mounter, check_permissions ? VERB_MOUNT_CHECKING : VERB_MOUNT, name, &answer, error);
    if (device < 0)
        return device;
    if (text_append_string(path, answer.words) < 0)
        return error_system(error, -ENOMEM, "mounting");
    return steal_fd(&device);
}

int mounter_copy(int mounter, const char *name, struct error *error)
{
    struct answer answer;
    return ask(mounter, VERB_COPY, name, &answer, error);
}

void mounter_unmount(int mounter, const char *name)
{
    (void)send_request(mounter, VERB_UNMOUNT, name, -1); /* else it is at the end of the run */
}

static void answer_with(int reply, int code, const char *words, int descriptor)
{
    struct answer answer = {.code = code};
    const size_t length = strnlen(words, sizeof answer.words - 1);
    memcpy(answer.words, words, length);
    const size_t size = offsetof(struct answer, words) + length;
    /* An asker that is gone needs no answer. */
    if (descriptor >= 0)
        (void)passing_send(reply, &answer, size, descriptor);
    else
        (void)send(reply, &answer, size, MSG_NOSIGNAL);
}

static void unmount(const char *name)
{
    if (rmdir(name) < 0 && errno == EBUSY && fusermount_unmount(name, true, NULL) == 0)
        (void)rmdir(name); /* else it is at the end of the run */
}

static int mount_here(const char *name, bool check_permissions, struct text *path,
                      struct error *error)
{
    /* A name that a killed process left mounted is free again by asking for it once more. */
    unmount(name);
    auto_free char *here = getcwd(NULL, 0);
    if (!here || text_printf(path, "%s/%s", here, name) < 0)
        return error_system(error, here ? -ENOMEM : -errno, "mounting %s", name);
    if (mkdir(name, 0755) < 0)
        return error_system(error, -errno, "making %s", path->bytes);
    int device = fusermount_mount(name, check_permissions, error);
    if (device < 0)
        (void)rmdir(name); /* it is empty, and ours */
    return device;
}

static void answer_mount(int reply, const char *name, bool check_permissions)
{
    struct error error = ERROR_INIT;
    auto_text struct text path = TEXT_INIT;
    auto_fd int device = mount_here(name, check_permissions, &path, &error);
    if (device < 0)
        answer_with(reply, device, error.message, -1);
    else
        answer_with(reply, 0, path.bytes, device);
}

/* In namespaces of its own, which have a copy of every mount of the host, a process may take copies
 * of them; its user need not be mapped for that. */
static int take_copy(const char *name, int reply)
{
    auto_fd int copy =
        (int)syscall(SYS_open_tree, AT_FDCWD, name, OPEN_TREE_CLONE_FLAG | O_CLOEXEC);
    if (copy < 0)
        return -errno;
    answer_with(reply, 0, "", copy);
    return 0;
}

static void answer_copy(int reply, const char *name, bool user_namespace)
{
    const struct namespace_set set = {.user = user_namespace, .pid = false};
    struct error error = ERROR_INIT;
    pid_t pid = namespace_clone(&set);
    if (pid == 0)
        _exit(-take_copy(name, reply));
    int status = 0;
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    int code = pid < 0 ? pid : WIFEXITED(status) ? -WEXITSTATUS(status) : -EIO;
    if (code < 0) {
        (void)error_system(&error, code, "copying a mount of the host");
        answer_with(reply, code, error.message, -1);
    }
}

static bool name_is_valid(const char *name)
{
    return *name && *name != '.' && !strchr(name, '/');
}

static void answer_request(enum verb verb, const char *name, int reply, bool user_namespace)
{
    switch (verb) {
    case VERB_MOUNT:
    case VERB_MOUNT_CHECKING:
        answer_mount(reply, name, verb == VERB_MOUNT_CHECKING);
        break;
    case VERB_COPY:
        answer_copy(reply, name, user_namespace);
        break;
    case VERB_UNMOUNT:
        unmount(name);
        break;
    }
}

/* Waits for a packet of at most NAME_LIMIT bytes. False when nobody is left who could send one. */
static bool next_request(int mounter, char packet[static NAME_LIMIT + 1], int *reply)
{
    struct pollfd source = {.fd = mounter, .events = POLLIN};
    for (;;) {
        if (poll(&source, 1, -1) < 0 && errno != EINTR)
            return false;
        ssize_t length = passing_receive(mounter, packet, NAME_LIMIT, reply);
        if (length > 0) {
            packet[length] = '\0';
            return true;
        }
        if (length != -EAGAIN && length != -EINTR)
            return false;
    }
}

void mounter_serve(int mounter, bool user_namespace)
{
    for (;;) {
        char packet[NAME_LIMIT + 1];
        auto_fd int reply = -1;
        if (!next_request(mounter, packet, &reply))
            return;
        if (name_is_valid(packet + 1))
            answer_request((enum verb)packet[0], packet + 1, reply, user_namespace);
    }
}

void mounter_refuse(int mounter, const struct error *refusal)
{
    for (;;) {
        char packet[NAME_LIMIT + 1];
        auto_fd int reply = -1;
        if (!next_request(mounter, packet, &reply))
            return;
        if (reply >= 0)
            answer_with(reply, refusal->code, refusal->message, -1);
    }
}
