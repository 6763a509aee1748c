/* The table of mounted repositories. The file system with their mount points is writable only while
 * clients are being started; then it holds a flat configuration file for each of them, too. */
#include "payload/launch/mounts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "payload/base/file.h"
#include "payload/base/scope.h"
#include "payload/config/configuration.h"
#include "payload/launch/stale_mounts.h"

/* One process inside that waits for an answer. */
struct waiter {
    int reply;
    struct waiter *next;
};

struct mount_entry {
    char *fqrn;
    char *path;
    struct client_run run;  /* while it is starting: a pid that is not -1 */
    pid_t look;             /* a process that looks whether it is still served, or -1 */
    struct waiter *waiters; /* those to be answered when one of the two has ended */
    struct mount_entry *next;
};

static struct client_plan entry_plan(const struct mounts *mounts, const struct mount_entry *entry)
{
    return (struct client_plan){.paths = mounts->paths,
                                .caller = mounts->caller,
                                .fqrn = entry->fqrn,
                                .repositories = ROOT_REPOSITORIES,
                                .configuration = ROOT_REPOSITORIES,
                                .mode = mounts->mode};
}

static struct mount_entry *entry_find(const struct mounts *mounts, const char *fqrn)
{
    struct mount_entry *entry = mounts->first;
    while (entry && strcmp(entry->fqrn, fqrn) != 0)
        entry = entry->next;
    return entry;
}

static void entry_free(struct mount_entry *entry)
{
    free(entry->fqrn);
    free(entry->path);
    free(entry);
}

static struct mount_entry *entry_new(const char *fqrn)
{
    auto_text struct text path = TEXT_INIT;
    struct mount_entry *entry = calloc(1, sizeof *entry);
    if (!entry)
        return NULL;
    entry->run = (struct client_run)CLIENT_RUN_INIT;
    entry->look = -1;
    entry->fqrn = strdup(fqrn);
    if (!entry->fqrn || text_printf(&path, ROOT_REPOSITORIES "/%s", fqrn) < 0) {
        entry_free(entry);
        return NULL;
    }
    entry->path = text_steal(&path);
    return entry;
}

/* Takes it out of the list, and its directory away. */
static void entry_take_out(struct mounts *mounts, struct mount_entry *entry)
{
    struct mount_entry **link = &mounts->first;
    while (*link != entry)
        link = &(*link)->next;
    *link = entry->next;
    (void)rmdir(entry->path); /* an empty directory that stays hurts nobody */
}

/* Closes the file system behind the last of several clients. */
static int end_writing(struct mounts *mounts, struct error *error)
{
    return mounts->starting == 0 ? root_set_writable(mounts->root, false, error) : 0;
}

static int entry_start(struct mounts *mounts, struct mount_entry *entry, struct error *error)
{
    int result = root_set_writable(mounts->root, true, error);
    if (result < 0)
        return result;
    if (mkdir(entry->path, 0755) < 0 && errno != EEXIST) {
        result = error_system(error, -errno, "making %s", entry->path);
    } else {
        const struct client_plan plan = entry_plan(mounts, entry);
        result = client_start(&plan, &entry->run, error);
    }
    if (result < 0) {
        (void)end_writing(mounts, NULL); /* the first failure is the one to report */
        return result;
    }
    mounts->starting++;
    return 0;
}

static void answer_waiters(struct mount_entry *entry, int code, const struct text *report)
{
    while (entry->waiters) {
        struct waiter *waiter = entry->waiters;
        entry->waiters = waiter->next;
        request_answer(waiter->reply, code, report->bytes, report->length);
        free(waiter);
    }
}

static int wait_for_entry(struct mount_entry *entry, int reply, struct error *error)
{
    struct waiter *waiter = malloc(sizeof *waiter);
    if (!waiter)
        return error_system(error, -ENOMEM, "waiting for %s", entry->fqrn);
    *waiter = (struct waiter){.reply = reply, .next = entry->waiters};
    entry->waiters = waiter;
    return 0;
}

static int start(struct mounts *mounts, const char *fqrn, int *reply, struct error *error)
{
    struct mount_entry *entry = entry_find(mounts, fqrn);
    if (!entry) {
        entry = entry_new(fqrn);
        if (!entry)
            return error_system(error, -ENOMEM, "mounting %s", fqrn);
        int result = entry_start(mounts, entry, error);
        if (result < 0) {
            entry_free(entry);
            return result;
        }
        entry->next = mounts->first;
        mounts->first = entry;
    }
    if (*reply < 0)
        return 0;
    int result = wait_for_entry(entry, *reply, error);
    if (result < 0)
        return result;
    *reply = -1;
    /* It is mounted already. But its client may have been killed, for want of memory for instance:
     * then it has to be mounted again. */
    if (entry->run.pid < 0 && entry->look < 0)
        entry->look = mount_look_start(entry->path);
    if (entry->run.pid < 0 && entry->look < 0)
        answer_waiters(entry, 0, &(struct text)TEXT_INIT); /* as far as is known */
    return 0;
}

static void answer_failure(int reply, const struct error *error)
{
    char line[sizeof error->message + 1];
    int length = snprintf(line, sizeof line, "%s\n", error->message);
    request_answer(reply, 1, line, length < 0 ? 0 : (size_t)length);
}

static int complete_name(const struct mounts *mounts, const char *name, char **fqrn,
                         struct error *error)
{
    const struct configuration_layout layout = {
        .dist = mounts->paths->dist, .log = mounts->paths->log, .repositories = ROOT_REPOSITORIES};
    int result = configuration_full_name(&layout, name, fqrn, error);
    return result < 0 ? error_prefix(error, "configuration") : 0;
}

