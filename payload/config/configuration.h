/* Which configuration files a repository has, in which order, and what they say.
 *
 * Evaluation has two outcomes that are not the same. A file that is not shell at all (a syntax
 * error) makes the functions fail in configuration_build and configuration_repository, with
 * FILE:LINE in the words; the reading functions of the client go on with the next file, as the
 * official client does (cvmfs-format 8.2). A problem that did not stop the evaluation (a missing
 * file behind `.`, an assignment to a readonly name) never fails. In both of the latter cases the
 * function returns 0 and leaves the words of the first problem in `error`, with a code that is not
 * 0: worth a line in the log. */
#ifndef CVMFSEXEC_CONFIG_CONFIGURATION_H
#define CVMFSEXEC_CONFIG_CONFIGURATION_H

#include "payload/base/error.h"
#include "payload/config/parameters.h"

/* Absolute paths without a slash at the end. */
struct configuration_layout {
    const char *dist;         /* the dist tree */
    const char *log;          /* the directory of log files; NULL when there can be none */
    const char *repositories; /* where repositories are mounted: "/cvmfs" or "<dist>/cvmfs" */
    const char *var;          /* what stands for /var; NULL: <dist>/var */
    const char *site;         /* what is read as default.local; NULL: that of the dist tree */
};

/* The config repository (CVMFS_CONFIG_REPOSITORY in etc/cvmfs/default.conf and every
 * default.d/...conf of the dist tree; the last one counts). The caller frees *fqrn, which is NULL
 * when there is none. 0 or a negative errno. */
int configuration_repository(const struct configuration_layout *layout, char **fqrn,
                             struct error *error);

/* The whole name of a repository: `name` itself where it has a dot or no domain is configured,
 * else with CVMFS_DEFAULT_DOMAIN of the dist tree (default.conf, default.d, default.local) behind
 * it. The config repository is not asked: what is in it is read only for repositories that have
 * their names. The caller frees *fqrn. 0 or a negative errno. */
int configuration_full_name(const struct configuration_layout *layout, const char *name,
                            char **fqrn, struct error *error);

/* The configuration as the launcher hands it to a client: all files of compatibility.md,
 * "Configuration", in one shell that sees the process environment and CVMFS_FQRN; what begins with
 * /etc, /var or /cvmfs relocated; our defaults; @fqrn@ and @org@ replaced. The files of the config
 * repository are read where it is mounted, unless `fqrn` is itself that repository; when its
 * directory is missing that is a problem, and a failure where CVMFS_CONFIG_REPO_REQUIRED is on.
 * -EACCES when CVMFS_STRICT_MOUNT is on and CVMFS_REPOSITORIES does not list the repository, unless
 * it is the config repository. `parameters` is filled,
 * what was in it stays. 0 or a negative errno. */
int configuration_build(const struct configuration_layout *layout, const char *fqrn,
                        struct parameters *parameters, struct error *error);

/* The client's `-o config=A:B:C`: these files and no others, in this order, each in a shell of its
 * own whose working directory is that of the file, by the rules of cvmfs-format 8.2 and 8.3. Files
 * that are not there are passed over. The process environment is read, not changed: exporting the
 * parameters is the caller's. 0 or a negative errno. */
int configuration_read(const char *files, const char *fqrn, struct parameters *parameters,
                       struct error *error);

/* The client without `config=`: the files of cvmfs-format 8.1 under `directory` (/etc/cvmfs).
 * -ENOENT when CVMFS_CONFIG_REPO_REQUIRED is on and the config repository cannot be read. */
int configuration_read_standard(const char *directory, const char *fqrn,
                                struct parameters *parameters, struct error *error);

/* The client's `-o simple_options_parsing`: no shell, NAME=text lines. The files are `files`
 * (A:B:C), or those of configuration_read_standard when that is NULL. */
int configuration_read_simple(const char *directory, const char *files, const char *fqrn,
                              struct parameters *parameters, struct error *error);

#endif
