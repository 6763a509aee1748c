/* The file system's answers to the kernel: thin functions between libfuse and the layers below.
 * The session's user data is the struct client. */
#ifndef CVMFSEXEC_CLIENT_OPERATIONS_H
#define CVMFSEXEC_CLIENT_OPERATIONS_H

#ifndef FUSE_USE_VERSION
#define FUSE_USE_VERSION 312
#endif
#include <fuse_lowlevel.h>

#include "payload/client/client.h"

/* The table for fuse_session_new. */
extern const struct fuse_lowlevel_ops client_operations;

/* True when the caller may use the repository at all: one with voms_authz wants an authorisation
 * helper for everybody but root (cvmfs-format.md 10.4), which this client does not have. Otherwise
 * the request has been answered with EACCES. */
bool operation_is_allowed(fuse_req_t request, struct client *client);

/* Answers with a failure: `result` is a negative errno, `where` the official number of the place
 * for the log line "EIO (NN) on PATH". */
void operation_fail(fuse_req_t request, struct client *client, int result, int where,
                    uint64_t inode, const struct error *error);

/* operations_read.c */
void operation_read(fuse_req_t request, fuse_ino_t inode, size_t size, off_t offset,
                    struct fuse_file_info *info);
/* operations_directory.c */
void operation_readdir(fuse_req_t request, fuse_ino_t inode, size_t size, off_t offset,
                       struct fuse_file_info *info);
void operation_readdirplus(fuse_req_t request, fuse_ino_t inode, size_t size, off_t offset,
                           struct fuse_file_info *info);
/* operations_xattr.c */
void operation_getxattr(fuse_req_t request, fuse_ino_t inode, const char *name, size_t size);
void operation_listxattr(fuse_req_t request, fuse_ino_t inode, size_t size);

/* The attributes of a node, given the stored text of a symlink ("" otherwise). 0 or -ENOMEM. */
int operation_stat(const struct client *client, const struct tree_node *node, const char *link,
                   struct stat *status);

#endif
