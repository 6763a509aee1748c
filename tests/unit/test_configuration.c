/* Which files count, in which order, for the launcher and for the client. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "payload/base/file.h"
#include "payload/base/remove.h"
#include "payload/base/scope.h"
#include "payload/config/configuration.h"
#include "tests/unit/tap.h"

#define FQRN "atlas.cern.ch"

/* A dist tree under construction. Freed by forget(). */
struct fixture {
    char root[32];
    char dist[64];
    char log[64];
    char repositories[80];
    struct configuration_layout layout;
    struct parameters parameters;
    struct error error;
};

static void prepare(struct fixture *fixture)
{
    *fixture = (struct fixture){.root = "/tmp/test_conf.XXXXXX"};
    if (!mkdtemp(fixture->root))
        printf("Bail out! no directory to work in\n");
    (void)snprintf(fixture->dist, sizeof fixture->dist, "%s/dist", fixture->root);
    (void)snprintf(fixture->log, sizeof fixture->log, "%s/log", fixture->root);
    (void)snprintf(fixture->repositories, sizeof fixture->repositories, "%s/cvmfs", fixture->dist);
    fixture->layout = (struct configuration_layout){
        .dist = fixture->dist, .log = fixture->log, .repositories = fixture->repositories};
}

static void forget(struct fixture *fixture)
{
    parameters_free(&fixture->parameters);
    (void)directory_remove(AT_FDCWD, fixture->root);
}

#define auto_fixture __attribute__((cleanup(forget)))

static void write_file(const struct fixture *fixture, const char *name, const char *text)
{
    auto_text struct text path = TEXT_INIT;
    int result = text_printf(&path, "%s/%s", fixture->dist, name);
    auto_free char *directory = path.bytes ? strdup(path.bytes) : NULL;
    if (result == 0 && directory) {
        *strrchr(directory, '/') = '\0';
        result = directory_make(AT_FDCWD, directory, 0755);
    }
    if (result == 0)
        result = file_replace(AT_FDCWD, path.bytes, text, strlen(text), 0644);
    if (result < 0)
        printf("Bail out! cannot write %s\n", name);
}

static int build(struct fixture *fixture, const char *fqrn)
{
    parameters_free(&fixture->parameters);
    fixture->error = (struct error)ERROR_INIT;
    int result = configuration_build(&fixture->layout, fqrn, &fixture->parameters, &fixture->error);
    if (result < 0)
        printf("# %s\n", fixture->error.message);
    return result;
}

/* Is it that value? "DIST" at its beginning stands for the dist tree, NULL for undefined. */
static bool is(const struct fixture *fixture, const char *name, const char *value)
{
    const char *actual = parameters_get(&fixture->parameters, name);
    auto_text struct text expected = TEXT_INIT;
    if (value && string_starts_with(value, "DIST"))
        (void)text_printf(&expected, "%s%s", fixture->dist, value + 4);
    else
        (void)text_append_string(&expected, value ? value : "");
    bool same = actual && value ? strcmp(actual, expected.bytes) == 0 : !actual && !value;
    if (!same)
        printf("# %s is \"%s\" instead of \"%s\"\n", name, actual ? actual : "(undefined)",
               expected.bytes);
    return same;
}

static const char *const ordered_files[] = {
    "etc/cvmfs/default.conf",
    "etc/cvmfs/default.d/50-a.conf",
    "etc/cvmfs/default.d/60-b.conf",
    "cvmfs/conf.cern.ch/etc/cvmfs/default.conf",
    "etc/cvmfs/default.local",
    "cvmfs/conf.cern.ch/etc/cvmfs/domain.d/cern.ch.conf",
    "etc/cvmfs/domain.d/cern.ch.conf",
    "etc/cvmfs/domain.d/cern.ch.local",
    "cvmfs/conf.cern.ch/etc/cvmfs/config.d/" FQRN ".conf",
    "etc/cvmfs/config.d/" FQRN ".conf",
    "etc/cvmfs/config.d/" FQRN ".local",
};

