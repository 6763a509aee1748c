/* Mounting outside of the namespaces, at the request of processes inside ("mode 2").
 *
 * The two sides share a pair of sequenced-packet sockets, which the job never sees. A request is
 * one packet: a letter and a name. With it goes one end of a socket for the answer, unless none is
 * wanted; requests are dealt with in their order. An answer is one packet: a negative errno or 0,
 * and words; a descriptor goes with it. When nobody is left inside who could ask, the work is over:
 * that is the end of the run, whatever brought it about. */
#ifndef CVMFSEXEC_LAUNCH_MOUNTER_H
#define CVMFSEXEC_LAUNCH_MOUNTER_H

#include <stdbool.h>

#include "payload/base/error.h"
#include "payload/base/text.h"

/* Inside: mounts a FUSE file system outside, on a new directory of this name. `path` is told which:
 * an absolute path of the host. The device's descriptor, which the caller owns, or a negative
 * errno. */
int mounter_mount(int mounter, const char *name, bool check_permissions, struct text *path,
                  struct error *error);

/* Inside: a copy of such a mount that is not attached anywhere, for move_mount(2), Linux 5.2. Its
 * descriptor, which the caller owns, or a negative errno. */
int mounter_copy(int mounter, const char *name, struct error *error);

/* Inside: has it unmounted outside and its directory removed. Does not wait for it; nothing happens
 * when it is not mounted. */
void mounter_unmount(int mounter, const char *name);

/* Outside: serves requests in the working directory until nobody is left who could ask.
 * `user_namespace`: what is inside has one of its own. */
void mounter_serve(int mounter, bool user_namespace);

/* Outside: answers every request with this error until nobody is left who could ask. */
void mounter_refuse(int mounter, const struct error *refusal);

#endif
