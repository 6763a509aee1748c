/* Asking node.h and installation.h, and laying out the answers. Finds out nothing itself but what
 * the system says of itself at once. */
#include "payload/launch/check.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "payload/base/error.h"
#include "payload/base/scope.h"
#include "payload/launch/installation.h"
#include "payload/launch/node.h"
#include "payload/launch/root.h"

#define AUTOFS_MAGIC 0x0187 /* linux/magic.h */

/* What was found out about one question. `code` of the error is 0 for yes. */
struct finding {
    struct text words;
    struct error error;
};

#define FINDING_INIT                            \
    {                                           \
        .words = TEXT_INIT, .error = ERROR_INIT \
    }

struct findings {
    struct finding inside;  /* mode 3 */
    struct finding outside; /* mode 2 */
    struct finding host;    /* mode 1 */
    struct finding namespaces;
    struct finding pid_namespace;
    struct finding client;
    struct finding cache;
    struct finding log;
    struct finding clock;
};

static bool is_yes(const struct finding *finding)
{
    return finding->error.code == 0;
}

/* The set of namespaces that a run would be in (outer.h), or NULL, with the words of the last that
 * was refused: that is the one most callers are left with. */
static const struct namespace_set *find_namespaces(const struct caller *caller,
                                                   struct findings *findings)
{
    struct error error = ERROR_INIT;
    for (size_t index = 0; index < namespace_set_count; index++) {
        const struct namespace_set *set = &namespace_sets[index];
        if (!set->user && caller->uid != 0)
            continue;
        error = (struct error)ERROR_INIT;
        if (node_namespaces(set, caller, &error) == 0)
            return set;
        if (set->pid)
            findings->pid_namespace.error = error;
    }
    findings->namespaces.error = error;
    findings->inside.error = error;
    findings->outside.error = error;
    return NULL;
}

static void ask_node(const struct paths *paths, const struct caller *caller,
                     struct findings *findings)
{
    auto_text struct text directory = TEXT_INIT;
    if (text_printf(&directory, "%s/cvmfs", paths->dist) < 0)
        (void)error_system(&findings->host.error, -ENOMEM, "looking at %s", paths->dist);
    else
        (void)node_fusermount(directory.bytes, &findings->host.error);
    const struct namespace_set *set = find_namespaces(caller, findings);
    if (!set)
        return;
    if (set->pid)
        findings->pid_namespace.error = (struct error)ERROR_INIT;
    (void)node_mode(MODE_INSIDE, paths, caller, &findings->inside.error);
    (void)node_mode(MODE_OUTSIDE, paths, caller, &findings->outside.error);
}

static void ask_installation(const struct paths *paths, const struct caller *caller,
                             struct findings *findings)
{
    (void)installation_client(paths, caller, &findings->client.words, &findings->client.error);
    (void)installation_cache(paths, &findings->cache.words, &findings->cache.error);
    (void)installation_log(paths, &findings->log.words, &findings->log.error);
    (void)installation_clock(paths, &findings->clock.words, &findings->clock.error);
}

static int print_mode(struct text *report, int number, const char *what,
                      const struct finding *finding)
{
    return text_printf(report, "mode %d          %-48s %s\n", number, what,
                       is_yes(finding) ? "yes" : "no");
}

static int print_missing(struct text *report, const char *what, const struct finding *finding)
{
    if (is_yes(finding))
        return 0;
    return text_printf(report, "  missing for %s: %s\n", what, finding->error.message);
}

static bool is_same(const struct finding *one, const struct finding *other)
{
    return !is_yes(one) && strcmp(one->error.message, other->error.message) == 0;
}

/* What is missing for several modes is said once. */
static int print_modes(struct text *report, const struct findings *findings)
{
    const struct finding *inside = &findings->inside;
    const struct finding *outside = &findings->outside;
    const struct finding *host = &findings->host;
    int result = print_mode(report, 3, "FUSE mounted inside of namespaces", inside);
    if (result == 0)
        result = print_mode(report, 2, "fusermount outside, shown inside of namespaces", outside);
    if (result == 0)
        result = print_mode(report, 1, "fusermount without namespaces (mountrepo)", host);
    if (result == 0)
        result =
            print_missing(report, is_same(inside, outside) ? "modes 3 and 2" : "mode 3", inside);
    if (result == 0 && !is_same(inside, outside))
        result =
            print_missing(report, is_same(outside, host) ? "modes 2 and 1" : "mode 2", outside);
    if (result == 0 && !is_same(outside, host))
        result = print_missing(report, "mode 1", host);
    return result;
}

