/* The table of sources: where the packages of a distribution are downloaded from.
 *
 * It is text, the same for the table that comes with makedist and for a file of the site's that
 * takes the place of parts of it:
 *
 *     # words
 *     [cvmfs]                               a source: what the plan calls it
 *     types = rhel*-x86_64 rhel*-aarch64    what follows is for these machine types; default: all
 *     base = https://a.example/EL/{version}/{arch}    a package repository: repodata/ is below it
 *     base = https://b.example/EL/{version}/{arch}    the same again: a mirror
 *     listing = https://a.example/EL/{version}/{arch}/Packages     where it can be browsed
 *     file = https://a.example/one-latest.noarch.rpm  or the package itself, nothing to be searched
 *     key = keys/RPM-GPG-KEY                who signs there: a file beside the table
 *
 *     [replace]
 *     https://a.example/ = file:///srv/mirror/a/      beginnings of URLs, in all sources
 *
 * {version} and {arch} are those of the machine type. A section that a later table has replaces
 * the earlier one as a whole; replacements add up, the longest one that fits is used. */
#ifndef CVMFSEXEC_PACKER_SOURCE_H
#define CVMFSEXEC_PACKER_SOURCE_H

#include <stddef.h>

#include "packer/machine.h"
#include "payload/base/error.h"
#include "payload/base/strings.h"
#include "payload/base/text.h"

struct source_table;

/* The table that comes with makedist. 0 or -ENOMEM. */
int source_table_open(struct source_table **table, struct error *error);
void source_table_close(struct source_table *table); /* NULL is allowed */

/* Reads a table over the present one. `name` is for messages, and its directory is where the files
 * of keys are. 0; -EINVAL with NAME:LINE and what is wrong there, and nothing has changed;
 * -ENOMEM. */
int source_table_parse(struct source_table *table, const char *name, const char *bytes,
                       size_t length, struct error *error);
/* The same for a file; also what reading it gives. */
int source_table_read(struct source_table *table, const char *path, struct error *error);

/* Where one source is for a machine type: placeholders filled in, beginnings replaced. */
struct source {
    const char *name; /* the table's */
    struct strings bases;
    struct strings listings;
    struct strings files;
    struct strings keys; /* paths */
};

#define SOURCE_INIT                                                                           \
    {                                                                                         \
        .name = NULL, .bases = STRINGS_INIT, .listings = STRINGS_INIT, .files = STRINGS_INIT, \
        .keys = STRINGS_INIT                                                                  \
    }

void source_free(struct source *source);
#define auto_source __attribute__((cleanup(source_free)))

/* Fills an empty source. 0; -ENOENT without words when the table has no such section, or nothing in
 * it for this machine type; -ENOMEM. */
int source_find(const struct source_table *table, const char *name, const struct machine *machine,
                struct source *source);

/* Appends the names of all sources, in the order of the table. 0 or -ENOMEM. */
int source_names(const struct source_table *table, struct strings *names);

/* Appends the table in its own form, every section with what it has for each of its types:
 * what a site begins its own from. 0 or -ENOMEM. */
int source_table_write(const struct source_table *table, struct text *text);

#endif
