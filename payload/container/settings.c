/* Reading the environment. What is looked at is only what can be told apart here: whether an image
 * can be mounted, and whether a directory in it may be written to, is found by those who do it. */
#include "payload/container/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "payload/base/file.h"
#include "payload/base/scope.h"
#include "payload/base/text.h"
#include "payload/container/words.h"
#include "payload/launch/fqrn.h"

static const char *variable(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

static int read_repositories(struct settings *settings, struct error *error)
{
    static const char separators[] = ", \t\n";
    const char *list = variable("SINGCVMFS_REPOSITORIES");
    for (list = list ? list : ""; *(list += strspn(list, separators));) {
        const size_t length = strcspn(list, separators);
        auto_free char *fqrn = strndup(list, length);
        if (!fqrn)
            return error_system(error, -ENOMEM, "SINGCVMFS_REPOSITORIES");
        if (!fqrn_is_valid(fqrn))
            return error_set(error, -EINVAL,
                             "SINGCVMFS_REPOSITORIES: '%s' is not a name of a repository", fqrn);
        if (!strings_contain(&settings->repositories, fqrn) &&
            strings_take(&settings->repositories, steal_pointer(fqrn)) < 0)
            return error_system(error, -ENOMEM, "SINGCVMFS_REPOSITORIES");
        list += length;
    }
    return 0;
}

/* As seen from the caller's directory. */
static int make_absolute(const char *path, char **absolute)
{
    auto_free char *current = *path == '/' ? NULL : getcwd(NULL, 0);
    if (*path != '/' && !current)
        return -errno;
    auto_text struct text whole = TEXT_INIT;
    int result = text_printf(&whole, "%s%s%s", current ? current : "", current ? "/" : "", path);
    if (result == 0)
        *absolute = text_steal(&whole);
    return result;
}

static int read_path(const char *name, const char *usual, char **path, struct error *error)
{
    const char *value = variable(name);
    if (!value && !usual)
        return 0;
    int result = make_absolute(value ? value : usual, path);
    return result < 0 ? error_system(error, result, "%s", name) : 0;
}

/* A file that must be there, without symbolic links. */
static int read_file(const char *name, char **path, struct error *error)
{
    const char *value = variable(name);
    if (!value)
        return 0;
    *path = realpath(value, NULL);
    if (!*path || access(*path, R_OK) < 0)
        return error_system(error, -errno, "%s: %s", name, value);
    return 0;
}

static int read_cache(const struct paths *paths, struct settings *settings, struct error *error)
{
    int result = read_file("SINGCVMFS_CACHEIMAGE", &settings->cache_image, error);
    if (result < 0)
        return result;
    const char *directory = variable("SINGCVMFS_CACHEDIR");
    if (settings->cache_image) {
        auto_text struct text inside = TEXT_INIT; /* the image's own root is meant */
        result = text_printf(&inside, "%s%s", directory && *directory == '/' ? "" : "/",
                             directory ? directory : "");
        settings->cache = text_steal(&inside);
        return result < 0 ? error_system(error, result, "SINGCVMFS_CACHEDIR") : 0;
    }
    auto_text struct text usual = TEXT_INIT;
    if (text_printf(&usual, "%s/var/lib/cvmfs", paths->dist) < 0)
        return error_system(error, -ENOMEM, "SINGCVMFS_CACHEDIR");
    return read_path("SINGCVMFS_CACHEDIR", usual.bytes, &settings->cache, error);
}

static int read_log(const struct paths *paths, struct settings *settings, struct error *error)
{
    const char *level = variable("SINGCVMFS_LOGLEVEL");
    settings->debug = level && strcmp(level, "debug") == 0;
    settings->log_is_chosen = variable("SINGCVMFS_LOGDIR");
    return read_path("SINGCVMFS_LOGDIR", paths->log, &settings->log, error);
}

int settings_read(const struct paths *paths, struct settings *settings, struct error *error)
{
    const char *image = variable("SINGCVMFS_IMAGE");
    const char *options = variable("SINGCVMFS_SINGOPTS");
    int result = read_repositories(settings, error);
    if (result == 0 && image && !(settings->image = strdup(image)))
        result = error_system(error, -ENOMEM, "SINGCVMFS_IMAGE");
    if (result == 0)
        result = read_cache(paths, settings, error);
    if (result == 0)
        result = read_file("SINGCVMFS_OPTSFILE", &settings->options_file, error);
    if (result == 0)
        result = read_log(paths, settings, error);
    if (result == 0 && options) {
        result = words_split(options, &settings->options);
        if (result < 0)
            result = error_set(error, result, "SINGCVMFS_SINGOPTS: %s",
                               result == -EINVAL ? "a quotation mark has no other end"
                                                 : strerror(-result));
    }
    return result;
}

static int prepare_directory(const char *variable_name, char **path, struct error *error)
{
    int result = directory_make(AT_FDCWD, *path, 0755);
    char *real = result < 0 ? NULL : realpath(*path, NULL);
    if (!real)
        return error_system(error, result < 0 ? result : -errno, "making %s (%s)", *path,
                            variable_name);
    free(*path);
    *path = real;
    if (access(real, W_OK | X_OK) < 0)
        return error_system(error, -errno, "nothing can be made in %s (%s)", real, variable_name);
    return 0;
}

int settings_prepare(struct settings *settings, struct error *error)
{
    int result = settings->cache_image
                     ? 0
                     : prepare_directory("SINGCVMFS_CACHEDIR", &settings->cache, error);
    if (result < 0 || settings->log_is_chosen)
        return result < 0 ? result : prepare_directory("SINGCVMFS_LOGDIR", &settings->log, error);
    result = prepare_directory("", &settings->log, NULL);
    if (result < 0) { /* a tree for reading only */
        if (settings->debug)
            return error_system(error, result, "no place for debug logs but SINGCVMFS_LOGDIR: %s",
                                settings->log);
        free(settings->log);
        settings->log = NULL;
    }
    return 0;
}

void settings_free(struct settings *settings)
{
    strings_free(&settings->repositories);
    strings_free(&settings->options);
    free(settings->image);
    free(settings->cache);
    free(settings->cache_image);
    free(settings->options_file);
    free(settings->log);
}
