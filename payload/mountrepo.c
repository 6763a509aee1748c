/* mountrepo: mounts one repository. Inside cvmfsexec it asks process 1 to do it; elsewhere it
 * mounts under dist/cvmfs beside itself. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "payload/base/error.h"
#include "payload/base/file.h"
#include "payload/base/text.h"
#include "payload/launch/caller.h"
#include "payload/launch/fqrn.h"
#include "payload/launch/host_mounts.h"
#include "payload/launch/mode.h"
#include "payload/launch/paths.h"
#include "payload/launch/request.h"

static const char usage[] = "Usage: mountrepo REPO\n"
                            "Mounts a repository: inside cvmfsexec under /cvmfs, elsewhere under\n"
                            "dist/cvmfs beside this program.\n"
                            "  -v, --version  show the version and end\n"
                            "  -h, --help     show this and end\n";

static int mount_on_host(const char *fqrn, struct text *report, struct error *error)
{
    auto_paths struct paths paths = PATHS_INIT;
    struct caller caller;
    enum mode_number mode;
    int result = mode_read(&mode, error); /* on the plain host there is only one */
    if (result == 0)
        result = paths_find(&paths, error);
    if (result == 0)
        result = caller_remember(&caller, error);
    if (result == 0)
        result = host_mounts_mount(&paths, &caller, fqrn, report, error);
    return result;
}

static int say(const char *words)
{
    return file_write_full(STDOUT_FILENO, words, strlen(words)) < 0;
}

int main(int count, char **arguments)
{
    const char *argument = count == 2 ? arguments[1] : "";
    if (strcmp(argument, "-v") == 0 || strcmp(argument, "--version") == 0)
        return say(CVMFSEXEC_VERSION "\n");
    if (strcmp(argument, "-h") == 0 || strcmp(argument, "--help") == 0)
        return say(usage);
    if (!fqrn_is_valid(argument)) {
        if (argument[0] == '-')
            (void)dprintf(STDERR_FILENO, "mountrepo: unknown option %s\n", argument);
        (void)file_write_full(STDERR_FILENO, usage, strlen(usage));
        return 1;
    }
    struct error error = ERROR_INIT;
    auto_text struct text report = TEXT_INIT;
    int result = request_is_possible() ? request_ask(REQUEST_MOUNT, argument, &report, &error)
                                       : mount_on_host(argument, &report, &error);
    if (report.length > 0)
        (void)dprintf(STDERR_FILENO, "mountrepo: %s", report.bytes);
    if (result < 0)
        (void)dprintf(STDERR_FILENO, "mountrepo: %s\n", error.message);
    return result < 0 ? 1 : result;
}