enum { ORDERED_FILES = sizeof ordered_files / sizeof *ordered_files };

static void write_ordered_files(const struct fixture *fixture)
{
    for (size_t i = 0; i < ORDERED_FILES; i++) {
        char text[160];
        (void)snprintf(text, sizeof text,
                       "ORDER=\"${ORDER}%c\"\nLAST=%c\nCVMFS_CONFIG_REPOSITORY=conf.cern.ch\n",
                       (char)('a' + i), (char)('a' + i));
        write_file(fixture, ordered_files[i], text);
    }
    write_file(fixture, "etc/cvmfs/default.d/README", "LAST=wrong\n");
    write_file(fixture, "etc/cvmfs/default.d/.hidden.conf", "LAST=wrong\n");
    write_file(fixture, "etc/cvmfs/domain.d/egi.eu.conf", "LAST=wrong\n");
    write_file(fixture, "etc/cvmfs/config.d/lhcb.cern.ch.conf", "LAST=wrong\n");
}

static void the_launcher_reads_all_files_in_their_order(void)
{
    auto_fixture struct fixture fixture;
    prepare(&fixture);
    write_ordered_files(&fixture);
    CHECK(build(&fixture, FQRN) == 0 && fixture.error.code == 0, "all files are read");
    CHECK(is(&fixture, "ORDER", "abcdefghijk"), "in their order, in one shell");
    CHECK(build(&fixture, "conf.cern.ch") == 0 && is(&fixture, "ORDER", "abcegh"),
          "the config repository does not read its own");
    CHECK(build(&fixture, "nodots") == 0 && is(&fixture, "ORDER", "abcde"),
          "a name without a domain has no domain files");
    CHECK(build(&fixture, "../x") == -EINVAL, "a path is no repository name");
}

static void the_client_reads_the_standard_files_in_their_order(void)
{
    auto_fixture struct fixture fixture;
    prepare(&fixture);
    write_ordered_files(&fixture);
    char text[200];
    (void)snprintf(text, sizeof text, "CVMFS_MOUNT_DIR=%s\n", fixture.repositories);
    write_file(&fixture, "etc/cvmfs/default.d/10-mount.conf", text);
    char etc[100];
    (void)snprintf(etc, sizeof etc, "%s/etc/cvmfs", fixture.dist);
    CHECK(configuration_read_standard(etc, FQRN, &fixture.parameters, &fixture.error) == 0 &&
              is(&fixture, "ORDER", "abcdefghijk"),
          "all files, one after the other");
    parameters_free(&fixture.parameters);
    CHECK(configuration_read_simple(etc, NULL, FQRN, &fixture.parameters, &fixture.error) == 0 &&
              is(&fixture, "LAST", "k") && is(&fixture, "ORDER", "${ORDER}k"),
          "the same without a shell");
}

static void the_last_config_repository_of_default_d_counts(void)
{
    auto_fixture struct fixture fixture;
    prepare(&fixture);
    char *fqrn = NULL;
    CHECK(configuration_repository(&fixture.layout, &fqrn, NULL) == 0 && !fqrn,
          "without files there is none");
    write_file(&fixture, "etc/cvmfs/default.d/10.conf", "CVMFS_CONFIG_REPOSITORY=first.cern.ch\n");
    write_file(&fixture, "etc/cvmfs/default.d/20.conf",
               "if true; then\n  CVMFS_CONFIG_REPOSITORY=\"second.cern.ch\"\nfi\n");
    write_file(&fixture, "etc/cvmfs/default.local", "CVMFS_CONFIG_REPOSITORY=third.cern.ch\n");
    CHECK(configuration_repository(&fixture.layout, &fqrn, NULL) == 0 && fqrn &&
              strcmp(fqrn, "second.cern.ch") == 0,
          "the last file of default.d counts");
    CHECK(build(&fixture, FQRN) == 0 && is(&fixture, "CVMFS_CONFIG_REPOSITORY", "second.cern.ch"),
          "and no later one changes it");
    free(fqrn);
    write_file(&fixture, "etc/cvmfs/default.d/30.conf", "CVMFS_CONFIG_REPOSITORY=../../x\n");
    CHECK(configuration_repository(&fixture.layout, &fqrn, &fixture.error) == -EINVAL && !fqrn,
          "a path is refused");
}

