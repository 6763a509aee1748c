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
#include "payload/launch/tree_program.h"

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
    const struct tree_program client = {
        .dist = paths->dist,
        .path = paths->client,
        .name = paths->starter,
        .plain_name = paths->client,
    };
    if (setenv("CVMFS_LIBRARY_PATH", paths->libraries, 1) < 0) /* where its modules are */
        return error_system(error, -ENOMEM, "preparing the client");
    return explain_failure(paths, tree_program_execute(&client, arguments), error);
}

bool client_program_is_wanted(char *const *arguments)
{
    return arguments[0] && arguments[1] && string_starts_with(arguments[1], "__");
}
