/* The FUSE session: mounting, serving, moving on to new revisions, unmounting. */
#ifndef CVMFSEXEC_CLIENT_SESSION_H
#define CVMFSEXEC_CLIENT_SESSION_H

#include <stdbool.h>

#include "payload/base/error.h"
#include "payload/client/client.h"
#include "payload/client/options.h"

struct session;

/* Mounts `client` at the mountpoint of the options (a directory, or /dev/fd/N). The kernel's
 * requests wait from then on. -ENOTCONN when FUSE refuses; libfuse has then said why on stderr. */
int session_mount(const struct options *options, struct client *client, struct session **session,
                  struct error *error);

/* Serves until the mount ends, SIGTERM, SIGINT or SIGHUP arrives, or the mounted revision turns
 * out to be blacklisted; then unmounts, as below. 0, or a negative errno. */
int session_serve(struct session *session, struct error *error);

/* Unmounts what is still mounted (not by somebody else, and given as /dev/fd/N), and frees all. */
void session_unmount(struct session *session);

#endif
