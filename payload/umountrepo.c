/* umountrepo: unmounts one repository, or all that mountrepo mounted. */
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "payload/base/error.h"
#include "payload/base/file.h"
#include "payload/base/text.h"
#include "payload/launch/fqrn.h"
#include "payload/launch/host_mounts.h"
#include "payload/launch/mode.h"
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

static const struct {
    const char *word;
    char letter;
    size_t flag; /* in struct wish */
} options[] = {
    {"all", 'a', offsetof(struct wish, all)},
    {"lazy", 'z', offsetof(struct wish, lazily)},
    {"version", 'v', offsetof(struct wish, version)},
    {"help", 'h', offsetof(struct wish, help)},
};

/* By its word or, when that is NULL, by its letter; false when there is none. */
static bool set_flag(struct wish *wish, const char *word, char letter)
{
    for (size_t index = 0; index < sizeof options / sizeof *options; index++) {
        if (word ? strcmp(word, options[index].word) != 0 : letter != options[index].letter)
            continue;
        *(bool *)((char *)wish + options[index].flag) = true;
        return true;
    }
    return false;
}

/* "-za" is "-z -a". */
static bool apply_option(struct wish *wish, const char *option)
{
    if (option[1] == '-')
        return set_flag(wish, option + 2, '\0');
    bool known = true;
    for (const char *letter = option + 1; known && *letter; letter++)
        known = set_flag(wish, NULL, *letter);
    return known;
}

/* 0, or -EINVAL with words for what is not a valid command line. */
static int understand(char **arguments, struct wish *wish, struct error *error)
{
    for (; *arguments; arguments++) {
        if ((*arguments)[0] == '-' && (*arguments)[1] != '\0') {
            if (!apply_option(wish, *arguments))
                return error_set(error, -EINVAL, "unknown option %s", *arguments);
        } else if (!fqrn_is_valid(*arguments)) {
            return error_set(error, -EINVAL, "'%s' is not a name of a repository", *arguments);
        } else if (wish->fqrn) {
            return error_set(error, -EINVAL, "'%s' is too much", *arguments);
        } else {
            wish->fqrn = *arguments;
        }
    }
    if (wish->version || wish->help || wish->all == !wish->fqrn)
        return 0;
    return error_set(error, -EINVAL, "a repository, or -a, has to be named");
}

static int unmount_on_host(const struct wish *wish, struct error *error)
{
    auto_paths struct paths paths = PATHS_INIT;
    enum mode_number mode;
    /* Whoever started this may ignore the end of his children, but here it is waited for. */
    if (signal(SIGCHLD, SIG_DFL) == SIG_ERR)
        return error_system(error, -errno, "preparing to unmount");
    int result = mode_read(&mode, error); /* on the plain host there is only one */
    if (result == 0)
        result = paths_find(&paths, error);
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
    struct error error = ERROR_INIT;
    if (count < 1 || understand(arguments + 1, &wish, &error) < 0) {
        (void)dprintf(STDERR_FILENO, "umountrepo: %s\n%s", error.message, usage);
        return 1;
    }
    if (wish.version || wish.help)
        return say(wish.version ? CVMFSEXEC_VERSION "\n" : usage);
    auto_text struct text report = TEXT_INIT;
    int result =
        request_is_possible() ? ask(&wish, &report, &error) : unmount_on_host(&wish, &error);
    if (report.length > 0)
        (void)dprintf(STDERR_FILENO, "umountrepo: %s", report.bytes);
    if (result < 0)
        (void)dprintf(STDERR_FILENO, "umountrepo: %s\n", error.message);
    return result < 0 ? 1 : result;
}
