/* Running fusermount3, or fusermount where there is only that: the options used here mean the same
 * to both. A mounted device comes back over the socket named in $_FUSE_COMMFD, as a descriptor sent
 * along with one byte; fusermount3(1) leaves that to be known from libfuse. */
#include "payload/launch/fusermount.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "payload/base/file.h"
#include "payload/base/scope.h"
#include "payload/launch/diagnosis.h"
#include "payload/launch/passing.h"

/* Behind $PATH, which a batch system may have cut short. The last is where NixOS keeps setuid
 * programs. */
#define USUAL_PLACES "/usr/bin:/bin:/usr/local/bin:/usr/sbin:/sbin:/run/wrappers/bin"
#define WORDS_LIMIT 1024

static bool is_program(const char *path, struct stat *status)
{
    return stat(path, status) == 0 && S_ISREG(status->st_mode) && access(path, X_OK) == 0;
}

static bool gives_privilege(const struct stat *status)
{
    return status->st_uid == 0 && (status->st_mode & S_ISUID);
}

/* 1 when one gives privilege: its path is in `path`; 0 when none does: the first one's is in
 * `plain` unless something is there already; or -ENOMEM. */
static int look_for(const char *name, const char *places, struct text *path, struct text *plain)
{
    for (const char *place = places + strspn(places, ":"); *place; place += strspn(place, ":")) {
        const size_t length = strcspn(place, ":");
        auto_text struct text candidate = TEXT_INIT;
        struct stat status;
        if (text_append(&candidate, place, length) < 0 || text_printf(&candidate, "/%s", name) < 0)
            return -ENOMEM;
        place += length;
        if (!is_program(candidate.bytes, &status))
            continue;
        if (gives_privilege(&status))
            return text_append_string(path, candidate.bytes) < 0 ? -ENOMEM : 1;
        if (plain->length == 0 && text_append_string(plain, candidate.bytes) < 0)
            return -ENOMEM;
    }
    return 0;
}

int fusermount_find(struct text *path)
{
    static const char *const names[] = {"fusermount3", "fusermount"};
    const char *search = getenv("PATH");
    auto_text struct text places = TEXT_INIT;
    auto_text struct text plain = TEXT_INIT;
    if (text_printf(&places, "%s:" USUAL_PLACES, search ? search : "") < 0)
        return -ENOMEM;
    for (size_t index = 0; index < sizeof names / sizeof *names; index++) {
        int result = look_for(names[index], places.bytes, path, &plain);
        if (result != 0)
            return result < 0 ? result : 0;
    }
    if (plain.length == 0)
        return -ENOENT;
    return text_append_string(path, plain.bytes);
}

/* In the child: returns only when it fails. */
static void execute(char **words, int socket, int said)
{
    auto_text struct text program = TEXT_INIT;
    char number[16];
    (void)snprintf(number, sizeof number, "%d", socket); /* a number fits */
    if (socket >= 0 && (fcntl(socket, F_SETFD, 0) < 0 || setenv("_FUSE_COMMFD", number, 1) < 0))
        return;
    if (fusermount_find(&program) == 0 && dup2(said, STDERR_FILENO) >= 0)
        (void)execv(program.bytes, words);
}

/* 0 when the program says so; else -EIO, with what it had to say. */
static int run(char **words, int socket, char said[static WORDS_LIMIT], struct error *error)
{
    said[0] = '\0';
    auto_fd int file = memfd_create("fusermount", MFD_CLOEXEC);
    pid_t pid = file < 0 ? -1 : fork();
    if (pid < 0)
        return error_system(error, -errno, "starting fusermount");
    if (pid == 0) {
        execute(words, socket, file);
        _exit(127);
    }
    int status;
    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR)
            return error_system(error, -errno, "waiting for fusermount");
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    ssize_t length = file_pread_full(file, said, WORDS_LIMIT - 1, 0);
    said[length < 0 ? 0 : length] = '\0';
    said[strcspn(said, "\n")] = '\0'; /* its first line has the reason */
    return error_set(error, -EIO, "%s", said[0] ? said : "fusermount failed");
}

int fusermount_mount(const char *path, bool check_permissions, struct error *error)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return error_system(error, -errno, "making a socket for fusermount");
    auto_fd int ours = ends[0];
    auto_fd int theirs = ends[1];
    char name[] = "fusermount", option[] = "-o", end[] = "--";
    char plain[] = "fsname=/dev/fuse,ro,nosuid,nodev";
    char checking[] = "fsname=/dev/fuse,ro,nosuid,nodev,default_permissions";
    auto_free char *where = strdup(path);
    if (!where)
        return error_system(error, -ENOMEM, "mounting %s", path);
    char *words[] = {name, option, check_permissions ? checking : plain, end, where, NULL};
    char said[WORDS_LIMIT];
    int result = run(words, theirs, said, error);
    if (result < 0) {
        auto_text struct text program = TEXT_INIT;
        (void)fusermount_find(&program); /* or it is not there, which is the reason */
        return diagnosis_fusermount(program.bytes, said, error);
    }
    int device = -1;
    char byte;
    if (passing_receive(ours, &byte, 1, &device) < 0 || device < 0)
        return error_set(error, -EIO, "mounting %s: fusermount sent no device", path);
    return device;
}

int fusermount_unmount(const char *path, bool lazily, struct error *error)
{
    char name[] = "fusermount", unmount[] = "-u", unmount_lazily[] = "-uz", end[] = "--";
    auto_free char *where = strdup(path);
    if (!where)
        return error_system(error, -ENOMEM, "unmounting %s", path);
    char *words[] = {name, lazily ? unmount_lazily : unmount, end, where, NULL};
    char said[WORDS_LIMIT];
    int result = run(words, -1, said, error);
    return result < 0 ? error_prefix(error, "unmounting %s", path) : 0;
}
