/* Redirections: the shell only notes which descriptor stands for which standard one, so that
 * builtins need no process; programs get them when they start. */
#include "payload/config/shell_redirect.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "payload/base/scope.h"
#include "payload/config/shell_expand.h"

int descriptor_move_up(int fd)
{
    if (fd < 0 || fd > STDERR_FILENO)
        return fd;
    int moved = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    int result = moved < 0 ? -errno : moved;
    (void)close(fd);
    return result;
}

/* *fd stays -1 for /dev/null. 0 or a negative errno. */
static int open_target(struct shell *shell, enum redirection_kind kind, const char *target, int *fd)
{
    if (strcmp(target, "/dev/null") == 0)
        return 0;
    if (shell->options.no_processes)
        return -EPERM;
    auto_text struct text path = TEXT_INIT;
    int result = shell_path(shell, target, &path);
    if (result < 0)
        return result;
    int flags = O_RDONLY;
    if (kind == REDIRECT_OUTPUT)
        flags = O_WRONLY | O_CREAT | O_TRUNC;
    else if (kind == REDIRECT_APPEND)
        flags = O_WRONLY | O_CREAT | O_APPEND;
    int opened = open(path.bytes, flags | O_CLOEXEC | O_NOCTTY, 0666);
    opened = opened < 0 ? -errno : descriptor_move_up(opened);
    *fd = opened < 0 ? -1 : opened;
    return opened < 0 ? opened : 0;
}

/* >&2 and >&-. *fd stays -1 for what is closed or /dev/null. 0 or a negative errno. */
static int duplicate(const struct shell *shell, const char *target, int *fd)
{
    if (strcmp(target, "-") == 0)
        return 0;
    if (target[0] < '0' || target[0] > '2' || target[1])
        return -EBADF;
    const int source = shell->descriptors[target[0] - '0'];
    if (source < 0)
        return 0;
    *fd = fcntl(source, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    return *fd < 0 ? -errno : 0;
}

static int redirect(struct shell *shell, const struct redirection *redirection,
                    struct redirected *redirected, bool *usable)
{
    auto_text struct text target = TEXT_INIT;
    int result =
        expand_string(shell, redirection->target.text, redirection->target.length, &target);
    if (result < 0)
        return result;
    const int standard = redirection->descriptor;
    int fd = -1;
    result = -EBADF;
    if (standard <= STDERR_FILENO)
        result = redirection->kind == REDIRECT_DUPLICATE
                     ? duplicate(shell, target.bytes, &fd)
                     : open_target(shell, redirection->kind, target.bytes, &fd);
    if (result < 0) {
        shell_note(shell, "redirection to %s: %s", target.bytes, strerror(-result));
        shell->status = 1;
        *usable = false;
        return 0;
    }
    if (redirected->opened[standard] >= 0)
        (void)close(redirected->opened[standard]); /* nobody can ask how its writes went */
    redirected->opened[standard] = fd;
    shell->descriptors[standard] = fd;
    return 0;
}

int redirect_begin(struct shell *shell, const struct redirection *list,
                   struct redirected *redirected, bool *usable)
{
    *usable = true;
    for (int i = 0; i < 3; i++) {
        redirected->before[i] = shell->descriptors[i];
        redirected->opened[i] = -1;
    }
    int result = 0;
    for (; result == 0 && *usable && list; list = list->next)
        result = redirect(shell, list, redirected, usable);
    return result;
}

void redirect_end(struct shell *shell, struct redirected *redirected)
{
    for (int i = 0; i < 3; i++) {
        shell->descriptors[i] = redirected->before[i];
        if (redirected->opened[i] >= 0)
            (void)close(redirected->opened[i]);
    }
}
