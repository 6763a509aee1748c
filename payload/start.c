/* start: becomes the program that it stands for, with the libraries of the dist tree that both are
 * in. It is for programs that somebody else starts, who knows nothing of the tree: NAME is a link
 * to this one, and beside it .NAME is the program. No shell and no /proc are needed for that.
 *
 *     usr/libexec/cvmfsexec/start
 *     usr/libexec/cvmfs/authz/cvmfs_x509_helper -> ../../cvmfsexec/start
 *     usr/libexec/cvmfs/authz/.cvmfs_x509_helper
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "payload/base/error.h"
#include "payload/base/scope.h"
#include "payload/base/text.h"
#include "payload/launch/tree_program.h"

#define OWN_PLACE "/usr/libexec/cvmfsexec/start"
#define MOST_LINKS 16 /* one after the other */
#define EXIT_NOT_EXECUTED 126

/* The path that was executed, which argv[0] need not be. */
static const char *executed_path(char *const *arguments)
{
    const char *path = (const char *)getauxval(AT_EXECFN); /* getauxval(3): an address */
    return path && *path ? path : arguments[0];
}

/* The path of `target` in the directory of `path`. */
static int join(const char *path, const char *prefix, const char *target, struct text *joined)
{
    const char *slash = *target == '/' ? NULL : strrchr(path, '/');
    const int length = slash ? (int)(slash + 1 - path) : 0;
    return text_printf(joined, "%.*s%s%s", length, path, prefix, target);
}

static int find_beside(const char *path, struct text *program)
{
    const char *slash = strrchr(path, '/');
    return join(path, ".", slash ? slash + 1 : path, program);
}

/* The program that `path` stands for; or, since people may make links to that link, what it is a
 * link to does. */
static int find_program(const char *path, struct text *program, struct error *error)
{
    auto_text struct text link = TEXT_INIT;
    int result = text_append_string(&link, path);
    for (unsigned links = 0; result == 0 && links < MOST_LINKS; links++) {
        char target[PATH_MAX];
        auto_text struct text next = TEXT_INIT;
        text_free(program);
        result = find_beside(link.bytes, program);
        if (result < 0 || access(program->bytes, F_OK) == 0)
            return result < 0 ? error_system(error, result, "starting %s", path) : 0;
        ssize_t length = readlink(link.bytes, target, sizeof target - 1);
        if (length < 0)
            break;
        target[length] = '\0';
        result = join(link.bytes, "", target, &next);
        text_free(&link);
        if (result == 0)
            result = text_append_string(&link, next.bytes);
    }
    return result < 0 ? error_system(error, result, "starting %s", path)
                      : error_set(error, -ENOENT, "%s stands for no program", path);
}

/* Appends the path of the tree. */
static int find_tree(const char *path, struct text *dist, struct error *error)
{
    auto_free char *own = realpath(path, NULL);
    if (!own)
        return error_system(error, -errno, "finding %s", path);
    if (!string_ends_with(own, OWN_PLACE))
        return error_set(error, -ENOENT, "%s is not in a dist tree, as " OWN_PLACE, own);
    return text_append(dist, own, strlen(own) - strlen(OWN_PLACE));
}

static int become_program(char *const *arguments, struct error *error)
{
    const char *path = executed_path(arguments);
    auto_text struct text dist = TEXT_INIT;
    auto_text struct text program = TEXT_INIT;
    if (!path)
        return error_set(error, -EINVAL, "started without a name");
    int result = find_tree(path, &dist, error);
    if (result == 0)
        result = find_program(path, &program, error);
    if (result < 0)
        return result;
    const char *name = arguments[0] ? arguments[0] : path;
    const struct tree_program wanted = {
        .dist = dist.bytes, .path = program.bytes, .name = name, .plain_name = name};
    result =
        tree_program_execute(&wanted, (const char *const *)(arguments + (arguments[0] != NULL)));
    return error_system(error, result, "starting %s", program.bytes);
}

int main(int count, char **arguments)
{
    (void)count;
    struct error error = ERROR_INIT;
    (void)become_program(arguments, &error);
    (void)dprintf(STDERR_FILENO, "%s\n", error.message);
    return EXIT_NOT_EXECUTED;
}
