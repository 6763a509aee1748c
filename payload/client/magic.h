/* Magic extended attributes: what a client says about itself and its files when asked for
 * user.fqrn, user.hash and so on, with the official text (cvmfs-format.md 10.6). */
#ifndef CVMFSEXEC_CLIENT_MAGIC_H
#define CVMFSEXEC_CLIENT_MAGIC_H

#include <stdbool.h>

#include "payload/base/text.h"
#include "payload/client/client.h"

/* Appends the value of the attribute `name` (as given to getxattr, with "~N" or "@N" for a page of
 * a long one) of a node. 0, -ENODATA when it does not apply to the node, -ENOENT when `name` is
 * no magic one at all, or another negative errno. */
int magic_value(struct client *client, const struct tree_node *node, const char *name,
                struct text *value);

/* True for the plain names of magic attributes. */
bool magic_is_name(const char *name);

/* Appends the names that apply to a node, each with its NUL, as listxattr wants them. */
int magic_list(const struct client *client, const struct tree_node *node, struct text *names);

#endif
