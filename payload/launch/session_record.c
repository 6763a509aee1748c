/* Names are used below a descriptor of the directory that was looked at, by way of /proc/self/fd:
 * neither can somebody put another directory in its place, nor is the length of its path limited to
 * that of a socket's name, unix(7). Knows nothing of what is said over a connection. */
#include "payload/launch/session_record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "payload/base/scope.h"
#include "payload/base/text.h"

static int directory_path(struct text *path)
{
    const char *variable = getenv(SESSION_DIRECTORY_VARIABLE);
    if (variable && *variable)
        return text_append_string(path, variable);
    return text_printf(path, "/tmp/cvmfsexec-%u", geteuid());
}

int session_record_open(struct error *error)
{
    auto_text struct text path = TEXT_INIT;
    int result = directory_path(&path);
    if (result < 0)
        return error_system(error, result, "finding the record of sessions");
    if (mkdir(path.bytes, 0700) < 0 && errno != EEXIST)
        return error_system(error, -errno,
                            "making %s for the record of sessions ($" SESSION_DIRECTORY_VARIABLE
                            " can name another)",
                            path.bytes);
    auto_fd int fd = open(path.bytes, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) < 0)
        return error_system(error, errno == ELOOP || errno == ENOTDIR ? -EPERM : -errno,
                            "opening %s, the record of sessions (a link is not followed)",
                            path.bytes);
    if (status.st_uid != geteuid() || (status.st_mode & 077) != 0)
        return error_set(error, -EPERM,
                         "%s, the record of sessions, is not yours alone (it belongs to user %u "
                         "and has mode %03o, not 700); $" SESSION_DIRECTORY_VARIABLE
                         " can name another",
                         path.bytes, status.st_uid, status.st_mode & 07777);
    return steal_fd(&fd);
}

int session_record_lock(int directory, struct error *error)
{
    while (flock(directory, LOCK_EX) < 0) {
        if (errno != EINTR)
            return error_system(error, -errno, "locking the record of sessions");
    }
    return 0;
}

void session_record_unlock(int directory)
{
    (void)flock(directory, LOCK_UN); /* cannot fail for a descriptor that was locked */
}

static int socket_open(int directory, const char *name, struct sockaddr_un *address)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    int length = snprintf(address->sun_path, sizeof address->sun_path, "/proc/self/fd/%d/%s",
                          directory, name);
    if (length < 0 || (size_t)length >= sizeof address->sun_path)
        return -ENAMETOOLONG;
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    return fd < 0 ? -errno : fd;
}

bool session_record_is_own_peer(int connection)
{
    struct ucred peer;
    socklen_t length = sizeof peer;
    return getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 &&
           peer.uid == geteuid();
}

int session_record_connect(int directory, const char *name, struct error *error)
{
    struct sockaddr_un address;
    auto_fd int fd = socket_open(directory, name, &address);
    if (fd < 0)
        return error_system(error, fd, "connecting to session %s", name);
    int result;
    do
        result = connect(fd, (const struct sockaddr *)&address, sizeof address);
    while (result < 0 && errno == EINTR);
    if (result < 0 && errno == ENOENT)
        return error_set(error, -ENOENT, "there is no session %s", name);
    if (result < 0)
        return error_system(error, -errno, "connecting to session %s", name);
    if (!session_record_is_own_peer(fd))
        return error_set(error, -EPERM, "session %s is another user's", name);
    return steal_fd(&fd);
}

static int identify(int directory, const char *name, struct session_identity *identity)
{
    struct stat status;
    if (fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    *identity = (struct session_identity){.inode = status.st_ino, .changed = status.st_ctim};
    return 0;
}

static bool is_there(int directory, const char *name, const struct session_identity *identity)
{
    struct session_identity present;
    return identify(directory, name, &present) == 0 && present.inode == identity->inode &&
           present.changed.tv_sec == identity->changed.tv_sec &&
           present.changed.tv_nsec == identity->changed.tv_nsec;
}

int session_record_visit(const char *name, struct session_identity *identity, struct error *error)
{
    auto_fd int directory = session_record_open(error);
    if (directory < 0)
        return directory;
    int result = session_record_lock(directory, error);
    if (result < 0)
        return result;
    if (identity && identify(directory, name, identity) < 0)
        return error_set(error, -ENOENT, "there is no session %s", name);
    int connection = session_record_connect(directory, name, error);
    if (connection != -ECONNREFUSED)
        return connection;
    result = session_record_remove(directory, name, error);
    if (result < 0)
        return result;
    return error_set(error, -ENOENT,
                     "session %s was killed: nothing is left of it, and its record is removed now",
                     name);
}

/* Until the other side is gone. */
static void wait_for_close(int connection)
{
    char byte;
    ssize_t length;
    do
        length = read(connection, &byte, 1);
    while (length > 0 || (length < 0 && errno == EINTR));
}

int session_record_outlast(const char *name, const struct session_identity *identity,
                           struct error *error)
{
    auto_fd int directory = session_record_open(error);
    if (directory < 0)
        return directory;
    for (;;) {
        int result = session_record_lock(directory, error);
        if (result < 0)
            return result;
        if (!is_there(directory, name, identity))
            return 0;
        auto_fd int connection = session_record_connect(directory, name, error);
        if (connection == -ECONNREFUSED)
            return session_record_remove(directory, name, error);
        session_record_unlock(directory);
        if (connection < 0)
            return connection;
        wait_for_close(connection); /* nobody speaks to us before that */
    }
}

int session_record_make(int directory, const char *name, struct session_identity *identity,
                        struct error *error)
{
    struct sockaddr_un address;
    auto_fd int fd = socket_open(directory, name, &address);
    if (fd < 0)
        return error_system(error, fd, "recording session %s", name);
    if (bind(fd, (const struct sockaddr *)&address, sizeof address) < 0 ||
        listen(fd, SOMAXCONN) < 0)
        return error_system(error, -errno, "recording session %s", name);
    int result = identify(directory, name, identity);
    return result < 0 ? error_system(error, result, "recording session %s", name) : steal_fd(&fd);
}

int session_record_remove(int directory, const char *name, struct error *error)
{
    if (unlinkat(directory, name, 0) < 0 && errno != ENOENT)
        return error_system(error, -errno, "removing the record of session %s", name);
    return 0;
}

void session_record_remove_own(int directory, const char *name,
                               const struct session_identity *identity)
{
    if (is_there(directory, name, identity))
        (void)unlinkat(directory, name, 0); /* what stays is found to be dead by the next */
}
