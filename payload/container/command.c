/* Putting the command together. The user's own words stay as they are, in their order; ours stand
 * in front of them, so that what he says of the same thing comes later. */
#include "payload/container/command.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "payload/base/scope.h"
#include "payload/config/configuration.h"
#include "payload/container/binds.h"
#include "payload/container/layout.h"
#include "payload/container/words.h"
#include "payload/launch/diagnosis.h"

static int without_memory(int result, struct error *error)
{
    return result < 0 ? error_system(error, result, "putting the command together") : 0;
}

static int add_all(struct strings *words, char *const *items, size_t count)
{
    int result = 0;
    for (size_t index = 0; result == 0 && index < count; index++)
        result = strings_add(words, items[index]);
    return result;
}

/* NULL counts as empty. */
static const char *variable(const char *prefix, const char *name)
{
    auto_text struct text whole = TEXT_INIT;
    if (text_printf(&whole, "%s_%s", prefix, name) < 0)
        return "";
    const char *value = getenv(whole.bytes);
    return value ? value : "";
}

/* What the user has set for either program counts for both. */
static const char *users_variable(const char *name)
{
    const char *user = variable("APPTAINER", name);
    return *user ? user : variable("SINGULARITY", name);
}

/* Sets it for both, with `more` behind it: the older one does not know the newer one's name. */
static int set_alike(struct strings *variables, const char *name, const char *more)
{
    const char *user = users_variable(name);
    if (!*user && !*more)
        return 0;
    static const char *const prefixes[] = {"APPTAINER", "SINGULARITY"};
    int result = 0;
    for (size_t index = 0; result == 0 && index < 2; index++) {
        auto_text struct text setting = TEXT_INIT;
        result = text_printf(&setting, "%s_%s=%s%s%s", prefixes[index], name, user,
                             *user && *more ? "," : "", more);
        if (result == 0)
            result = strings_take(variables, text_steal(&setting));
    }
    return result;
}

static int add_mount_option(const struct container_plan *plan, const struct bind *bind,
                            struct strings *words, struct error *error)
{
    auto_text struct text purpose = TEXT_INIT;
    auto_text struct text value = TEXT_INIT;
    int result = text_printf(&purpose, "the path '%s', with what is special in it,", bind->source);
    if (result < 0)
        return without_memory(result, error);
    result = runtime_require(plan->runtime, RUNTIME_MOUNT_OPTION, purpose.bytes, error);
    if (result < 0)
        return result;
    result = bind_write_mount(bind, &value);
    if (result == -EINVAL)
        return error_set(error, result, "a path with a newline cannot be shown in a container: %s",
                         bind->source);
    if (result == 0)
        result = strings_add(words, "--mount");
    if (result == 0)
        result = strings_take(words, text_steal(&value));
    return without_memory(result, error);
}

/* For the tree, the settings and the logs: in the variables, as far as they can be written there.
 */
static int add_bind(const struct container_plan *plan, const struct bind *bind,
                    struct strings *words, struct text *path, struct error *error)
{
    if (!bind_is_plain(bind))
        return add_mount_option(plan, bind, words, error);
    int result = path->length ? text_append_string(path, ",") : 0;
    if (result == 0)
        result = bind_write(bind, path);
    return without_memory(result, error);
}

static int add_cache(const struct container_plan *plan, struct strings *words, struct error *error)
{
    const struct settings *settings = plan->settings;
    const bool in_image = settings->cache_image != NULL;
    const struct bind bind = {.source = in_image ? settings->cache_image : settings->cache,
                              .destination = LAYOUT_CACHE,
                              .image_source = in_image ? settings->cache : NULL};
    if (in_image) {
        int result =
            runtime_require(plan->runtime, RUNTIME_IMAGE_BIND, "SINGCVMFS_CACHEIMAGE", error);
        if (result < 0)
            return result;
    }
    if (!bind_is_plain(&bind))
        return add_mount_option(plan, &bind, words, error);
    auto_text struct text value = TEXT_INIT;
    int result = bind_write(&bind, &value);
    if (result == 0)
        result = strings_add(words, "-B");
    if (result == 0)
        result = strings_take(words, text_steal(&value));
    return without_memory(result, error);
}

