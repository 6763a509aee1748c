/* Names of repositories as configuration files speak of them. */
#ifndef CVMFSEXEC_CONFIG_REPOSITORY_NAMES_H
#define CVMFSEXEC_CONFIG_REPOSITORY_NAMES_H

#include <stdbool.h>

/* Is it a name that may stand in a path: not empty, no slash, no leading dot? */
bool repository_name_is_valid(const char *fqrn);

/* The part behind the first dot of a repository name, or NULL. It points into the name. */
const char *repository_domain(const char *fqrn);

/* Does a list of names, separated by commas or white space, have this repository? A name without a
 * dot stands for the one in `domain`, which may be NULL or empty for none. */
bool repository_is_listed(const char *fqrn, const char *list, const char *domain);

#endif
