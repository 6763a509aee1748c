/* cvmfsexec: runs a command with repositories mounted under /cvmfs. Everything it does, in order:
 * the command line; namespaces (outer); /cvmfs (root); clients, command, end (process_one). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "payload/base/error.h"
#include "payload/base/file.h"
#include "payload/base/scope.h"
#include "payload/base/text.h"
#include "payload/launch/caller.h"
#include "payload/launch/check.h"
#include "payload/launch/client_program.h"
#include "payload/launch/command_line.h"
#include "payload/launch/image.h"
#include "payload/launch/mode.h"
#include "payload/launch/outer.h"
#include "payload/launch/paths.h"
#include "payload/launch/process_one.h"
#include "payload/launch/root.h"
#include "payload/launch/session_end.h"
#include "payload/launch/session_join.h"
#include "payload/launch/session_start.h"

#define EXIT_USAGE 1
#define EXIT_REFUSED 1

struct launch {
    struct command_line line;
    struct paths paths;
    struct caller caller;
    struct mode mode;
    struct image image;
    const struct session_plan *session; /* or NULL */
};

static int fail(const struct error *error, int exit_code)
{
    (void)dprintf(STDERR_FILENO, "cvmfsexec: %s\n", error->message);
    return exit_code;
}

/* Says what has happened to the caller: on standard error, or to those who wait for the session. */
static int end_process_one(struct session_keeper *session, int result, const struct text *report,
                           const struct error *error)
{
    auto_text struct text words = TEXT_INIT;
    const int code = result < 0 ? EXIT_REFUSED : result;
    if (report->length > 0) /* without memory: fewer words */
        (void)text_printf(&words, "cvmfsexec: %s", report->bytes);
    if (result < 0)
        (void)text_printf(&words, "cvmfsexec: %s\n", error->message);
    if (session) {
        session_keeper_fail(session, code, words.bytes ? words.bytes : "");
        session_keeper_close(session);
    } else if (words.length > 0) {
        (void)file_write_full(STDERR_FILENO, words.bytes, words.length);
    }
    return code;
}

static int be_process_one(void *context, bool pid_namespace, int lifeline)
{
    struct launch *launch = context;
    struct error error = ERROR_INIT;
    struct session_keeper keeper;
    struct session_keeper *session = launch->session ? &keeper : NULL;
    if (session && session_keeper_open(session, launch->session, &error) < 0)
        return fail(&error, EXIT_REFUSED);
    auto_root struct root root = {.directory = NULL};
    const bool with_image = launch->line.image != NULL;
    if (root_prepare(&root, with_image ? IMAGE_MOUNT_POINT : NULL, &error) < 0)
        return fail(&error, EXIT_REFUSED);
    int mounted = with_image ? image_mount(&launch->image, &error) : 0;
    if (mounted != 0)
        return mounted < 0 ? fail(&error, EXIT_REFUSED) : 128 + mounted;
    const struct process_one_plan plan = {.paths = &launch->paths,
                                          .caller = &launch->caller,
                                          .mode = &launch->mode,
                                          .root = &root,
                                          .repositories = &launch->line.repositories,
                                          .command = launch->line.command,
                                          .session = session,
                                          .take_requests = !launch->line.no_requests,
                                          .pid_namespace = pid_namespace,
                                          .lifeline = lifeline};
    auto_text struct text report = TEXT_INIT;
    int result = process_one_run(&plan, &report, &error);
    return end_process_one(session, result, &report, &error);
}

static void say(const struct text *lines)
{
    if (lines->length > 0)
        (void)dprintf(STDERR_FILENO, "cvmfsexec: %s", lines->bytes);
}

static int run_with_image(struct launch *launch, struct error *error)
{
    auto_text struct text warning = TEXT_INIT;
    auto_text struct text report = TEXT_INIT;
    int result = image_open(&launch->image, launch->line.image, &launch->paths, &warning, error);
    say(&warning);
    if (result == 0)
        result = outer_run(&launch->caller, &launch->mode, be_process_one, launch, error);
    image_close(&launch->image, &report);
    say(&report);
    return result;
}

static int run(struct launch *launch, struct error *error)
{
    return launch->line.image
               ? run_with_image(launch, error)
               : outer_run(&launch->caller, &launch->mode, be_process_one, launch, error);
}

