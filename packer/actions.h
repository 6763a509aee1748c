/* What makedist does, one function for each thing: it says what there is to say, and how it ended.
 * `directory` is that of the program, `place` the one where dist stands or is to stand. */
#ifndef CVMFSEXEC_PACKER_ACTIONS_H
#define CVMFSEXEC_PACKER_ACTIONS_H

#include "packer/command.h"
#include "packer/source.h"
#include "packer/status.h"

/* Makes a tree, or says what would be downloaded for it. */
enum status action_make(const struct command *command, const char *directory, const char *place);

/* Packs the tree. */
enum status action_pack(const struct command *command, const char *directory, const char *place);

/* Says what is in a bundle. */
enum status action_inspect(const struct command *command);

/* Holds every frame of a bundle against its checksum, and the payload against its digest. */
enum status action_verify(const struct command *command);

/* Unpacks a bundle into a directory, which must not be there, or be empty. */
enum status action_extract(const struct command *command);

enum status action_list_types(void);

/* Prints the table of sources, with what a site has changed. */
enum status action_list_sources(const struct command *command, const char *directory);

/* Says that there is no such machine type. */
enum status action_refuse_machine(const char *name);

/* The table with the site's own over it: --sources, or makedist.conf beside the program. 0 or a
 * negative errno; the caller closes the table. */
int action_open_table(const struct command *command, const char *directory,
                      struct source_table **table, struct error *error);

#endif