int mounts_start(struct mounts *mounts, const char *name, int reply, struct error *error)
{
    auto_free char *fqrn = NULL;
    int result = complete_name(mounts, name, &fqrn, error);
    if (result == 0)
        result = start(mounts, fqrn, &reply, error);
    if (reply >= 0 && result == 0)
        request_answer(reply, 0, NULL, 0);
    else if (reply >= 0)
        answer_failure(reply, error);
    return result;
}

/* Several repositories have most of their configuration in common, and what is wrong with it. */
static void report_once(struct mounts *mounts, const struct text *report)
{
    if (report->length && !(mounts->report.length && strstr(mounts->report.bytes, report->bytes)))
        (void)text_append(&mounts->report, report->bytes, report->length);
}

/* Mounts it once more, where it was. */
static void replace_stale(struct mounts *mounts, struct mount_entry *entry)
{
    struct error error = ERROR_INIT;
    (void)mode_unmount(mounts->mode, entry->path, MNT_DETACH); /* or it is covered */
    if (entry_start(mounts, entry, &error) == 0)
        return;
    auto_text struct text report = TEXT_INIT;
    (void)text_printf(&report, "%s\n", error.message); /* without memory: fewer words */
    entry_take_out(mounts, entry);
    answer_waiters(entry, 1, &report);
    entry_free(entry);
}

static void look_ended(struct mounts *mounts, struct mount_entry *entry, int wait_status)
{
    entry->look = -1;
    if (mount_look_is_stale(wait_status))
        replace_stale(mounts, entry);
    else
        answer_waiters(entry, 0, &(struct text)TEXT_INIT);
}

int mounts_child_ended(struct mounts *mounts, pid_t pid, int wait_status, struct error *error)
{
    struct mount_entry *entry = mounts->first;
    while (entry && entry->run.pid != pid && entry->look != pid)
        entry = entry->next;
    if (!entry)
        return 0;
    if (entry->look == pid) {
        look_ended(mounts, entry, wait_status);
        return 0;
    }
    auto_text struct text report = TEXT_INIT;
    const struct client_plan plan = entry_plan(mounts, entry);
    int code = client_finish(&plan, &entry->run, wait_status, &report);
    if (code != 0) {
        /* The client may have failed before or after it was mounted. */
        (void)mode_unmount(mounts->mode, entry->path, MNT_DETACH);
        entry_take_out(mounts, entry);
    }
    if (code != 0 && !entry->waiters && mounts->failure == 0)
        mounts->failure = code;
    if (!entry->waiters)
        report_once(mounts, &report);
    mounts->starting--;
    int result = end_writing(mounts, error);
    answer_waiters(entry, code, &report); /* when /cvmfs is as they are told */
    if (code != 0)
        entry_free(entry);
    return result;
}

static int unmount_entry(struct mounts *mounts, struct mount_entry *entry, bool lazily,
                         struct error *error)
{
    if (entry->run.pid >= 0)
        return error_set(error, -EBUSY, "%s is just being mounted", entry->fqrn);
    int result = mode_unmount(mounts->mode, entry->path, lazily ? MNT_DETACH : 0);
    if (result < 0)
        return error_system(error, result, "unmounting %s", entry->path);
    result = root_set_writable(mounts->root, true, error);
    entry_take_out(mounts, entry);
    answer_waiters(entry, 0, &(struct text)TEXT_INIT); /* when they asked, it was mounted */
    entry_free(entry);
    return result == 0 ? end_writing(mounts, error) : result;
}

static int unmount_request(struct mounts *mounts, const struct request *request,
                           struct error *error)
{
    bool lazily = request->verb == REQUEST_UNMOUNT_LAZILY;
    if (strcmp(request->fqrn, REQUEST_ALL) != 0) {
        auto_free char *fqrn = NULL;
        int result = complete_name(mounts, request->fqrn, &fqrn, error);
        if (result < 0)
            return result;
        struct mount_entry *entry = entry_find(mounts, fqrn);
        if (!entry)
            return error_set(error, -EINVAL, "%s is not mounted", fqrn);
        return unmount_entry(mounts, entry, lazily, error);
    }
    int result = 0;
    struct mount_entry *next;
    for (struct mount_entry *entry = mounts->first; entry; entry = next) {
        next = entry->next;
        int one = unmount_entry(mounts, entry, lazily, result == 0 ? error : NULL);
        if (result == 0)
            result = one;
    }
    return result;
}

void mounts_answer_unmount(struct mounts *mounts, const struct request *request)
{
    struct error error = ERROR_INIT;
    int result = unmount_request(mounts, request, &error);
    if (result < 0)
        answer_failure(request->reply, &error);
    else
        request_answer(request->reply, 0, NULL, 0);
}

void mounts_give_up(struct mounts *mounts)
{
    for (struct mount_entry *entry = mounts->first; entry; entry = entry->next) {
        if (entry->run.pid < 0)
            continue;
        const struct client_plan plan = entry_plan(mounts, entry);
        client_give_up(&plan, &entry->run, &mounts->report);
    }
}

bool mounts_end(struct mounts *mounts)
{
    for (const struct mount_entry *entry = mounts->first; entry; entry = entry->next)
        (void)mode_unmount(mounts->mode, entry->path,
                           MNT_FORCE | MNT_DETACH); /* what fails, ends with the namespace */
    return mounts->first != NULL;
}

void mounts_free(struct mounts *mounts)
{
    while (mounts->first) {
        struct mount_entry *entry = mounts->first;
        mounts->first = entry->next;
        answer_waiters(entry, 1, &(struct text)TEXT_INIT);
        entry_free(entry);
    }
    text_free(&mounts->report);
}
