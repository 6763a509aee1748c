/* Asks what cvmfsexec would ask. */
#include "payload/container/otherwise.h"

#include "payload/launch/caller.h"
#include "payload/launch/mode.h"
#include "payload/launch/node.h"

int otherwise_explain(const struct paths *paths, int code, struct error *error)
{
    const struct error missing = *error;
    struct error refusal = ERROR_INIT;
    struct caller caller;
    int result = caller_remember(&caller, &refusal);
    if (result == 0)
        result = node_mode(MODE_INSIDE, paths, &caller, &refusal);
    if (result < 0)
        result = node_mode(MODE_OUTSIDE, paths, &caller, NULL);
    if (result == 0)
        return error_set(error, code,
                         "%s; but it allows user namespaces, in which 'cvmfsexec REPO -- COMMAND', "
                         "made by 'makedist' without -s, mounts without them",
                         missing.message);
    return error_set(error, code, "%s, and cvmfsexec could not mount either: %s", missing.message,
                     refusal.message);
}
