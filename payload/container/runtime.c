/* Finding the program and what it can do. apptainer is not asked for its version: there never was
 * one that could not do it all. */
#include "payload/container/runtime.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "payload/base/file.h"
#include "payload/base/scope.h"
#include "payload/base/text.h"

#define WORDS_LIMIT 4096

static const struct {
    int major, minor;
    const char *what;
} features[] = {
    [RUNTIME_FUSE_MOUNT] = {3, 4, "--fusemount"},
    [RUNTIME_IMAGE_BIND] = {3, 6, "binds of images"},
    [RUNTIME_MOUNT_OPTION] = {3, 9, "--mount"},
};

static bool is_program(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISREG(status.st_mode) && access(path, X_OK) == 0;
}

/* Appends the path of a program; nothing when it is not there. 0 or -ENOMEM. */
static int find_program(const char *name, struct text *path)
{
    const char *search = getenv("PATH");
    for (search = search ? search : "/usr/local/bin:/usr/bin:/bin"; *search;) {
        const size_t length = strcspn(search, ":");
        text_free(path);
        /* An empty part is the current directory. */
        if (text_append(path, length ? search : ".", length ? length : 1) < 0 ||
            text_printf(path, "/%s", name) < 0)
            return -ENOMEM;
        if (is_program(path->bytes))
            return 0;
        search += length;
        search += *search == ':';
    }
    text_free(path);
    return 0;
}

/* An installation of apptainer has a link of the other name. */
static bool is_link_to_apptainer(const char *path)
{
    auto_free char *real = realpath(path, NULL);
    const char *slash = real ? strrchr(real, '/') : NULL;
    return slash && strcmp(slash + 1, "apptainer") == 0;
}

static void say_version(char *path, int output)
{
    char option[] = "--version";
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDERR_FILENO) < 0 ||
        dup2(output, STDOUT_FILENO) < 0)
        _exit(126);
    (void)execv(path, (char *[]){path, option, NULL});
    _exit(126);
}

/* What it is, if it says so: a version that cannot be learned is no reason not to try. */
static int ask_version(struct runtime *runtime, struct error *error)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return error_system(error, -errno, "asking %s for its version", runtime->path);
    auto_fd int reader = ends[0];
    auto_fd int writer = ends[1];
    pid_t pid = fork();
    if (pid == 0)
        say_version(runtime->path, writer);
    if (pid < 0)
        return error_system(error, -errno, "asking %s for its version", runtime->path);
    (void)close(steal_fd(&writer));
    auto_text struct text words = TEXT_INIT;
    int result = file_load_fd(reader, WORDS_LIMIT, &words);
    (void)close(steal_fd(&reader));
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    if (result == 0 && words.length)
        runtime_read_version(runtime, words.bytes);
    return 0;
}

void runtime_read_version(struct runtime *runtime, const char *words)
{
    runtime->is_apptainer = string_starts_with(words, "apptainer");
    const char *number = words + strcspn(words, "0123456789");
    int major, minor;
    if (sscanf(number, "%4d.%4d", &major, &minor) == 2) {
        runtime->major = major;
        runtime->minor = minor;
    }
}

int runtime_find(struct runtime *runtime, struct error *error)
{
    auto_text struct text path = TEXT_INIT;
    int result = find_program("apptainer", &path);
    runtime->is_apptainer = path.length > 0;
    if (result == 0 && !path.length)
        result = find_program("singularity", &path);
    if (result < 0)
        return error_system(error, result, "looking for apptainer");
    if (!path.length)
        return error_set(error, -ENOENT, "this node has neither apptainer nor singularity");
    runtime->path = text_steal(&path);
    runtime->is_apptainer |= is_link_to_apptainer(runtime->path);
    return runtime->is_apptainer ? 0 : ask_version(runtime, error);
}

int runtime_require(const struct runtime *runtime, enum runtime_feature feature,
                    const char *purpose, struct error *error)
{
    const int major = features[feature].major;
    const int minor = features[feature].minor;
    if (runtime->is_apptainer || runtime->major < 0 || runtime->major > major ||
        (runtime->major == major && runtime->minor >= minor))
        return 0;
    return error_set(
        error, -ENOTSUP,
        "%s is version %d.%d, but %s needs %s: apptainer, or singularity %d.%d or newer",
        runtime->path, runtime->major, runtime->minor, purpose, features[feature].what, major,
        minor);
}

void runtime_free(struct runtime *runtime)
{
    free(runtime->path);
}
