/* singcvmfs: runs a container with repositories mounted under /cvmfs in it. Outside it puts a
 * command line for apptainer or singularity together and becomes that program; inside, started by
 * it for each repository, it becomes the client. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "payload/base/error.h"
#include "payload/base/file.h"
#include "payload/base/text.h"
#include "payload/container/arguments.h"
#include "payload/container/command.h"
#include "payload/container/inside.h"
#include "payload/container/otherwise.h"
#include "payload/container/runtime.h"
#include "payload/container/settings.h"
#include "payload/launch/paths.h"

#define EXIT_REFUSED 1

static int fail(const struct error *error)
{
    (void)dprintf(STDERR_FILENO, "singcvmfs: %s\n", error->message);
    return EXIT_REFUSED;
}

static int fail_with_usage(const struct error *error)
{
    (void)fail(error);
    (void)file_write_full(STDERR_FILENO, arguments_usage, strlen(arguments_usage));
    return EXIT_REFUSED;
}

static int say(const char *words, size_t length)
{
    struct error error = ERROR_INIT;
    int result = file_write_full(STDOUT_FILENO, words, length);
    if (result == 0)
        return 0;
    (void)error_system(&error, result, "writing to standard output");
    return fail(&error);
}

/* What has to be set for a new container. 0 or -EINVAL. */
static int check_settings(const struct arguments *arguments, const struct settings *settings,
                          struct error *error)
{
    const bool in_image = arguments->action == CONTAINER_IMAGE;
    if (!in_image && arguments->action != CONTAINER_MOUNT)
        return 0;
    if (settings->repositories.count == 0)
        return error_set(error, -EINVAL, "SINGCVMFS_REPOSITORIES is not set");
    if (in_image && !settings->image)
        return error_set(error, -EINVAL, "SINGCVMFS_IMAGE is not set");
    return 0;
}

static int check_tree(const struct paths *paths, struct error *error)
{
    if (access(paths->client, R_OK) == 0)
        return 0;
    return error_system(error, -errno,
                        "%s (this program belongs beside a tree made by 'makedist -s')",
                        paths->client);
}

static int prepare(const struct arguments *arguments, const struct paths *paths,
                   struct settings *settings, struct error *error)
{
    if (arguments->action != CONTAINER_IMAGE && arguments->action != CONTAINER_MOUNT)
        return 0;
    int result = check_tree(paths, error);
    return result < 0 || arguments->dry_run ? result : settings_prepare(settings, error);
}

static int run(const struct arguments *arguments, const struct paths *paths,
               struct settings *settings, struct error *error)
{
    auto_runtime struct runtime runtime = RUNTIME_INIT;
    auto_container_command struct container_command command = CONTAINER_COMMAND_INIT;
    int result = runtime_find(&runtime, error);
    if (result == -ENOENT)
        return otherwise_explain(paths, result, error);
    if (result == 0)
        result = prepare(arguments, paths, settings, error);
    const struct container_plan plan = {
        .paths = paths, .settings = settings, .arguments = arguments, .runtime = &runtime};
    if (result == 0)
        result = container_command_make(&plan, &command, error);
    if (result < 0 || !arguments->dry_run)
        return result < 0 ? result : container_command_execute(&command, error);
    auto_text struct text line = TEXT_INIT;
    if (container_command_print(&command, &line) < 0)
        return error_system(error, -ENOMEM, "printing the command");
    return say(line.bytes, line.length);
}

int main(int count, char **words)
{
    (void)count;
    struct error error = ERROR_INIT;
    if (inside_is_wanted(words)) {
        int status = inside_run_client(words, &error);
        return status < 0 ? fail(&error) : status;
    }
    struct arguments arguments;
    if (arguments_parse(&arguments, words, &error) < 0)
        return fail_with_usage(&error);
    if (arguments.action == CONTAINER_VERSION)
        return say(CVMFSEXEC_VERSION "\n", strlen(CVMFSEXEC_VERSION "\n"));
    if (arguments.action == CONTAINER_HELP)
        return say(arguments_usage, strlen(arguments_usage));
    auto_paths struct paths paths = PATHS_INIT;
    auto_settings struct settings settings = SETTINGS_INIT;
    if (paths_find(&paths, &error) < 0 || settings_read(&paths, &settings, &error) < 0)
        return fail(&error);
    if (check_settings(&arguments, &settings, &error) < 0)
        return fail_with_usage(&error);
    int result = run(&arguments, &paths, &settings, &error);
    return result < 0 ? fail(&error) : result;
}