static void a_missing_config_repository_is_a_problem_or_a_failure(void)
{
    auto_fixture struct fixture fixture;
    prepare(&fixture);
    write_file(&fixture, "etc/cvmfs/default.d/1.conf", "CVMFS_CONFIG_REPOSITORY=conf.cern.ch\n");
    CHECK(build(&fixture, FQRN) == 0 && fixture.error.code == -ENOENT &&
              strstr(fixture.error.message, "conf.cern.ch"),
          "it is a problem");
    write_file(&fixture, "etc/cvmfs/default.d/2.conf", "CVMFS_CONFIG_REPO_REQUIRED=yes\n");
    CHECK(build(&fixture, FQRN) == -ENOENT && strstr(fixture.error.message, "conf.cern.ch"),
          "and a failure where it is required");
    char etc[100];
    (void)snprintf(etc, sizeof etc, "%s/etc/cvmfs", fixture.dist);
    write_file(&fixture, "etc/cvmfs/default.conf", "CVMFS_MOUNT_DIR=/nowhere\n");
    CHECK(configuration_read_standard(etc, FQRN, &fixture.parameters, &fixture.error) == -ENOENT,
          "for the client too");
}

static bool full_name_is(struct fixture *fixture, const char *name, const char *expected)
{
    char *fqrn = NULL;
    fixture->error = (struct error)ERROR_INIT;
    int result = configuration_full_name(&fixture->layout, name, &fqrn, &fixture->error);
    bool same = result == 0 && fqrn && strcmp(fqrn, expected) == 0;
    if (!same)
        printf("# %d, %s\n", result, fqrn ? fqrn : fixture->error.message);
    free(fqrn);
    return same;
}

static void a_name_without_a_dot_gets_the_default_domain(void)
{
    auto_fixture struct fixture fixture;
    prepare(&fixture);
    (void)setenv("CVMFS_DEFAULT_DOMAIN", "inherited.example.org", 1);
    CHECK(full_name_is(&fixture, "atlas", "atlas"), "where a file says one");
    (void)unsetenv("CVMFS_DEFAULT_DOMAIN");
    write_file(&fixture, "etc/cvmfs/default.d/50.conf", "CVMFS_DEFAULT_DOMAIN=cern.ch\n");
    CHECK(full_name_is(&fixture, "atlas", FQRN), "that of default.d");
    CHECK(full_name_is(&fixture, "a.example.org", "a.example.org"), "any other name stays");
    write_file(&fixture, "etc/cvmfs/default.local", "CVMFS_DEFAULT_DOMAIN=egi.eu\n");
    CHECK(full_name_is(&fixture, "atlas", "atlas.egi.eu"), "default.local has the last word");
    write_file(&fixture, "etc/cvmfs/default.local", "CVMFS_DEFAULT_DOMAIN=../x\n");
    CHECK(!full_name_is(&fixture, "atlas", "") &&
              strstr(fixture.error.message, "CVMFS_DEFAULT_DOMAIN"),
          "what is no domain is refused");
}

static bool is_refused(struct fixture *fixture, const char *fqrn)
{
    return build(fixture, fqrn) == -EACCES && strstr(fixture->error.message, fqrn) &&
           strstr(fixture->error.message, "CVMFS_REPOSITORIES");
}

