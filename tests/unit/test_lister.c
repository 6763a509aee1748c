/* payload/client/lister: directories are opened by a thread that has no descriptor of the process.
 */
#include "payload/client/lister.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/unit/tap.h"

/* Entries of a directory, without "." and "..", or -1. */
static int count_entries(const char *path)
{
    DIR *directory = opendir(path);
    if (!directory)
        return -1;
    int count = -2;
    while (readdir(directory))
        count++;
    (void)closedir(directory);
    return count;
}

/* Descriptors of the one thread of this process that is not the first, while it is idle; or -1. */
static int descriptors_of_the_lister(void)
{
    DIR *threads = opendir("/proc/self/task");
    int found = -1;
    for (struct dirent *entry = NULL; threads && (entry = readdir(threads));) {
        char path[64];
        long thread = strtol(entry->d_name, NULL, 10);
        (void)snprintf(path, sizeof path, "/proc/self/task/%ld/fd", thread);
        if (thread > 0 && thread != getpid())
            found = count_entries(path);
    }
    if (threads)
        (void)closedir(threads);
    return found;
}

static void it_opens_what_is_there(const char *where)
{
    struct lister *lister = NULL;
    if (!CHECK(lister_start(&lister) == 0, "a lister starts %s", where))
        return;
    uint64_t missing = lister_list(lister, "/proc/self/there-is-none", 0, INT64_MAX);
    uint64_t present = lister_list(lister, "/proc/self", 0, INT64_MAX);
    CHECK(lister_wait(lister, present), "it opens a directory %s", where);
    CHECK(!lister_wait(lister, missing), "it says that there is none %s", where);
    for (int number = 0; number < 10; number++)
        present = lister_list(lister, "/", 0, 1);
    CHECK(lister_wait(lister, present), "it opens many, one after the other, %s", where);
    CHECK(descriptors_of_the_lister() == 0, "it holds none of the process's descriptors %s", where);
    lister_stop(lister);
}

/* As if the kernel were older than 5.9; for this thread and those that it will start. */
static bool forget_close_range(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_close_range, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {sizeof filter / sizeof filter[0], filter};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

int main(void)
{
    it_opens_what_is_there("here");
    if (forget_close_range())
        it_opens_what_is_there("on an old kernel");
    else
        tap_skip("an old kernel", "no seccomp filter can be set");
    return tap_done();
}
