/* The client's side: each file in a shell of its own (cvmfs-format 8.1 and 8.2), or without any
 * shell (simple_options_parsing). Nothing is relocated: the paths are as the files say. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "payload/base/file.h"
#include "payload/base/scope.h"
#include "payload/config/assignment_names.h"
#include "payload/config/configuration.h"
#include "payload/config/configuration_files.h"
#include "payload/config/repository_names.h"
#include "payload/config/shell.h"

enum { SIMPLE_LIMIT = 1 << 20 };

struct reader {
    const char *fqrn;
    struct parameters *parameters;
    struct error *error;
    bool simple;
    char
        *config_repository; /* once it is frozen: what CVMFS_CONFIG_REPOSITORY stays, "" for none */
};

static int record(struct reader *reader, const char *name, const char *value, const char *file)
{
    if (reader->config_repository && strcmp(name, "CVMFS_CONFIG_REPOSITORY") == 0)
        value = reader->config_repository;
    return configuration_record(reader->parameters, name, value, file, reader->fqrn);
}

/* The names that occur in the file itself, not in those it sources. */
struct naming {
    struct parameters names;
    bool done;
};

static int note_names(void *context, const char *file, const char *text, size_t length)
{
    struct naming *naming = context;
    if (naming->done)
        return 0;
    naming->done = true;
    size_t at = 0;
    struct assignment_line line;
    while (assignment_next(text, length, &at, &line)) {
        auto_free char *name = strndup(line.name, line.name_length);
        int result = name ? parameters_set(&naming->names, name, "", file) : -ENOMEM;
        if (result < 0)
            return result;
    }
    return 0;
}

/* What the shell of a file starts with: the environment, and the parameters so far as if exported.
 */
static int prepare(const struct reader *reader, struct shell *shell)
{
    int result = shell_export(shell, "CVMFS_FQRN", reader->fqrn);
    const struct parameters *parameters = reader->parameters;
    for (size_t i = 0; result == 0 && i < parameters->count; i++)
        result = shell_export(shell, parameters->items[i].name, parameters->items[i].value);
    return result;
}

static int read_file(struct reader *reader, const char *file)
{
    struct naming naming = {.names = PARAMETERS_INIT, .done = false};
    auto_shell struct shell *shell = NULL;
    const struct shell_options options = {
        .environment = environ, .file_seen = note_names, .context = &naming};
    int result = shell_create(&shell, &options);
    if (result == 0)
        result = prepare(reader, shell);
    if (result < 0)
        return result;
    struct error failure = ERROR_INIT;
    int outcome = shell_run_file(shell, file, &failure);
    if (outcome == 0)
        failure = *shell_problem(shell);
    if (outcome != -ENOENT && outcome != -ENOTDIR)
        problem_keep(reader->error, &failure);
    for (size_t i = 0; result == 0 && i < naming.names.count; i++) {
        auto_text struct text value = TEXT_INIT;
        result = shell_echo(shell, naming.names.items[i].name, &value);
        if (result == 0)
            result =
                record(reader, naming.names.items[i].name, value.bytes ? value.bytes : "", file);
    }
    parameters_free(&naming.names);
    return result;
}

static int read_file_simply(struct reader *reader, const char *file)
{
    auto_text struct text text = TEXT_INIT;
    int result = file_load(AT_FDCWD, file, SIMPLE_LIMIT, &text);
    if (result == -ENOMEM)
        return result;
    if (result < 0) {
        struct error failure = ERROR_INIT;
        (void)error_system(&failure, result, "reading %s", file);
        if (result != -ENOENT && result != -ENOTDIR)
            problem_keep(reader->error, &failure);
        return 0;
    }
    size_t at = 0;
    struct assignment_line line;
    while (result == 0 && assignment_next(text.bytes, text.length, &at, &line)) {
        const size_t last = line.value_length ? line.value_length - 1 : 0;
        if (last > 0 && (line.value[0] == '"' || line.value[0] == '\'') &&
            line.value[last] == line.value[0]) {
            line.value++;
            line.value_length -= 2;
        }
        auto_free char *name = strndup(line.name, line.name_length);
        auto_free char *value = strndup(line.value, line.value_length);
        result = name && value ? record(reader, name, value, file) : -ENOMEM;
    }
    return result;
}

static int read_any(struct reader *reader, const char *file)
{
    return reader->simple ? read_file_simply(reader, file) : read_file(reader, file);
}

static int read_named(struct reader *reader, const char *directory, const char *folder,
                      const char *name, const char *ending)
{
    auto_text struct text path = TEXT_INIT;
    int result = text_printf(&path, "%s/%s%s%s", directory, folder, name, ending);
    return result < 0 ? result : read_any(reader, path.bytes);
}