static void strict_mount_refuses_what_is_not_listed(void)
{
    auto_fixture struct fixture fixture;
    prepare(&fixture);
    write_file(&fixture, "etc/cvmfs/default.d/50.conf",
               "CVMFS_CONFIG_REPOSITORY=conf.cern.ch\nCVMFS_DEFAULT_DOMAIN=cern.ch\n");
    write_file(&fixture, "etc/cvmfs/default.local",
               "CVMFS_REPOSITORIES=atlas,cms.cern.ch\nCVMFS_STRICT_MOUNT=no\n");
    CHECK(build(&fixture, "lhcb.cern.ch") == 0, "a list alone refuses nothing");
    write_file(&fixture, "etc/cvmfs/default.local",
               "CVMFS_REPOSITORIES=\"atlas, cms.cern.ch\"\nCVMFS_STRICT_MOUNT=yes\n");
    CHECK(is_refused(&fixture, "lhcb.cern.ch"), "with CVMFS_STRICT_MOUNT it does, by name");
    CHECK(build(&fixture, FQRN) == 0 && build(&fixture, "cms.cern.ch") == 0,
          "what is listed is not refused, with its domain or without");
    CHECK(is_refused(&fixture, "atlas.cern.ch.x") && is_refused(&fixture, "cms.cern.chx") &&
              is_refused(&fixture, "atl.cern.ch") && is_refused(&fixture, "cms"),
          "nor is a part of a name listed");
    CHECK(build(&fixture, "conf.cern.ch") == 0, "nor is the config repository");
    write_file(&fixture, "etc/cvmfs/default.local", "CVMFS_STRICT_MOUNT=yes\n");
    CHECK(is_refused(&fixture, FQRN), "without any list all are");
}

static void without_a_place_for_logs_there_is_no_default_for_one(void)
{
    auto_fixture struct fixture fixture;
    prepare(&fixture);
    fixture.layout.log = NULL;
    CHECK(build(&fixture, FQRN) == 0 && is(&fixture, "CVMFS_USYSLOG", NULL), "none at all");
    write_file(&fixture, "etc/cvmfs/default.local", "CVMFS_USYSLOG=/tmp/x\n");
    CHECK(build(&fixture, FQRN) == 0 && is(&fixture, "CVMFS_USYSLOG", "/tmp/x"),
          "what a site says stays");
}

static void paths_are_relocated_under_the_dist_tree(void)
{
    auto_fixture struct fixture fixture;
    prepare(&fixture);
    write_file(&fixture, "etc/cvmfs/default.conf",
               "CVMFS_MOUNT_DIR=/cvmfs\nCVMFS_CACHE_BASE=/var/lib/cvmfs\n"
               "CVMFS_KEYS_DIR=\"/etc/cvmfs/keys\"\nOTHER=/cvmfsexec-other\n"
               "OASIS_CERTIFICATES=/cvmfs/oasis.opensciencegrid.org/mis/certificates\n"
               "NESTED=$CVMFS_MOUNT_DIR/x\nCVMFS_PUBLIC_KEY=/etc/cvmfs/a.pub:/etc/cvmfs/b.pub\n");
    CHECK(build(&fixture, FQRN) == 0 && is(&fixture, "CVMFS_MOUNT_DIR", "DIST/cvmfs") &&
              is(&fixture, "CVMFS_CACHE_BASE", "DIST/var/lib/cvmfs") &&
              is(&fixture, "CVMFS_KEYS_DIR", "DIST/etc/cvmfs/keys") &&
              is(&fixture, "NESTED", "DIST/cvmfs/x"),
          "what begins with /etc, /var or /cvmfs is");
    CHECK(is(&fixture, "OTHER", "/cvmfsexec-other"), "what only looks so is not");
    auto_text struct text keys = TEXT_INIT;
    (void)text_printf(&keys, "%s/etc/cvmfs/a.pub:%s/etc/cvmfs/b.pub", fixture.dist, fixture.dist);
    CHECK(is(&fixture, "CVMFS_PUBLIC_KEY", keys.bytes), "each path of a list is");
    CHECK(
        build(&fixture, "oasis.opensciencegrid.org") == 0 &&
            is(&fixture, "OASIS_CERTIFICATES", "/cvmfs/oasis.opensciencegrid.org/mis/certificates"),
        "the certificates of oasis stay where the job sees them");
    fixture.layout.repositories = "/cvmfs";
    CHECK(build(&fixture, FQRN) == 0 && is(&fixture, "NESTED", "/cvmfs/x"),
          "where repositories are at /cvmfs itself, that stays");
}

