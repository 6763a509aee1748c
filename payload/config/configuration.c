/* The launcher's side: all files of a dist tree and of the config repository in one shell, with the
 * paths of the system relocated. Mounts nothing: the config repository must be there already. */
#include "payload/config/configuration.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "payload/base/scope.h"
#include "payload/config/assignment_names.h"
#include "payload/config/configuration_files.h"
#include "payload/config/repository_names.h"
#include "payload/config/shell.h"

enum { RELOCATIONS = 3 };

/* Where cvmfsexec mounts the image of a file system for the cache. */
#define HELPERS "/usr/libexec/cvmfs/authz"
#define IMAGE "/e2fs"

/* One evaluation under way. */
struct build {
    const struct configuration_layout *layout;
    const char *fqrn; /* NULL while only the config repository is looked for */
    char *etc;        /* <dist>/etc/cvmfs */
    char *targets[RELOCATIONS];
    struct shell_relocation relocations[RELOCATIONS];
    struct shell *shell;
    struct parameters names; /* every name that occurs, with the last file it occurs in */
    struct parameters site;  /* those that more than the packaged default.conf sets */
    bool packaged;           /* that is the one being read */
    char *config_repository; /* frozen after default.d; NULL when there is none */
    char *config_etc;        /* where its files are; NULL when they are not to be read */
};

static void build_free(struct build *build)
{
    shell_free(&build->shell);
    parameters_free(&build->names);
    parameters_free(&build->site);
    for (size_t i = 0; i < RELOCATIONS; i++)
        free(build->targets[i]);
    free(build->etc);
    free(build->config_repository);
    free(build->config_etc);
}

static int note_names(void *context, const char *file, const char *text, size_t length)
{
    struct build *build = context;
    size_t at = 0;
    struct assignment_line line;
    while (assignment_next(text, length, &at, &line)) {
        auto_free char *name = strndup(line.name, line.name_length);
        int result = name ? parameters_set(&build->names, name, "", file) : -ENOMEM;
        if (result == 0 && !build->packaged)
            result = parameters_set(&build->site, name, "", file);
        if (result < 0)
            return result;
    }
    return 0;
}

static char *join(const char *directory, const char *name)
{
    auto_text struct text path = TEXT_INIT;
    return text_printf(&path, "%s%s", directory, name) < 0 ? NULL : text_steal(&path);
}

static int build_begin(struct build *build)
{
    const char *const dist = build->layout->dist;
    const char *const fqrn = build->fqrn;
    /* The one value that is meant for the job and not for the client. */
    const char *except =
        fqrn && strcmp(fqrn, "oasis.opensciencegrid.org") == 0 ? "OASIS_CERTIFICATES" : NULL;
    build->etc = join(dist, "/etc/cvmfs");
    build->targets[0] = join(dist, "/etc");
    build->targets[1] = build->layout->var ? join(build->layout->var, "") : join(dist, "/var");
    build->targets[2] = join(build->layout->repositories, "");
    if (!build->etc || !build->targets[0] || !build->targets[1] || !build->targets[2])
        return -ENOMEM;
    build->relocations[0] = (struct shell_relocation){"/etc", build->targets[0], NULL};
    build->relocations[1] = (struct shell_relocation){"/var", build->targets[1], NULL};
    build->relocations[2] = (struct shell_relocation){"/cvmfs", build->targets[2], except};
    const struct shell_options options = {.environment = environ,
                                          .relocations = build->relocations,
                                          .relocation_count = RELOCATIONS,
                                          .relocated = dist,
                                          .file_seen = note_names,
                                          .context = build};
    int result = shell_create(&build->shell, &options);
    if (result == 0 && fqrn)
        result = shell_export(build->shell, "CVMFS_FQRN", fqrn);
    return result;
}

/* A file that is not there has nothing to say. */
static int run_path(struct build *build, const char *path, struct error *error)
{
    struct error failure = ERROR_INIT;
    int result = shell_run_file(build->shell, path, &failure);
    if (result == -ENOENT || result == -ENOTDIR)
        return 0;
    if (result < 0)
        return error_set(error, result, "%s", failure.message);
    return 0;
}

/* Evaluates DIRECTORY/FOLDER/NAME and the ending. */
static int run_file(struct build *build, const char *directory, const char *folder,
                    const char *name, const char *ending, struct error *error)
{
    auto_text struct text path = TEXT_INIT;
    int result = text_printf(&path, "%s/%s%s%s", directory, folder, name, ending);
    return result < 0 ? result : run_path(build, path.bytes, error);
}