static int run_session(void *context, const struct caller *caller,
                       const struct session_plan *session, struct error *error)
{
    struct launch *launch = context;
    launch->caller = *caller;
    launch->session = session;
    return run(launch, error);
}

static int start_session(struct launch *launch, struct error *error)
{
    const struct command_line *line = &launch->line;
    const struct caller caller = launch->caller;
    /* The session's working directory is another. */
    auto_free char *image = line->image ? realpath(line->image, NULL) : NULL;
    if (line->image && !image)
        return error_system(error, -errno, "opening %s", line->image);
    launch->line.image = image;
    const struct session_start_plan plan = {.name = line->session,
                                            .repositories = &line->repositories,
                                            .caller = &caller,
                                            .with_pid = line->with_pid,
                                            .idle_seconds = line->idle_seconds,
                                            .offer_requests = !line->no_requests,
                                            .run = run_session,
                                            .context = launch};
    return session_start(&plan, error);
}

static int join_session(struct launch *launch, struct error *error)
{
    const struct session_join_plan plan = {.name = launch->line.session,
                                           .paths = &launch->paths,
                                           .caller = &launch->caller,
                                           .command = launch->line.command,
                                           .take_requests = !launch->line.no_requests};
    return session_join(&plan, error);
}

static int launch(const struct command_line *line, struct error *error)
{
    struct launch launch = {.line = *line, .image = IMAGE_INIT};
    int result = paths_find(&launch.paths, error);
    if (result < 0)
        return result;
    if (line->action != ACTION_JOIN)
        result = mode_begin(&launch.mode, &launch.paths, error);
    if (result == 0)
        result = caller_remember(&launch.caller, error);
    if (result == 0 && line->action == ACTION_SESSION)
        result = start_session(&launch, error);
    else if (result == 0 && line->action == ACTION_JOIN)
        result = join_session(&launch, error);
    else if (result == 0)
        result = run(&launch, error);
    paths_free(&launch.paths);
    return result;
}

static int check(struct error *error)
{
    auto_paths struct paths paths = PATHS_INIT;
    auto_text struct text report = TEXT_INIT;
    struct caller caller;
    enum mode_number demanded;
    int result = mode_read(&demanded, error);
    if (result == 0)
        result = paths_find(&paths, error);
    if (result == 0)
        result = caller_remember(&caller, error);
    if (result < 0)
        return result;
    int could = check_run(&paths, &caller, demanded, &report);
    if (could < 0 || file_write_full(STDOUT_FILENO, report.bytes, report.length) < 0)
        return error_system(error, could < 0 ? could : -EIO, "writing what was found");
    return could ? 0 : EXIT_REFUSED;
}

static int act(struct command_line *line, struct error *error)
{
    switch (line->action) {
    case ACTION_VERSION:
        return dprintf(STDOUT_FILENO, "%s\n", CVMFSEXEC_VERSION) < 0;
    case ACTION_HELP:
        return file_write_full(STDOUT_FILENO, command_line_usage, strlen(command_line_usage)) < 0;
    case ACTION_CHECK:
        return check(error);
    case ACTION_END:
        return session_end(line->session, error);
    case ACTION_RUN:
    case ACTION_SESSION:
    case ACTION_JOIN:
        break;
    }
    return launch(line, error);
}

static int be_client(char **arguments, struct error *error)
{
    auto_paths struct paths paths = PATHS_INIT;
    int result = paths_find(&paths, error);
    return result < 0 ? result
                      : client_program_execute(&paths, (const char *const *)(arguments + 1), error);
}

int main(int count, char **arguments)
{
    (void)count;
    struct error error = ERROR_INIT;
    if (client_program_is_wanted(arguments)) {
        (void)be_client(arguments, &error);
        return fail(&error, EXIT_REFUSED);
    }
    auto_command_line struct command_line line = COMMAND_LINE_INIT;
    if (command_line_parse(&line, arguments, &error) < 0) {
        (void)fail(&error, EXIT_USAGE);
        (void)file_write_full(STDERR_FILENO, command_line_usage, strlen(command_line_usage));
        return EXIT_USAGE;
    }
    int result = act(&line, &error);
    return result < 0 ? fail(&error, EXIT_REFUSED) : result;
}