static void nothing_is_relocated_twice(void)
{
    auto_fixture struct fixture fixture;
    prepare(&fixture);
    char text[200];
    (void)snprintf(text, sizeof text, "A=%s/etc/x\nB=/etc/y\nB=\"$B\"\n", fixture.dist);
    write_file(&fixture, "etc/cvmfs/default.local", text);
    CHECK(build(&fixture, FQRN) == 0 && is(&fixture, "A", "DIST/etc/x"),
          "a path in the tree stays what it is");
    CHECK(is(&fixture, "B", "DIST/etc/y"), "a value that is assigned to itself is relocated once");
}

static void defaults_stand_where_no_site_file_says_more(void)
{
    auto_fixture struct fixture fixture;
    prepare(&fixture);
    struct rlimit limit;
    (void)getrlimit(RLIMIT_NOFILE, &limit);
    char files[32];
    (void)snprintf(files, sizeof files, "%llu",
                   (unsigned long long)(limit.rlim_max < 1048576 ? limit.rlim_max : 1048576));
    char log[128];
    (void)snprintf(log, sizeof log, "%s/" FQRN ".log", fixture.log);
    write_file(&fixture, "etc/cvmfs/default.conf", "CVMFS_NFILES=131072\n");
    CHECK(build(&fixture, FQRN) == 0 && is(&fixture, "CVMFS_NFILES", files),
          "the hard limit of open files, whatever the packaged default.conf says");
    CHECK(is(&fixture, "CVMFS_USYSLOG", log), "a log file of its own");
    CHECK(is(&fixture, "CVMFS_AUTHZ_CVMFS_DIST", "DIST"), "the tree, for the helpers");
    write_file(&fixture, "etc/cvmfs/default.local", "CVMFS_NFILES=77\nCVMFS_USYSLOG=\n");
    CHECK(build(&fixture, FQRN) == 0 && is(&fixture, "CVMFS_NFILES", "77") &&
              is(&fixture, "CVMFS_USYSLOG", ""),
          "what default.local says stays");
    write_file(&fixture, "etc/cvmfs/config.d/" FQRN ".conf", "CVMFS_NFILES=88\nSEEN=$CVMFS_FQRN\n");
    CHECK(build(&fixture, FQRN) == 0 && is(&fixture, "CVMFS_NFILES", "88") &&
              is(&fixture, "SEEN", FQRN),
          "and a later file may say more, and knows the repository");
}