/* The value of a variable that a file names: what is only inherited does not count. */
static const char *named_value(const struct build *build, const char *name)
{
    return parameters_get(&build->names, name) ? shell_get(build->shell, name) : NULL;
}

/* What a site has written for all of its repositories. */
static int run_site(struct build *build, struct error *error)
{
    return build->layout->site ? run_path(build, build->layout->site, error)
                               : run_file(build, build->etc, "", "default", ".local", error);
}

/* default.conf and default.d, and with them the name of the config repository. */
static int run_defaults(struct build *build, struct error *error)
{
    build->packaged = true;
    int result = run_file(build, build->etc, "", "default", ".conf", error);
    build->packaged = false;
    auto_strings struct strings files = STRINGS_INIT;
    if (result == 0)
        result = configuration_default_files(build->etc, &files);
    for (size_t i = 0; result == 0 && i < files.count; i++)
        result = run_path(build, files.items[i], error);
    if (result < 0)
        return result;

    /* Named by a file, not just inherited: a job may run in the environment of another one. */
    const char *name = named_value(build, "CVMFS_CONFIG_REPOSITORY");
    if (!name || !*name)
        return 0;
    if (!repository_name_is_valid(name))
        return error_set(error, -EINVAL, "CVMFS_CONFIG_REPOSITORY is no repository name: \"%s\"",
                         name);
    build->config_repository = strdup(name);
    return build->config_repository ? 0 : -ENOMEM;
}

/* Failures without words of their own are those of memory. */
static int with_words(int result, const char *what, struct error *error)
{
    if (error && error->code == result)
        return result;
    return error_system(error, result, "reading the configuration of %s", what);
}

int configuration_repository(const struct configuration_layout *layout, char **fqrn,
                             struct error *error)
{
    __attribute__((cleanup(build_free))) struct build build = {.layout = layout};
    *fqrn = NULL;
    int result = build_begin(&build);
    if (result == 0)
        result = run_defaults(&build, error);
    if (result < 0)
        return with_words(result, "all repositories", error);
    *fqrn = steal_pointer(build.config_repository);
    problem_keep(error, shell_problem(build.shell));
    return 0;
}

static int add_domain(const char *name, const char *domain, char **fqrn, struct error *error)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
    auto_text struct text whole = TEXT_INIT;
    if (domain && domain[strspn(domain, letters)])
        return error_set(error, -EINVAL, "CVMFS_DEFAULT_DOMAIN is no domain: \"%s\"", domain);
    int result = text_append_string(&whole, name);
    if (result == 0 && domain && *domain)
        result = text_printf(&whole, ".%s", domain);
    if (result == 0)
        *fqrn = text_steal(&whole);
    return result;
}

int configuration_full_name(const struct configuration_layout *layout, const char *name,
                            char **fqrn, struct error *error)
{
    *fqrn = NULL;
    int result = 0;
    if (strchr(name, '.')) {
        result = add_domain(name, NULL, fqrn, error);
        return result < 0 ? with_words(result, name, error) : 0;
    }
    __attribute__((cleanup(build_free))) struct build build = {.layout = layout};
    result = build_begin(&build);
    if (result == 0)
        result = run_defaults(&build, error);
    if (result == 0)
        result = run_site(&build, error);
    if (result == 0)
        result = add_domain(name, named_value(&build, "CVMFS_DEFAULT_DOMAIN"), fqrn, error);
    return result < 0 ? with_words(result, name, error) : 0;
}

/* Where the files of the config repository are, if they are to be read. */
static int find_config_repository(struct build *build, struct error *problem, struct error *error)
{
    if (!build->config_repository || strcmp(build->config_repository, build->fqrn) == 0)
        return 0;
    auto_text struct text path = TEXT_INIT;
    int result = text_printf(&path, "%s/%s/etc/cvmfs", build->layout->repositories,
                             build->config_repository);
    if (result < 0)
        return result;
    struct stat status;
    if (stat(path.bytes, &status) == 0 && S_ISDIR(status.st_mode)) {
        build->config_etc = text_steal(&path);
        return 0;
    }
    struct error missing = ERROR_INIT;
    (void)error_set(&missing, -ENOENT, "the config repository %s has no %s",
                    build->config_repository, path.bytes);
    if (parameter_is_on(named_value(build, "CVMFS_CONFIG_REPO_REQUIRED"), false))
        return error_set(error, missing.code, "%s, and CVMFS_CONFIG_REPO_REQUIRED is on",
                         missing.message);
    problem_keep(problem, &missing);
    return 0;
}

