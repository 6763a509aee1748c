/* Executing the client. What it is to do, and on which descriptors, is settled before.
 *
 * The official client executes its argv[0], with other arguments, when it needs a process more,
 * such as the manager of a cache that several clients share. That must be a full path, and lead
 * back to the client: its own is enough where the host's loader starts it; where the tree brings
 * the loader it is cvmfsexec, or in a container singcvmfs, which does then what is done here. */
#include "payload/launch/client_program.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "payload/base/scope.h"
#include "payload/base/text.h"
#include "payload/launch/diagnosis.h"
#include "payload/launch/interpreter.h"

/* The client's loader in the dist tree, if the tree brings it; else NULL. The caller frees it. */
static int find_loader(const struct paths *paths, char **loader, struct error *error)
{
    auto_free char *interpreter = NULL;
    int result = interpreter_read(paths->client, &interpreter);
    if (result < 0)
        return diagnosis_execute(result, paths->client, error);
    if (!interpreter)
        return 0;
    auto_text struct text path = TEXT_INIT;
    result = text_printf(&path, "%s%s", paths->libraries, strrchr(interpreter, '/'));
    if (result < 0)
        return error_system(error, result, "finding the loader");
    if (access(path.bytes, X_OK) == 0)
        *loader = text_steal(&path);
    return 0;
}

/* The client reads its modules from the dist tree. Nothing that a user's environment preloads is
 * for it: with a libc of its own, a library of the host's would only break it. */
static int set_environment(const struct paths *paths, const char *library_path, bool own_loader)
{
    int failures = setenv("CVMFS_LIBRARY_PATH", paths->libraries, 1) < 0;
    failures += unsetenv("LD_PRELOAD") < 0;
    failures += unsetenv("LD_AUDIT") < 0;
    if (own_loader)
        failures += unsetenv("LD_LIBRARY_PATH") < 0;
    else
        failures += setenv("LD_LIBRARY_PATH", library_path, 1) < 0;
    return failures ? -ENOMEM : 0;
}

/* execve(2) says of a program whose loader is missing only that something is not there. */
static int explain_failure(const struct paths *paths, int code, struct error *error)
{
    auto_free char *interpreter = NULL;
    if (code == -ENOENT && interpreter_read(paths->client, &interpreter) == 0 && interpreter)
        return error_set(error, code,
                         "starting %s: its loader %s is neither in %s nor on this host",
                         paths->client, interpreter, paths->libraries);
    return diagnosis_execute(code, paths->client, error);
}

int client_program_execute(const struct paths *paths, const char *const *arguments,
                           struct error *error)
{
    auto_free char *loader = NULL;
    int result = find_loader(paths, &loader, error);
    if (result < 0)
        return result;
    size_t count = 0;
    while (arguments[count])
        count++;
    auto_text struct text library_path = TEXT_INIT;
    if (text_printf(&library_path, "%s:%s/lib64:%s/usr/lib", paths->libraries, paths->dist,
                    paths->dist) < 0)
        return error_system(error, -ENOMEM, "preparing the client");
    const char *const by_loader[] = {loader, "--library-path", library_path.bytes, "--argv0",
                                     paths->starter};
    size_t before = loader ? sizeof by_loader / sizeof *by_loader : 0;
    auto_free const char **words = calloc(before + count + 2, sizeof *words);
    if (!words || set_environment(paths, library_path.bytes, loader != NULL) < 0)
        return error_system(error, -ENOMEM, "preparing the client");
    memcpy(words, by_loader, before * sizeof *words);
    words[before] = paths->client;
    memcpy(words + before + 1, arguments, count * sizeof *words);
    /* execv(3) promises to leave the words alone, its type cannot say so. */
    (void)execv(words[0], (char *const *)(void *)words);
    return explain_failure(paths, -errno, error);
}

bool client_program_is_wanted(char *const *arguments)
{
    return arguments[0] && arguments[1] && string_starts_with(arguments[1], "__");
}
