/* The tag database of a repository: named snapshots (cvmfs-format.md 7). */
#ifndef CVMFSEXEC_CLIENT_HISTORY_H
#define CVMFSEXEC_CLIENT_HISTORY_H

#include <stdint.h>

#include "payload/base/error.h"
#include "payload/client/hash.h"

struct history;

/* Opens the database behind `fd`, which may be closed afterwards. -EIO for what is no tag database,
 * -EINVAL for one of a schema that is not known or of no repository. */
int history_open(int fd, struct history **history, struct error *error);
void history_close(struct history *history); /* NULL is allowed */

/* The root catalog of the tag `name`. 0, -ENOENT, or -EIO. */
int history_find_tag(struct history *history, const char *name, struct hash *catalog);

/* The root catalog of the newest revision that was there at `date` (Unix time). Errors likewise. */
int history_find_date(struct history *history, int64_t date, struct hash *catalog);

/* CVMFS_REPOSITORY_DATE, YYYY-MM-DDThh:mm:ssZ and nothing else, as Unix time. 0 or -EINVAL. */
int history_parse_date(const char *text, int64_t *date);

#endif