/* A value of ours where no file of the site gave one. What the packaged default.conf says is meant
 * for an installed system and does not count. */
static int set_default(struct build *build, const char *name, const char *value)
{
    if (parameters_get(&build->site, name) && shell_get(build->shell, name))
        return 0;
    int result = shell_export(build->shell, name, value);
    return result < 0 ? result : parameters_set(&build->names, name, "", "");
}

static bool is_mount_point(const char *path)
{
    struct stat directory;
    struct stat parent;
    return stat(path, &directory) == 0 && stat("/", &parent) == 0 &&
           directory.st_dev != parent.st_dev;
}

/* What is kept in an image has to fit into it, with room for what is being fetched and for the
 * file system's own: however much is usual elsewhere, the limit is three quarters of it, in MiB. */
static int limit_to_image(struct build *build)
{
    const char *base = shell_get(build->shell, "CVMFS_CACHE_BASE");
    const char *usual = shell_get(build->shell, "CVMFS_QUOTA_LIMIT");
    struct statvfs image;
    if (!base || !string_starts_with(base, IMAGE "/") || statvfs(IMAGE, &image) < 0)
        return 0;
    const uint64_t usable = image.f_blocks - (image.f_bfree - image.f_bavail);
    const long long most = (long long)(usable * image.f_frsize / 4 * 3 >> 20);
    const long long wanted = usual ? strtoll(usual, NULL, 10) : 0;
    if (wanted > 0 && wanted <= most)
        return 0;
    auto_text struct text limit = TEXT_INIT;
    int result = text_printf(&limit, "%lld", most > 0 ? most : 1);
    if (result == 0)
        result = shell_export(build->shell, "CVMFS_QUOTA_LIMIT", limit.bytes);
    return result < 0 ? result : parameters_set(&build->names, "CVMFS_QUOTA_LIMIT", "", "");
}

/* Helpers for authorisation are those of the host, as the client has it; of the tree where the host
 * has none. */
static int set_helpers(struct build *build)
{
    auto_text struct text helpers = TEXT_INIT;
    if (text_printf(&helpers, "%s" HELPERS, build->layout->dist) < 0)
        return -ENOMEM;
    if (access(helpers.bytes, F_OK) < 0 || access(HELPERS, F_OK) == 0)
        return 0;
    return set_default(build, "CVMFS_AUTHZ_SEARCH_PATH", helpers.bytes);
}

static int set_defaults(struct build *build)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return -errno;
    const rlim_t most = 1048576; /* the kernel's own, fs.nr_open, unless it was raised */
    auto_text struct text files = TEXT_INIT;
    auto_text struct text log = TEXT_INIT;
    int result = text_printf(&files, "%llu",
                             (unsigned long long)(limit.rlim_max < most ? limit.rlim_max : most));
    if (result == 0)
        result = set_default(build, "CVMFS_NFILES", files.bytes);
    if (result == 0 && build->layout->log) {
        result = text_printf(&log, "%s/%s.log", build->layout->log, build->fqrn);
        if (result == 0)
            result = set_default(build, "CVMFS_USYSLOG", log.bytes);
    }
    if (result == 0)
        result = set_helpers(build);
    if (result < 0 || !is_mount_point(IMAGE))
        return result;
    result = set_default(build, "CVMFS_CACHE_BASE", IMAGE "/cvmfscache");
    return result == 0 ? limit_to_image(build) : result;
}

static int run_domain(struct build *build, struct error *error)
{
    const char *domain = repository_domain(build->fqrn);
    if (!domain)
        return 0;
    int result = 0;
    if (build->config_etc)
        result = run_file(build, build->config_etc, "domain.d/", domain, ".conf", error);
    if (result == 0)
        result = run_file(build, build->etc, "domain.d/", domain, ".conf", error);
    return result < 0 ? result : run_file(build, build->etc, "domain.d/", domain, ".local", error);
}

static int run_repository(struct build *build, struct error *error)
{
    int result = 0;
    if (build->config_etc)
        result = run_file(build, build->config_etc, "config.d/", build->fqrn, ".conf", error);
    if (result == 0)
        result = run_file(build, build->etc, "config.d/", build->fqrn, ".conf", error);
    return result < 0 ? result
                      : run_file(build, build->etc, "config.d/", build->fqrn, ".local", error);
}