static int print_fact(struct text *report, const char *name, const struct finding *finding)
{
    const char *words = finding->words.length ? finding->words.bytes : "";
    if (is_yes(finding))
        return text_printf(report, "%-15s %s\n", name, *words ? words : "yes");
    return text_printf(report, "%-15s no: %s%s%s%s\n", name, finding->error.message,
                       *words ? " (" : "", words, *words ? ")" : "");
}

static int print_pid_namespace(struct text *report, const struct findings *findings)
{
    const bool any = is_yes(&findings->namespaces);
    if (!any || is_yes(&findings->pid_namespace))
        return text_printf(report, "%-15s %s\n", "pid namespace", any ? "yes" : "no");
    return text_printf(report, "%-15s no, jobs run without one: %s\n", "pid namespace",
                       findings->pid_namespace.error.message);
}

static int print_kernel(struct text *report)
{
    struct utsname system;
    if (uname(&system) < 0)
        return 0;
    return text_printf(report, "%-15s %s %s %s\n", "kernel", system.sysname, system.release,
                       system.machine);
}

static int print_host_cvmfs(struct text *report)
{
    struct stat status;
    struct statfs system;
    char target[PATH_MAX];
    const char *what = "a directory of this host; jobs do not see what is in it";
    if (lstat(ROOT_REPOSITORIES, &status) < 0)
        what = errno == ENOENT ? "not on this host" : strerror(errno);
    else if (S_ISLNK(status.st_mode)) {
        ssize_t length = readlink(ROOT_REPOSITORIES, target, sizeof target);
        return text_printf(report, "%-15s a symbolic link to %.*s\n", ROOT_REPOSITORIES,
                           length < 0 ? 0 : (int)length, target);
    } else if (!S_ISDIR(status.st_mode))
        what = "something else than a directory";
    else if (statfs(ROOT_REPOSITORIES, &system) == 0 && system.f_type == AUTOFS_MAGIC)
        what = "mounted on demand by this host; jobs do not see what is in it";
    return text_printf(report, "%-15s %s\n", ROOT_REPOSITORIES, what);
}

/* The mode a job would run in, or 0. */
static int find_mode(const struct findings *findings, enum mode_number demanded)
{
    if (is_yes(&findings->inside) && (demanded == MODE_BY_TRYING || demanded == MODE_INSIDE))
        return MODE_INSIDE;
    if (is_yes(&findings->outside) && (demanded == MODE_BY_TRYING || demanded == MODE_OUTSIDE))
        return MODE_OUTSIDE;
    return 0;
}

static int print_result(struct text *report, const struct findings *findings,
                        enum mode_number demanded, int mode)
{
    if (!is_yes(&findings->client))
        return text_printf(report, "No job can run: the client does not start.\n");
    if (mode == 0 && demanded != MODE_BY_TRYING)
        return text_printf(report, "No job can run in mode %d, which " MODE_VARIABLE " demands.\n",
                           (int)demanded);
    if (mode == 0)
        return text_printf(report, "No job can run%s.\n",
                           is_yes(&findings->host) ? "; repositories can be mounted by mountrepo"
                                                   : "");
    if (!is_yes(&findings->cache))
        return text_printf(report, "No job can run: there is no cache.\n");
    return text_printf(report, "A job can run, in mode %d.\n", mode);
}

static int print_all(struct text *report, const struct findings *findings,
                     enum mode_number demanded)
{
    const int mode = find_mode(findings, demanded);
    int failures = print_modes(report, findings) < 0;
    failures += print_pid_namespace(report, findings) < 0;
    failures += print_kernel(report) < 0;
    failures += print_host_cvmfs(report) < 0;
    failures += print_fact(report, "client", &findings->client) < 0;
    failures += print_fact(report, "cache", &findings->cache) < 0;
    failures += print_fact(report, "log", &findings->log) < 0;
    failures += print_fact(report, "clock", &findings->clock) < 0;
    failures += print_result(report, findings, demanded, mode) < 0;
    if (failures)
        return -ENOMEM;
    return mode != 0 && is_yes(&findings->client) && is_yes(&findings->cache);
}

static void findings_free(struct findings *findings)
{
    text_free(&findings->client.words);
    text_free(&findings->cache.words);
    text_free(&findings->log.words);
    text_free(&findings->clock.words);
}

int check_run(const struct paths *paths, const struct caller *caller, enum mode_number demanded,
              struct text *report)
{
    struct findings findings = {.clock = FINDING_INIT}; /* the others likewise: yes, no words */
    /* There is no job to pass signals on to: they end the check. */
    (void)sigprocmask(SIG_SETMASK, &caller->signals, NULL); /* cannot fail with this mask */
    ask_node(paths, caller, &findings);
    ask_installation(paths, caller, &findings);
    int result = print_all(report, &findings, demanded);
    findings_free(&findings);
    return result;
}
