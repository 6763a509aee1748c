/* Executing the client. What it is to do, and on which descriptors, is settled before. */
#include "payload/launch/client_program.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "payload/base/scope.h"
#include "payload/base/text.h"
#include "payload/launch/interpreter.h"

/* The client's loader in the dist tree, if the tree brings it; else NULL. The caller frees it. */
static int find_loader(const struct paths *paths, char **loader, struct error *error)
{
    auto_free char *interpreter = NULL;
    int result = interpreter_read(paths->client, &interpreter);
    if (result < 0)
        return error_system(error, result, "reading %s", paths->client);
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
static int set_environment(const struct paths *paths, bool own_loader)
{
    int failures = setenv("CVMFS_LIBRARY_PATH", paths->libraries, 1) < 0;
    failures += unsetenv("LD_PRELOAD") < 0;
    failures += unsetenv("LD_AUDIT") < 0;
    if (own_loader)
        failures += unsetenv("LD_LIBRARY_PATH") < 0;
    else
        failures += setenv("LD_LIBRARY_PATH", paths->libraries, 1) < 0;
    return failures ? -ENOMEM : 0;
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
    const char *const by_loader[] = {loader, "--library-path", paths->libraries, "--argv0",
                                     paths->client};
    size_t before = loader ? sizeof by_loader / sizeof *by_loader : 0;
    auto_free const char **words = calloc(before + count + 2, sizeof *words);
    if (!words || set_environment(paths, loader != NULL) < 0)
        return error_system(error, -ENOMEM, "preparing the client");
    memcpy(words, by_loader, before * sizeof *words);
    words[before] = paths->client;
    memcpy(words + before + 1, arguments, count * sizeof *words);
    /* execv(3) promises to leave the words alone, its type cannot say so. */
    (void)execv(words[0], (char *const *)(void *)words);
    return error_system(error, -errno, "starting %s", paths->client);
}