/* A later file cannot choose another config repository. */
static int freeze_config_repository(struct build *build)
{
    if (!parameters_get(&build->names, "CVMFS_CONFIG_REPOSITORY"))
        return 0;
    const char *now = shell_get(build->shell, "CVMFS_CONFIG_REPOSITORY");
    const char *frozen = build->config_repository ? build->config_repository : "";
    if (now && strcmp(now, frozen) == 0)
        return 0;
    return shell_export(build->shell, "CVMFS_CONFIG_REPOSITORY", frozen);
}

/* White space as an unquoted echo leaves it, since that is how a client will read the value. */
static int fold_blanks(const char *value, struct text *folded)
{
    static const char blanks[] = " \t\n";
    int result = text_append(folded, "", 0);
    for (value += strspn(value, blanks); result == 0 && *value;) {
        const size_t length = strcspn(value, blanks);
        if (folded->length)
            result = text_append_string(folded, " ");
        if (result == 0)
            result = text_append(folded, value, length);
        value += length;
        value += strspn(value, blanks);
    }
    return result;
}

static int record_all(struct build *build, struct parameters *parameters)
{
    int result = 0;
    for (size_t i = 0; result == 0 && i < build->names.count; i++) {
        const struct parameter *named = &build->names.items[i];
        const char *value = shell_get(build->shell, named->name);
        auto_text struct text folded = TEXT_INIT;
        result = fold_blanks(value ? value : "", &folded);
        if (result == 0)
            result = configuration_record(parameters, named->name, folded.bytes, named->origin,
                                          build->fqrn);
    }
    if (result < 0)
        return result;
    return parameters_set(parameters, "CVMFS_AUTHZ_CVMFS_DIST", build->layout->dist, "");
}

/* What the site lists may be mounted, and what the configuration itself needs. */
static int check_strict_mount(const struct build *build, const struct parameters *parameters,
                              struct error *error)
{
    const bool needed =
        build->config_repository && strcmp(build->config_repository, build->fqrn) == 0;
    if (needed || !parameters_is_on(parameters, "CVMFS_STRICT_MOUNT", false))
        return 0;
    const char *list = parameters_get(parameters, "CVMFS_REPOSITORIES");
    const char *domain = parameters_get(parameters, "CVMFS_DEFAULT_DOMAIN");
    if (list && repository_is_listed(build->fqrn, list, domain))
        return 0;
    return error_set(error, -EACCES,
                     "CVMFS_STRICT_MOUNT is on and %s is not in CVMFS_REPOSITORIES: \"%s\"",
                     build->fqrn, list ? list : "");
}

/* A client would look for the tree, and for all in it, under the folded name. */
static int check_tree_name(const char *dist, struct error *error)
{
    auto_text struct text folded = TEXT_INIT;
    int result = fold_blanks(dist, &folded);
    if (result < 0)
        return error_system(error, result, "reading the configuration");
    if (strcmp(folded.bytes, dist) == 0)
        return 0;
    return error_set(
        error, -EINVAL,
        "clients cannot be told a path that has a tab, a newline, or several blanks in "
        "a row; rename the directory of %s",
        dist);
}

int configuration_build(const struct configuration_layout *layout, const char *fqrn,
                        struct parameters *parameters, struct error *error)
{
    if (!repository_name_is_valid(fqrn))
        return error_set(error, -EINVAL, "no repository name: \"%s\"", fqrn);
    __attribute__((cleanup(build_free))) struct build build = {.layout = layout, .fqrn = fqrn};
    struct error problem = ERROR_INIT;
    int result = check_tree_name(layout->dist, error);
    if (result == 0)
        result = build_begin(&build);
    if (result == 0)
        result = run_defaults(&build, error);
    if (result == 0)
        result = find_config_repository(&build, &problem, error);
    if (result == 0 && build.config_etc)
        result = run_file(&build, build.config_etc, "", "default", ".conf", error);
    if (result == 0)
        result = run_site(&build, error);
    if (result == 0)
        result = freeze_config_repository(&build);
    if (result == 0)
        result = set_defaults(&build);
    if (result == 0)
        result = run_domain(&build, error);
    if (result == 0)
        result = run_repository(&build, error);
    if (result == 0)
        result = freeze_config_repository(&build);
    if (result == 0)
        result = record_all(&build, parameters);
    if (result == 0)
        result = check_strict_mount(&build, parameters, error);
    if (result < 0)
        return with_words(result, fqrn, error);
    problem_keep(&problem, shell_problem(build.shell));
    problem_keep(error, &problem);
    return 0;
}
