/* Where the sessions of a user are recorded: a directory that only he can enter, with one socket
 * for each session, named like it, on which its process 1 listens. A socket that nobody listens on
 * is all that is left of a session that was killed.
 *
 * The directory is $CVMFSEXEC_SESSIONS, else /tmp/cvmfsexec-UID. Not one in $XDG_RUNTIME_DIR: that
 * is removed at the last logout, while a session is to stay, and a batch system's prolog and job do
 * not have the same value of it. */
#ifndef CVMFSEXEC_LAUNCH_SESSION_RECORD_H
#define CVMFSEXEC_LAUNCH_SESSION_RECORD_H

#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "payload/base/error.h"

#define SESSION_DIRECTORY_VARIABLE "CVMFSEXEC_SESSIONS"

/* What tells a record from a later one of the same name. */
struct session_identity {
    ino_t inode;
    struct timespec changed;
};

/* Opens the directory, and makes it when it is missing: a descriptor. It must be the user's, closed
 * to all others, and not be reached through a link of that name (-EPERM). Or another negative
 * errno. */
int session_record_open(struct error *error);

/* From lock to unlock no other process begins a session or takes a record away. 0 or a negative
 * errno. */
int session_record_lock(int directory, struct error *error);
void session_record_unlock(int directory);

/* Connects to a session: a descriptor; -ENOENT when there is none of this name; -ECONNREFUSED when
 * it was killed; -EPERM when somebody else listens there; or another negative errno. */
int session_record_connect(int directory, const char *name, struct error *error);

/* Opens the directory and connects. -ENOENT too when the session was killed: its record is removed
 * then, and the words say so. Else as session_record_connect. `identity` may be NULL. */
int session_record_visit(const char *name, struct session_identity *identity, struct error *error);

/* Waits until a session that is ending is gone, and its record with it, even if it is killed
 * meanwhile. 0 or a negative errno. */
int session_record_outlast(const char *name, const struct session_identity *identity,
                           struct error *error);

/* Makes the record, with the directory locked and none of this name in it: the socket to listen on,
 * which others can connect to from now on. Or a negative errno. */
int session_record_make(int directory, const char *name, struct session_identity *identity,
                        struct error *error);

/* Takes a record away: with the directory locked, that of a killed session. 0 or a negative errno.
 */
int session_record_remove(int directory, const char *name, struct error *error);

/* Takes the own record away, if it is still there. */
void session_record_remove_own(int directory, const char *name,
                               const struct session_identity *identity);

/* Whether the process at the other end of a connected socket is the same user's. */
bool session_record_is_own_peer(int connection);

#endif
