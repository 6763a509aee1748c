/* A root directory of three files, served by libfuse with a descriptor per thread. */
#define FUSE_USE_VERSION 312

#include <errno.h>
#include <fuse_lowlevel.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "tests/official/standin.h"

#define FILES 3
#define LONG 3600.0

static const char *const names[FILES] = {"fqrn", "arguments", "libraries"};
static char contents[FILES][4096];
static struct fuse_session *session;

static struct stat attributes(fuse_ino_t inode)
{
    struct stat status = {.st_ino = inode, .st_uid = getuid(), .st_gid = getgid()};
    if (inode == FUSE_ROOT_ID) {
        status.st_mode = S_IFDIR | 0755;
        status.st_nlink = 2;
    } else {
        status.st_mode = S_IFREG | 0444;
        status.st_nlink = 1;
        status.st_size = (off_t)strlen(contents[inode - 2]);
    }
    return status;
}

static void lookup(fuse_req_t request, fuse_ino_t parent, const char *name)
{
    (void)parent;
    for (size_t index = 0; index < FILES; index++) {
        if (strcmp(names[index], name) == 0) {
            const struct fuse_entry_param entry = {.ino = index + 2,
                                                   .attr = attributes(index + 2),
                                                   .attr_timeout = LONG,
                                                   .entry_timeout = LONG};
            (void)fuse_reply_entry(request, &entry);
            return;
        }
    }
    (void)fuse_reply_err(request, ENOENT);
}

static void get_attributes(fuse_req_t request, fuse_ino_t inode, struct fuse_file_info *info)
{
    (void)info;
    struct stat status = attributes(inode);
    (void)fuse_reply_attr(request, &status, LONG);
}

static void read_directory(fuse_req_t request, fuse_ino_t inode, size_t size, off_t offset,
                           struct fuse_file_info *info)
{
    (void)inode;
    (void)info;
    char listing[4096];
    size_t length = 0;
    for (size_t index = (size_t)offset; index < FILES; index++) {
        struct stat status = attributes(index + 2);
        size_t room = (size < sizeof listing ? size : sizeof listing) - length;
        size_t wanted = fuse_add_direntry(request, listing + length, room, names[index], &status,
                                          (off_t)index + 1);
        if (wanted > room)
            break;
        length += wanted;
    }
    (void)fuse_reply_buf(request, listing, length);
}

static void read_file(fuse_req_t request, fuse_ino_t inode, size_t size, off_t offset,
                      struct fuse_file_info *info)
{
    (void)info;
    const char *content = contents[inode - 2];
    size_t length = strlen(content);
    size_t from = (size_t)offset < length ? (size_t)offset : length;
    (void)fuse_reply_buf(request, content + from, size < length - from ? size : length - from);
}

static void file_system_status(fuse_req_t request, fuse_ino_t inode)
{
    (void)inode;
    const struct statvfs status = {.f_bsize = 4096, .f_frsize = 4096, .f_blocks = 1000};
    (void)fuse_reply_statfs(request, &status);
}

int file_system_attach(const char *mountpoint, const char *fqrn, const char *name)
{
    static const struct fuse_lowlevel_ops operations = {.lookup = lookup,
                                                        .getattr = get_attributes,
                                                        .readdir = read_directory,
                                                        .read = read_file,
                                                        .statfs = file_system_status};
    (void)snprintf(contents[0], sizeof contents[0], "%s\n", fqrn);
    (void)snprintf(contents[1], sizeof contents[1], "%s\n", name);
    (void)snprintf(contents[2], sizeof contents[2], "%s\n", private_c_library());
    char program[] = "cvmfs2";
    char options[] = "-oro,nodev";
    char *words[] = {program, options, NULL};
    struct fuse_args arguments = FUSE_ARGS_INIT(2, words);
    session = fuse_session_new(&arguments, &operations, sizeof operations, NULL);
    return session ? fuse_session_mount(session, mountpoint) : -1;
}

int file_system_serve(void)
{
    struct fuse_loop_config *settings = fuse_loop_cfg_create();
    fuse_loop_cfg_set_clone_fd(settings, 1);
    if (fuse_set_signal_handlers(session) != 0)
        return -1;
    int result = fuse_session_loop_mt(session, settings);
    fuse_remove_signal_handlers(session);
    fuse_session_unmount(session);
    fuse_session_destroy(session);
    fuse_loop_cfg_destroy(settings);
    return result;
}