static void real_constructs_of_config_repositories_work(void)
{
    auto_fixture struct fixture fixture;
    prepare(&fixture);
    write_file(&fixture, "etc/os-release", "ID_LIKE=\"rhel fedora\"\nVERSION_ID=9\n");
    write_file(&fixture, "etc/cvmfs/default.d/50.conf",
               "CVMFS_CONFIG_REPOSITORY=conf.cern.ch\n"
               ". /etc/os-release\n"
               "OS=$VERSION_ID\n");
    write_file(&fixture, "etc/cvmfs/default.local", "CVMFS_HTTP_PROXY=\"auto;DIRECT\"\n");
    write_file(&fixture, "cvmfs/conf.cern.ch/etc/cvmfs/common.conf",
               "if [ \"$CVMFS_HTTP_PROXY\" = \"DIRECT\" ] || \\\n"
               "   [ \"$CVMFS_HTTP_PROXY\" = \"auto;DIRECT\" ]; then\n"
               "    : ${CVMFS_USE_CDN:=yes}\n    CVMFS_USE_CDN=\"$CVMFS_USE_CDN\"\nfi\n"
               "source ../more.conf\n");
    write_file(&fixture, "cvmfs/conf.cern.ch/etc/cvmfs/more.conf", "MORE='a   b'\n");
    write_file(&fixture, "cvmfs/conf.cern.ch/etc/cvmfs/domain.d/cern.ch.conf",
               "CVMFS_USE_CDN=\"$CVMFS_USE_CDN\"\n. ../common.conf\n"
               "if [ \"$CVMFS_USE_CDN\" = \"yes\" ]; then\n"
               "    CVMFS_SERVER_URL=\"http://cdn/cvmfs/@fqrn@;http://cdn2/cvmfs/@fqrn@\"\n"
               "else\n    CVMFS_SERVER_URL=\"http://s1/cvmfs/@fqrn@\"\nfi\n"
               "CVMFS_KEYS_DIR=$CVMFS_MOUNT_DIR/$CVMFS_CONFIG_REPOSITORY/etc/cvmfs/keys/cern.ch\n");
    write_file(&fixture, "etc/cvmfs/default.conf", "CVMFS_MOUNT_DIR=/cvmfs\n");
    write_file(&fixture, "cvmfs/conf.cern.ch/etc/cvmfs/config.d/" FQRN ".conf",
               "if [ $((RANDOM % 2)) -lt 2 ]; then\n  export PICKED=yes\nelse\n  NEVER=1\nfi\n");
    (void)build(&fixture, FQRN);
    CHECK(is(&fixture, "CVMFS_SERVER_URL", "http://cdn/cvmfs/" FQRN ";http://cdn2/cvmfs/" FQRN),
          "the servers are chosen");
    CHECK(is(&fixture, "CVMFS_KEYS_DIR", "DIST/cvmfs/conf.cern.ch/etc/cvmfs/keys/cern.ch"),
          "the keys are those of the config repository");
    CHECK(is(&fixture, "OS", "9"), "the system is the one that the tree was made for");
    CHECK(is(&fixture, "MORE", "a b"), "a sourced file's names count, with blanks folded");
    CHECK(is(&fixture, "PICKED", "yes") && is(&fixture, "NEVER", ""),
          "a branch that is not taken defines its names, as empty ones");
}

static void a_broken_file_is_named_with_its_line(void)
{
    auto_fixture struct fixture fixture;
    prepare(&fixture);
    write_file(&fixture, "etc/cvmfs/default.local", "A=1\n");
    write_file(&fixture, "etc/cvmfs/domain.d/cern.ch.local", "A=2\nif [ x ]; then\nA=3\n");
    CHECK(build(&fixture, FQRN) == -EINVAL &&
              strstr(fixture.error.message, "/domain.d/cern.ch.local:4: syntax error"),
          "the launcher fails");
    char file[256];
    (void)snprintf(file, sizeof file,
                   "%s/etc/cvmfs/domain.d/cern.ch.local:%s/etc/cvmfs/default.local", fixture.dist,
                   fixture.dist);
    fixture.error = (struct error)ERROR_INIT;
    CHECK(configuration_read(file, FQRN, &fixture.parameters, &fixture.error) == 0 &&
              strstr(fixture.error.message, "/domain.d/cern.ch.local:4: syntax error") &&
              is(&fixture, "A", "1"),
          "the client goes on with the next file");
    write_file(&fixture, "etc/cvmfs/domain.d/cern.ch.local", "A=2\n. nothing\n");
    CHECK(build(&fixture, FQRN) == 0 && fixture.error.code &&
              strstr(fixture.error.message, "/domain.d/cern.ch.local:2: cannot read"),
          "a missing sourced file is no failure, but named");
}

