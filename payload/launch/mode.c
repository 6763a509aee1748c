/* Choosing a mode. How each of them mounts is said elsewhere. */
#include "payload/launch/mode.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>

#include "payload/base/text.h"
#include "payload/launch/bound_mount.h"
#include "payload/launch/fuse_mount.h"
#include "payload/launch/fusermount.h"

int mode_read(enum mode_number *number, struct error *error)
{
    const char *value = getenv(MODE_VARIABLE);
    *number = MODE_BY_TRYING;
    if (!value || !*value)
        return 0;
    if (value[0] < '1' || value[0] > '3' || value[1] != '\0')
        return error_set(error, -EINVAL, MODE_VARIABLE "='%s' is none of 1, 2 and 3", value);
    *number = (enum mode_number)(value[0] - '0');
    return 0;
}

int mode_begin(struct mode *mode, const struct paths *paths, struct error *error)
{
    enum mode_number number;
    int result = mode_read(&number, error);
    if (result < 0)
        return result;
    if (number == MODE_HOST)
        return error_set(error, -EINVAL,
                         MODE_VARIABLE
                         "=1: mode 1 has no namespaces, and so there is no /cvmfs to run a command "
                         "with; %s/mountrepo mounts repositories under %s/cvmfs",
                         paths->home, paths->dist);
    /* What one client found out is for all to know, process 1 included. */
    void *shared = mmap(NULL, sizeof *mode->outside, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        return error_system(error, -errno, "preparing to mount");
    *mode = (struct mode){.number = number, .paths = paths, .mounter = -1, .outside = shared};
    return 0;
}

static int mount_outside(const struct mode *mode, const char *path, bool check_permissions,
                         struct error *error)
{
    *mode->outside = true;
    return bound_mount(mode->mounter, path, check_permissions, error);
}

/* What means that the system does not permit or know FUSE here, as opposed to a failure. */
static bool is_refusal(int code)
{
    return code == -EPERM || code == -EACCES || code == -EINVAL || code == -ENODEV ||
           code == -ENXIO || code == -ENOENT || code == -ENOSYS;
}

static int mount_by_trying(const struct mode *mode, const char *path, bool check_permissions,
                           struct error *error)
{
    struct error inside = ERROR_INIT;
    int device = fuse_mount(path, check_permissions, &inside);
    if (device >= 0)
        return device;
    if (!is_refusal(device)) {
        if (error)
            *error = inside;
        return device;
    }
    struct error outside = ERROR_INIT;
    device = mount_outside(mode, path, check_permissions, &outside);
    if (device >= 0)
        return device;
    return error_set(error, device, "%s; nor outside of the namespaces: %s", inside.message,
                     outside.message);
}

int mode_mount(const struct mode *mode, const char *path, bool check_permissions,
               struct error *error)
{
    switch (mode->number) {
    case MODE_HOST:
        return fusermount_mount(path, check_permissions, error);
    case MODE_OUTSIDE:
        return mount_outside(mode, path, check_permissions, error);
    case MODE_INSIDE:
        return fuse_mount(path, check_permissions, error);
    case MODE_BY_TRYING:
        break;
    }
    return mount_by_trying(mode, path, check_permissions, error);
}

bool mode_is_outside(const struct mode *mode)
{
    return *mode->outside;
}

int mode_unmount(const struct mode *mode, const char *path, int flags)
{
    /* To break off connections is for who mounted them, in his user namespace. */
    return umount2(path, *mode->outside ? flags & ~MNT_FORCE : flags) < 0 ? -errno : 0;
}

void mode_suggest_host(struct error *error)
{
    auto_text struct text program = TEXT_INIT;
    if (fusermount_find(&program) < 0)
        return;
    struct error refusal = *error;
    (void)error_set(error, refusal.code,
                    "%s; mountrepo, which needs no namespaces but %s, may still work",
                    refusal.message, program.bytes);
}
