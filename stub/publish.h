/* From "there is no such tree" to "there is one": lock, look again, stage, rename.
 *
 * Beside the tree (".cvmfsexec", see bundle_directory_name) there are, for the time of an
 * extraction, ".cvmfsexec.lock" and a staging directory ".cvmfsexec.new-NODE-RANDOM". A tree is
 * trusted only if its BUNDLE_STAMP fits, and the stamp is written last of all: after the tree
 * stands in its place and everything else has been cleaned up. So whatever an extraction is
 * interrupted by, the next run begins again, and removes what the interrupted one left. The lock
 * saves work, nothing depends on it: where it does not reach (some network file systems) several
 * nodes extract at once and one after the other puts a whole tree into place. */
#ifndef CVMFSEXEC_STUB_PUBLISH_H
#define CVMFSEXEC_STUB_PUBLISH_H

#include <stdbool.h>
#include <sys/types.h>

#include "payload/base/error.h"
#include "stub/bundle.h"

struct publish_options {
    const struct bundle *bundle;
    int file;    /* the bundle, open for reading */
    uid_t owner; /* whom the bundle belongs to: his trees are trusted as he is */
    int parent;  /* the directory the tree is to be in */
    /* As in unpack_options. */
    void (*progress)(void *context, uint64_t done, uint64_t total);
    void *progress_context;
};

/* Whether the tree of this very bundle is in its place, and belongs to this user, to root or to
 * the owner of the bundle, and cannot be written by others. */
bool publish_is_ready(const struct publish_options *options);

/* Takes the stamp off the tree, which has turned out not to be whole. */
void publish_revoke(const struct publish_options *options);

/* Puts the tree into place, or waits for another process that is about to. An older tree is
 * replaced; its cache and logs move over (carry.h). After a failure nothing is left behind and an
 * older tree is as it was. 0, or a negative errno with words: see unpack_bundle and place_probe. */
int publish_bundle(const struct publish_options *options, struct error *error);

#endif
