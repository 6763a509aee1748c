/* The side inside. Where the mounts of the host are shared (mount_namespaces(7)), what is mounted
 * outside shows inside at once, and is bound to its place. Where they are not, only a copy helps
 * that is taken outside and sent here, which Linux 5.2 brought. None of this asks the file system
 * anything: it is not served yet.
 *
 * Outside it is unmounted again at once. So it ends with the namespaces, whatever is killed, and
 * neither the host nor what else starts there sees a mount that would be dead one day. */
#include "payload/launch/bound_mount.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "payload/base/scope.h"
#include "payload/base/strings.h"
#include "payload/launch/mount_table.h"
#include "payload/launch/mounter.h"

#ifndef SYS_move_mount
#define SYS_move_mount 429 /* the same number on every architecture */
#endif
#define MOVE_FROM_DESCRIPTOR 4 /* MOVE_MOUNT_F_EMPTY_PATH of linux/mount.h */

/* 1 when the mount outside shows here, 0 when it does not, or a negative errno. */
static int has_come_in(const char *outside, struct error *error)
{
    auto_text struct text directory = TEXT_INIT;
    auto_strings struct strings mounted = STRINGS_INIT;
    int result = text_append(&directory, outside, (size_t)(strrchr(outside, '/') - outside));
    if (result == 0)
        result = mount_table_read(directory.bytes, &mounted);
    if (result < 0)
        return error_system(error, result, "reading the mount table");
    return strings_contain(&mounted, outside);
}

static int bind_mount(const char *outside, const char *path, struct error *error)
{
    if (mount(outside, path, NULL, MS_BIND, NULL) < 0)
        return error_system(error, -errno, "binding %s to %s", outside, path);
    /* It would go away as soon as it is unmounted outside; older kernels permit nothing else. */
    (void)umount2(outside, MNT_DETACH | UMOUNT_NOFOLLOW);
    return 0;
}

static int attach_copy(int mounter, const char *path, struct error *error)
{
    auto_fd int copy = mounter_copy(mounter, strrchr(path, '/') + 1, error);
    int code = copy < 0 ? copy : 0;
    if (code == 0 && syscall(SYS_move_mount, copy, "", AT_FDCWD, path, MOVE_FROM_DESCRIPTOR) < 0)
        code = error_system(error, -errno, "attaching it to %s", path);
    if (code < 0)
        (void)error_prefix(error,
                           "%s is mounted outside but does not show inside, since the mounts of "
                           "this host are private (root can share them with: mount --make-rshared "
                           "/)",
                           path);
    return code;
}

static int bring_in(int mounter, const char *outside, const char *path, struct error *error)
{
    int result = has_come_in(outside, error);
    if (result == 0)
        return attach_copy(mounter, path, error);
    return result < 0 ? result : bind_mount(outside, path, error);
}

int bound_mount(int mounter, const char *path, bool check_permissions, struct error *error)
{
    const char *name = strrchr(path, '/') + 1;
    auto_text struct text outside = TEXT_INIT;
    auto_fd int device = mounter_mount(mounter, name, check_permissions, &outside, error);
    if (device < 0)
        return device;
    int result = bring_in(mounter, outside.bytes, path, error);
    mounter_unmount(mounter, name);
    return result < 0 ? result : steal_fd(&device);
}