/* Where it is without symbolic links, which may lead elsewhere in a container. */
static int find_real(const char *path, char **real, struct error *error)
{
    *real = realpath(path, NULL);
    return *real ? 0 : error_system(error, -errno, "%s", path);
}

/* What is to be read as default.local, if it is not in the tree: it may be a link to a file that
 * many trees have, and that a container would not find. NULL when it is in the tree. */
static int find_site(const struct settings *settings, const char *dist, char **site)
{
    auto_text struct text usual = TEXT_INIT;
    if (text_printf(&usual, "%s/etc/cvmfs/default.local", dist) < 0)
        return -ENOMEM;
    const size_t length = strlen(dist);
    auto_free char *real =
        realpath(settings->options_file ? settings->options_file : usual.bytes, NULL);
    if (real && (settings->options_file || strncmp(real, usual.bytes, length + 1) != 0))
        *site = steal_pointer(real);
    return 0;
}

/* Not the directory that both are in: it may well be somebody's home. */
static int add_binds(const struct container_plan *plan, struct container_command *command,
                     struct error *error)
{
    const struct settings *settings = plan->settings;
    auto_free char *program = NULL;
    auto_free char *dist = NULL;
    auto_free char *site = NULL;
    int result = find_real("/proc/self/exe", &program, error);
    if (result == 0)
        result = find_real(plan->paths->dist, &dist, error);
    if (result == 0)
        result = without_memory(find_site(settings, dist, &site), error);
    if (result < 0)
        return result;
    const struct bind binds[] = {
        {.source = program, .destination = LAYOUT_PROGRAM, .read_only = true},
        {.source = dist, .destination = LAYOUT_DIST, .read_only = true},
        {.source = site, .destination = LAYOUT_SITE, .read_only = true},
        {.source = settings->log, .destination = LAYOUT_LOG},
    };
    auto_text struct text path = TEXT_INIT;
    result = add_cache(plan, &command->words, error);
    for (size_t index = 0; result == 0 && index < sizeof binds / sizeof *binds; index++) {
        if (binds[index].source)
            result = add_bind(plan, &binds[index], &command->words, &path, error);
    }
    if (result < 0)
        return result;
    result = set_alike(&command->variables, "BINDPATH", path.length ? path.bytes : "");
    if (result == 0)
        result = set_alike(&command->variables, "BIND", "");
    return without_memory(result, error);
}

/* Everything in it is ours and has neither blanks nor commas, which would end a word or the value.
 */
static int add_fuse_mount(const struct container_plan *plan, const char *fqrn,
                          struct strings *words)
{
    auto_text struct text value = TEXT_INIT;
    int result = text_printf(&value, "container:%s %s %s %s/%s", LAYOUT_PROGRAM,
                             plan->settings->debug ? LAYOUT_DEBUG_CLIENT : LAYOUT_CLIENT, fqrn,
                             LAYOUT_REPOSITORIES, fqrn);
    if (result == 0)
        result = strings_add(words, "--fusemount");
    return result == 0 ? strings_take(words, text_steal(&value)) : result;
}

/* The whole names, the config repository first. */
static int find_repositories(const struct container_plan *plan, struct strings *fqrns,
                             struct error *error)
{
    const struct settings *settings = plan->settings;
    const struct configuration_layout layout = {.dist = plan->paths->dist,
                                                .repositories = LAYOUT_REPOSITORIES,
                                                .var = LAYOUT_VAR,
                                                .site = settings->options_file};
    char *fqrn = NULL;
    int result = configuration_repository(&layout, &fqrn, error);
    if (result == 0 && fqrn)
        result = strings_take(fqrns, fqrn);
    for (size_t index = 0; result == 0 && index < settings->repositories.count; index++) {
        result =
            configuration_full_name(&layout, settings->repositories.items[index], &fqrn, error);
        if (result == 0 && strings_contain(fqrns, fqrn))
            free(fqrn);
        else if (result == 0)
            result = strings_take(fqrns, fqrn);
    }
    if (result == -ENOMEM)
        return without_memory(result, error);
    return result < 0 ? error_prefix(error, "configuration") : 0;
}

