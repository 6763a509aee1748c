/* Mounting, fuse(4) and mount(2). Speaks no FUSE: that is the client's. */
#include "payload/launch/fuse_mount.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>
#include <unistd.h>

#include "payload/base/scope.h"
#include "payload/launch/diagnosis.h"

/* The source in the mount table. Releases of glideinWMS differ in which of the two words they count
 * lines of /proc/mounts by (cvmfs_helper_funcs.sh); so it has both. */
static const char mount_source[] = "cvmfs2@/dev/fuse";

int fuse_mount(const char *path, bool check_permissions, struct error *error)
{
    /* Opened here and not handed in: the kernel demands that the device was opened in the user
     * namespace it is mounted in. */
    auto_fd int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return diagnosis_fuse_device(-errno, error);
    char options[160];
    /* allow_other: containers that the job starts have further ids inside. */
    (void)snprintf(options, sizeof options,
                   "fd=%d,rootmode=40000,user_id=%u,group_id=%u,allow_other%s", fd, geteuid(),
                   getegid(), check_permissions ? ",default_permissions" : "");
    if (mount(mount_source, path, "fuse", MS_RDONLY | MS_NODEV | MS_NOSUID, options) < 0)
        return diagnosis_fuse_mount(-errno, path, error);
    return steal_fd(&fd);
}
