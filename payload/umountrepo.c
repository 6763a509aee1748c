/* umountrepo: unmounts one repository, or all that mountrepo mounted. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "payload/base/error.h"
#include "payload/base/file.h"
#include "payload/base/text.h"
#include "payload/launch/fqrn.h"
#include "payload/launch/host_mounts.h"
#include "payload/launch/paths.h"
#include "payload/launch/request.h"

static const char usage[] = "Usage: umountrepo [-z] {REPO|-a}\n"
                            "Unmounts a repository that mountrepo mounted.\n"
                            "  -a, --all      all of them\n"
                            "  -z, --lazy     even while it is in use\n"
                            "  -v, --version  show the version and end\n"
                            "  -h, --help     show this and end\n";

struct wish {
    const char *fqrn;
    bool all;
    bool lazily;
    bool version;
    bool help;
};

static bool is(const char *argument, const char *letter, const char *word)
{
    return strcmp(argument, letter) == 0 || strcmp(argument, word) == 0;
}

/* False for what is not a valid command line. */
static bool understand(char **arguments, struct wish *wish)
{
    for (; *arguments; arguments++) {
        if (is(*arguments, "-z", "--lazy"))
            wish->lazily = true;
        else if (is(*arguments, "-a", "--all"))
            wish->all = true;
        else if (is(*arguments, "-v", "--version"))
            wish->version = true;
        else if (is(*arguments, "-h", "--help"))
            wish->help = true;
        else if (!wish->fqrn && fqrn_is_valid(*arguments))
            wish->fqrn = *arguments;
        else
            return false;
    }
    return wish->version || wish->help || wish->all == !wish->fqrn;
}

static int unmount_on_host(const struct wish *wish, struct error *error)
{
    auto_paths struct paths paths = PATHS_INIT;
    int result = paths_find(&paths, error);
    if (result < 0)
        return result;
    return host_mounts_unmount(&paths, wish->fqrn, wish->lazily, error);
}

static int ask(const struct wish *wish, struct text *report, struct error *error)
{
    return request_ask(wish->lazily ? REQUEST_UNMOUNT_LAZILY : REQUEST_UNMOUNT,
                       wish->all ? REQUEST_ALL : wish->fqrn, report, error);
}

static int say(const char *words)
{
    return file_write_full(STDOUT_FILENO, words, strlen(words)) < 0;
}

int main(int count, char **arguments)
{
    struct wish wish = {.fqrn = NULL};
    if (count < 1 || !understand(arguments + 1, &wish)) {
        (void)file_write_full(STDERR_FILENO, usage, strlen(usage));
        return 1;
    }
    if (wish.version || wish.help)
        return say(wish.version ? CVMFSEXEC_VERSION "\n" : usage);
    struct error error = ERROR_INIT;
    auto_text struct text report = TEXT_INIT;
    int result =
        request_is_possible() ? ask(&wish, &report, &error) : unmount_on_host(&wish, &error);
    if (report.length > 0)
        (void)dprintf(STDERR_FILENO, "umountrepo: %s", report.bytes);
    if (result < 0)
        (void)dprintf(STDERR_FILENO, "umountrepo: %s\n", error.message);
    return result < 0 ? 1 : result;
}
