/* readfiles LIST: opens, reads to the end and closes each path that LIST has on a line, in order,
 * and prints the nanoseconds of that. A reader without an interpreter, whose own cost would make
 * every ratio look better than it is. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "payload/base/file.h"
#include "payload/base/scope.h"

#define LIST_LIMIT (64u << 20)

static char buffer[1 << 20];

static int read_file(const char *path)
{
    auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    ssize_t count = 0;
    while ((count = read(fd, buffer, sizeof buffer)) > 0)
        continue;
    return count < 0 ? -errno : 0;
}

/* Cuts the list at its newlines and reads what each line names. */
static int read_listed(char *list)
{
    char *rest = list;
    char *path = NULL;
    while ((path = strsep(&rest, "\n")) != NULL) {
        int result = *path ? read_file(path) : 0;
        if (result < 0) {
            (void)fprintf(stderr, "readfiles: %s: %s\n", path, strerror(-result));
            return result;
        }
    }
    return 0;
}

int main(int count, char **arguments)
{
    if (count != 2) {
        (void)fprintf(stderr, "usage: readfiles LIST\n");
        return 2;
    }
    auto_text struct text list = TEXT_INIT;
    int result = file_load(AT_FDCWD, arguments[1], LIST_LIMIT, &list);
    if (result < 0) {
        (void)fprintf(stderr, "readfiles: %s: %s\n", arguments[1], strerror(-result));
        return 1;
    }
    struct timespec begin;
    struct timespec end;
    (void)clock_gettime(CLOCK_MONOTONIC, &begin);
    if (list.bytes && read_listed(list.bytes) < 0)
        return 1;
    (void)clock_gettime(CLOCK_MONOTONIC, &end);
    return printf("%" PRId64 "\n", (int64_t)(end.tv_sec - begin.tv_sec) * 1000000000 +
                                       (end.tv_nsec - begin.tv_nsec)) < 0;
}