static int read_list(struct reader *reader, const char *files)
{
    auto_free char **list = parameters_split(files, ':', NULL);
    int result = list ? 0 : -ENOMEM;
    for (size_t i = 0; result == 0 && list[i]; i++)
        result = read_any(reader, list[i]);
    return result;
}

static const char *parameter_or(const struct reader *reader, const char *name, const char *fallback)
{
    const char *value = parameters_get(reader->parameters, name);
    return value && *value ? value : fallback;
}

/* Steps 1 and 2 of cvmfs-format 8.1. */
static int read_defaults(struct reader *reader, const char *directory)
{
    auto_strings struct strings files = STRINGS_INIT;
    int result = read_named(reader, directory, "", "default", ".conf");
    if (result == 0)
        result = configuration_default_files(directory, &files);
    for (size_t i = 0; result == 0 && i < files.count; i++)
        result = read_any(reader, files.items[i]);
    if (result < 0)
        return result;
    reader->config_repository = strdup(parameter_or(reader, "CVMFS_CONFIG_REPOSITORY", ""));
    return reader->config_repository ? 0 : -ENOMEM;
}

/* *place is where the config repository has its files; empty when they are not to be read. */
static int find_config_repository(struct reader *reader, struct text *place)
{
    const char *name = reader->config_repository;
    if (!repository_name_is_valid(name) || strcmp(name, reader->fqrn) == 0)
        return 0;
    int result = text_printf(place, "%s/%s/etc/cvmfs",
                             parameter_or(reader, "CVMFS_MOUNT_DIR", "/cvmfs"), name);
    struct stat status;
    if (result < 0 || (stat(place->bytes, &status) == 0 && S_ISDIR(status.st_mode)))
        return result;
    struct error missing = ERROR_INIT;
    (void)error_set(&missing, -ENOENT, "the config repository %s has no %s", name, place->bytes);
    text_free(place);
    if (parameters_is_on(reader->parameters, "CVMFS_CONFIG_REPO_REQUIRED", false))
        return error_set(reader->error, missing.code, "%s", missing.message);
    problem_keep(reader->error, &missing);
    return 0;
}

static int read_standard(struct reader *reader, const char *directory)
{
    auto_text struct text place = TEXT_INIT;
    const char *const fqrn = reader->fqrn;
    const char *const domain = repository_domain(fqrn);
    int result = read_defaults(reader, directory);
    if (result == 0)
        result = find_config_repository(reader, &place);
    const char *const shared = place.bytes;
    if (result == 0 && shared)
        result = read_named(reader, shared, "", "default", ".conf");
    if (result == 0)
        result = read_named(reader, directory, "", "default", ".local");
    if (result == 0 && shared && domain)
        result = read_named(reader, shared, "domain.d/", domain, ".conf");
    if (result == 0 && domain)
        result = read_named(reader, directory, "domain.d/", domain, ".conf");
    if (result == 0 && domain)
        result = read_named(reader, directory, "domain.d/", domain, ".local");
    if (result == 0 && shared)
        result = read_named(reader, shared, "config.d/", fqrn, ".conf");
    if (result == 0)
        result = read_named(reader, directory, "config.d/", fqrn, ".conf");
    return result < 0 ? result : read_named(reader, directory, "config.d/", fqrn, ".local");
}

static int read_configuration(struct reader *reader, const char *directory, const char *files)
{
    if (!repository_name_is_valid(reader->fqrn))
        return error_set(reader->error, -EINVAL, "no repository name: \"%s\"", reader->fqrn);
    int result = files ? read_list(reader, files) : read_standard(reader, directory);
    free(reader->config_repository);
    if (result < 0 && reader->error && reader->error->code != result)
        return error_system(reader->error, result, "configuration of %s", reader->fqrn);
    return result;
}

int configuration_read(const char *files, const char *fqrn, struct parameters *parameters,
                       struct error *error)
{
    struct reader reader = {.fqrn = fqrn, .parameters = parameters, .error = error};
    return read_configuration(&reader, NULL, files);
}

int configuration_read_standard(const char *directory, const char *fqrn,
                                struct parameters *parameters, struct error *error)
{
    struct reader reader = {.fqrn = fqrn, .parameters = parameters, .error = error};
    return read_configuration(&reader, directory, NULL);
}

int configuration_read_simple(const char *directory, const char *files, const char *fqrn,
                              struct parameters *parameters, struct error *error)
{
    struct reader reader = {.fqrn = fqrn, .parameters = parameters, .error = error, .simple = true};
    return read_configuration(&reader, directory, files);
}