static void a_client_reads_each_file_in_a_shell_of_its_own(void)
{
    auto_fixture struct fixture fixture;
    prepare(&fixture);
    write_file(&fixture, "1.conf",
               "A=\"x   y\"\nB=@org@-@fqrn@-@z@\nif [ \"$NOPE\" = 1 ]; then\n"
               "C=1\nfi\nf() { :; }\nlower=1; HIDDEN=2\n. ./more\nSELF=\"$SELF\"\n"
               "G='/etc/pass*d'\n");
    write_file(&fixture, "more", "SELF=seen\nNOTHERE=1\n");
    write_file(&fixture, "2.conf", "D=\"$A$HIDDEN$CVMFS_FQRN\"\nreadonly E=1\n");
    write_file(&fixture, "3.conf", "E=2\nB=\"$B!\"\nexport F\n");
    char files[400];
    (void)snprintf(files, sizeof files, "%s/1.conf:%s/nothing.conf:%s/2.conf:%s/3.conf",
                   fixture.dist, fixture.dist, fixture.dist, fixture.dist);
    CHECK(configuration_read(files, "a.example.org", &fixture.parameters, &fixture.error) == 0 &&
              fixture.error.code == 0,
          "files that are there are read");
    CHECK(is(&fixture, "A", "x y") && is(&fixture, "G", "/etc/passwd"),
          "values are as echo prints them");
    CHECK(is(&fixture, "C", ""), "a branch that is not taken defines its names");
    CHECK(is(&fixture, "SELF", "seen") && is(&fixture, "NOTHERE", NULL),
          "names of a sourced file count only if the file has them itself");
    CHECK(is(&fixture, "D", "x ya.example.org"), "only parameters reach the next file");
    CHECK(is(&fixture, "E", "2"), "readonly ends with its file");
    CHECK(is(&fixture, "B", "a-a.example.org-@z@!"), "placeholders are replaced at once");
    CHECK(is(&fixture, "F", NULL), "export alone defines nothing");
}

static void what_the_launcher_writes_the_client_reads_back(void)
{
    auto_fixture struct fixture fixture;
    prepare(&fixture);
    write_file(&fixture, "etc/cvmfs/default.local",
               "A='it'\\''s   \"quoted\" \\$x'\nB=\"two\nB2=lines\"\nC='#;|&'\nD=\n");
    CHECK(build(&fixture, FQRN) == 0, "a configuration is built");
    auto_text struct text flat = TEXT_INIT;
    CHECK(parameters_format(&fixture.parameters, &flat) == 0, "it is written");
    write_file(&fixture, "flat.conf", flat.bytes);
    char file[100];
    (void)snprintf(file, sizeof file, "%s/flat.conf", fixture.dist);
    auto_parameters struct parameters again = PARAMETERS_INIT;
    CHECK(configuration_read(file, FQRN, &again, NULL) == 0 &&
              again.count == fixture.parameters.count,
          "the same names are read");
    bool same = true;
    for (size_t i = 0; i < again.count && same; i++)
        same = strcmp(again.items[i].value,
                      parameters_get(&fixture.parameters, again.items[i].name)) == 0;
    CHECK(same && is(&fixture, "B", "two B2=lines"), "with the same values");
}

static void simple_parsing_takes_lines_as_they_are(void)
{
    auto_fixture struct fixture fixture;
    prepare(&fixture);
    write_file(&fixture, "s.conf",
               "A=\"quoted $X\" # comment\nB='x\"'\nif [ y ]; then\nC=$(boom)\nexport D= e f \n");
    char file[100];
    (void)snprintf(file, sizeof file, "%s/s.conf", fixture.dist);
    CHECK(configuration_read_simple(NULL, file, FQRN, &fixture.parameters, &fixture.error) == 0 &&
              is(&fixture, "A", "quoted $X") && is(&fixture, "B", "x\"") &&
              is(&fixture, "C", "$(boom)") && is(&fixture, "D", "e f"),
          "one pair of quotes goes, nothing is expanded");
}

int main(void)
{
    the_launcher_reads_all_files_in_their_order();
    the_client_reads_the_standard_files_in_their_order();
    the_last_config_repository_of_default_d_counts();
    a_missing_config_repository_is_a_problem_or_a_failure();
    a_name_without_a_dot_gets_the_default_domain();
    strict_mount_refuses_what_is_not_listed();
    without_a_place_for_logs_there_is_no_default_for_one();
    paths_are_relocated_under_the_dist_tree();
    nothing_is_relocated_twice();
    defaults_stand_where_no_site_file_says_more();
    real_constructs_of_config_repositories_work();
    a_broken_file_is_named_with_its_line();
    a_client_reads_each_file_in_a_shell_of_its_own();
    what_the_launcher_writes_the_client_reads_back();
    simple_parsing_takes_lines_as_they_are();
    return tap_done();
}
