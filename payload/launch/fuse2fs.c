/* How fuse2fs is found and started. When to start and to end it is the keeper's (image_keeper.c).
 *
 * libfuse opens /dev/fuse and mounts without a helper when it may. A process that execs in a user
 * namespace where it is not root loses its capabilities, but for those that are "ambient":
 * capabilities(7). */
#include "payload/launch/fuse2fs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "payload/base/descriptors.h"
#include "payload/base/scope.h"
#include "payload/launch/tree_program.h"

#ifndef PR_CAP_AMBIENT
#define PR_CAP_AMBIENT 47
#define PR_CAP_AMBIENT_RAISE 2
#endif

#define NAME "fuse2fs"
#define LOCKED_NUMBER 3

/* 1 when `directory` has it, 0 when not, or -ENOMEM. Leaves its path in `program`. */
static int look_into(const char *directory, size_t length, struct text *program)
{
    text_free(program);
    if (text_append(program, directory, length) < 0 || text_append_string(program, "/" NAME) < 0)
        return -ENOMEM;
    return access(program->bytes, X_OK) == 0;
}

static int look_into_tree(const struct paths *paths, struct text *program)
{
    static const char *const places[] = {"/usr/bin", "/usr/sbin"};
    int result = 0;
    for (size_t index = 0; result == 0 && index < sizeof places / sizeof *places; index++) {
        auto_text struct text directory = TEXT_INIT;
        if (text_printf(&directory, "%s%s", paths->dist, places[index]) < 0)
            return -ENOMEM;
        result = look_into(directory.bytes, directory.length, program);
    }
    return result;
}

/* Directories that are not absolute would be others once the working directory is. */
static int look_along(const char *directories, struct text *program)
{
    int result = 0;
    while (result == 0 && *directories) {
        size_t length = strcspn(directories, ":");
        if (*directories == '/')
            result = look_into(directories, length, program);
        directories += length;
        directories += *directories == ':';
    }
    return result;
}

int fuse2fs_find(const struct paths *paths, struct text *program, struct error *error)
{
    const char *search_path = getenv("PATH");
    int result = look_into_tree(paths, program);
    if (result == 0 && search_path)
        result = look_along(search_path, program);
    if (result == 0)
        result = look_along("/usr/bin:/usr/sbin:/bin:/sbin", program);
    if (result < 0)
        return error_system(error, result, "looking for " NAME);
    if (result == 0)
        return error_set(error, -ENOENT,
                         "-m needs the program " NAME
                         ", which is neither in %s/usr/bin nor on this "
                         "host (root can install it with the package " NAME ")",
                         paths->dist);
    return 0;
}

static int raise_capability(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
    if (syscall(SYS_capget, &header, data) < 0)
        return -errno;
    data[CAP_TO_INDEX(CAP_SYS_ADMIN)].inheritable |= CAP_TO_MASK(CAP_SYS_ADMIN);
    if (syscall(SYS_capset, &header, data) < 0 ||
        prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SYS_ADMIN, 0, 0) < 0)
        return -errno;
    return 0;
}

/* libfuse ends on HUP, INT and TERM. The last two are for the command, whoever sends them to
 * everybody; HUP is ours: nobody else sends it to a session without a terminal. libfuse leaves one
 * alone that is ignored, as under nohup(1). */
static int set_signals(pid_t parent)
{
    sigset_t end;
    (void)sigemptyset(&end);
    (void)sigaddset(&end, FUSE2FS_END);
    if (signal(FUSE2FS_END, SIG_DFL) == SIG_ERR || prctl(PR_SET_PDEATHSIG, FUSE2FS_END) < 0 ||
        sigprocmask(SIG_UNBLOCK, &end, NULL) < 0)
        return -errno;
    return getppid() == parent ? 0 : -ESRCH;
}

static int set_descriptors(const struct fuse2fs_plan *plan)
{
    int null = descriptors_open_null();
    if (null < 0)
        return null;
    if (dup2(null, STDIN_FILENO) < 0 || dup2(plan->output, STDOUT_FILENO) < 0 ||
        dup2(plan->output, STDERR_FILENO) < 0)
        return -errno;
    if (plan->file == LOCKED_NUMBER ? fcntl(plan->file, F_SETFD, 0) < 0
                                    : dup2(plan->file, LOCKED_NUMBER) < 0)
        return -errno;
    return descriptors_close_from(LOCKED_NUMBER + 1);
}

static bool is_in_tree(const struct fuse2fs_plan *plan)
{
    size_t length = strlen(plan->paths->dist);
    return strncmp(plan->program, plan->paths->dist, length) == 0 && plan->program[length] == '/';
}

/* The image comes first, because fuse2fs makes its first word the source in the mount table.
 * fakeroot: the permissions in the image do not count, it is the caller's as a whole. -s: it has
 * one big lock anyway, and ends more simply without threads. */
static int execute(const struct fuse2fs_plan *plan, struct error *error)
{
    auto_text struct text options = TEXT_INIT;
    if (text_printf(&options, "fakeroot,nosuid,nodev,uid=%u,gid=%u", geteuid(), getegid()) < 0)
        return error_system(error, -ENOMEM, "starting " NAME);
    const char *const words[] = {plan->program, plan->image, plan->where,   "-f",
                                 "-s",          "-o",        options.bytes, NULL};
    if (is_in_tree(plan)) {
        const struct tree_program program = {.dist = plan->paths->dist,
                                             .path = plan->program,
                                             .name = NAME,
                                             .plain_name = plan->program};
        return error_system(error, tree_program_execute(&program, words + 1), "starting %s",
                            plan->program);
    }
    const char *plain[sizeof words / sizeof *words];
    memcpy(plain, words, sizeof words);
    (void)execv(plain[0], (char *const *)(void *)plain);
    return error_system(error, -errno, "starting %s", plan->program);
}

static int become_fuse2fs(const struct fuse2fs_plan *plan, pid_t parent, struct error *error)
{
    int result = set_descriptors(plan);
    if (result == 0)
        result = set_signals(parent);
    if (result < 0)
        return error_system(error, result, "preparing " NAME);
    result = raise_capability();
    if (result < 0)
        return error_system(error, result, "raising the capability to mount for " NAME);
    return execute(plan, error);
}

pid_t fuse2fs_start(const struct fuse2fs_plan *plan, struct error *error)
{
    const pid_t parent = getpid();
    pid_t pid = fork();
    if (pid < 0)
        return error_system(error, -errno, "starting a process for " NAME);
    if (pid == 0) {
        struct error failure = ERROR_INIT;
        (void)become_fuse2fs(plan, parent, &failure);
        (void)dprintf(STDERR_FILENO, "%s\n", failure.message);
        _exit(1);
    }
    return pid;
}