/* A variable of the user's is overlooked where the same is said on the command line, as we do. */
static int add_overlooked(const char *option, const char *name, struct strings *words)
{
    const char *value = users_variable(name);
    if (!value[strspn(value, " \t\n")])
        return 0;
    int result = strings_add(words, option);
    return result == 0 ? strings_add(words, value) : result;
}

static int add_all_overlooked(struct strings *words)
{
    static const char *const overlooked[][2] = {
        {"-S", "SCRATCH"}, {"-S", "SCRATCHDIR"}, {"--fusemount", "FUSESPEC"}};
    int result = 0;
    for (size_t index = 0; result == 0 && index < sizeof overlooked / sizeof *overlooked; index++)
        result = add_overlooked(overlooked[index][0], overlooked[index][1], words);
    return result;
}

static int add_mounts(const struct container_plan *plan, struct container_command *command,
                      struct error *error)
{
    auto_strings struct strings fqrns = STRINGS_INIT;
    int result = runtime_require(plan->runtime, RUNTIME_FUSE_MOUNT, "singcvmfs", error);
    if (result == 0)
        result = find_repositories(plan, &fqrns, error);
    if (result < 0)
        return result;
    result = strings_add(&command->words, "-S");
    if (result == 0)
        result = strings_add(&command->words, LAYOUT_RUN);
    if (result < 0)
        return without_memory(result, error);
    result = add_binds(plan, command, error);
    for (size_t index = 0; result == 0 && index < fqrns.count; index++)
        result = without_memory(add_fuse_mount(plan, fqrns.items[index], &command->words), error);
    return result < 0 ? result : without_memory(add_all_overlooked(&command->words), error);
}

static size_t count_words(char *const *words)
{
    size_t count = 0;
    while (words[count])
        count++;
    return count;
}

int container_command_make(const struct container_plan *plan, struct container_command *command,
                           struct error *error)
{
    const struct arguments *arguments = plan->arguments;
    const struct settings *settings = plan->settings;
    struct strings *words = &command->words;
    const bool in_image = arguments->action == CONTAINER_IMAGE;
    int result = strings_add(words, plan->runtime->path);
    if (result == 0)
        result = add_all(words, arguments->global, arguments->global_count);
    if (result == 0)
        result = in_image ? strings_add(words, "run")
                          : add_all(words, arguments->command, arguments->command_count);
    if (result < 0)
        return without_memory(result, error);
    if (in_image || arguments->action == CONTAINER_MOUNT)
        result = add_mounts(plan, command, error);
    if (result < 0)
        return result;
    if (arguments->action != CONTAINER_PASS)
        result = add_all(words, settings->options.items, settings->options.count);
    if (result == 0 && in_image)
        result = strings_add(words, settings->image);
    if (result == 0)
        result = add_all(words, arguments->rest, count_words(arguments->rest));
    return without_memory(result, error);
}

int container_command_print(const struct container_command *command, struct text *line)
{
    int result = 0;
    for (size_t index = 0; result == 0 && index < command->variables.count; index++) {
        const char *setting = command->variables.items[index];
        const size_t length = strcspn(setting, "=") + 1; /* there is one */
        result = text_append(line, setting, length);
        if (result == 0)
            result = word_quote(setting + length, line);
        if (result == 0)
            result = text_append_string(line, " ");
    }
    for (size_t index = 0; result == 0 && index < command->words.count; index++) {
        result = word_quote(command->words.items[index], line);
        if (result == 0)
            result = text_append_string(line, index + 1 < command->words.count ? " " : "\n");
    }
    return result;
}

int container_command_execute(const struct container_command *command, struct error *error)
{
    for (size_t index = 0; index < command->variables.count; index++) {
        if (putenv(command->variables.items[index]) != 0)
            return error_system(error, -errno, "preparing the environment");
    }
    auto_free char **words = calloc(command->words.count + 1, sizeof *words);
    if (!words)
        return error_system(error, -ENOMEM, "putting the command together");
    memcpy(words, command->words.items, command->words.count * sizeof *words);
    (void)execv(words[0], words);
    return diagnosis_execute(-errno, words[0], error);
}

void container_command_free(struct container_command *command)
{
    strings_free(&command->words);
    strings_free(&command->variables);
}
