/* The words about FUSE: the device, and mounting. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "payload/launch/diagnosis.h"
#include "payload/launch/diagnosis_say.h"

#define DEVICE "/dev/fuse"
#define DEVICE_MAJOR 10 /* the kernel's devices.txt */
#define DEVICE_MINOR 229

static int explain_closed_device(int code, struct error *error)
{
    struct statvfs where;
    if (faccessat(AT_FDCWD, DEVICE, R_OK | W_OK, AT_EACCESS) < 0)
        return diagnosis_say(error, code, "opening " DEVICE,
                             "it is closed to users; root can open it with: chmod 666 " DEVICE
                             " (and for the next start with the udev rule KERNEL==\"fuse\", "
                             "MODE=\"0666\")");
    if (statvfs(DEVICE, &where) == 0 && (where.f_flag & ST_NODEV))
        return diagnosis_say(error, code, "opening " DEVICE,
                             "the file system it is on is mounted with nodev; a container needs "
                             "the device itself: --device " DEVICE " (docker, podman), "
                             "--dev-bind /dev /dev (bubblewrap)");
    return diagnosis_inside(code, "opening " DEVICE, error);
}

int diagnosis_fuse_device(int code, struct error *error)
{
    if (code == -ENOENT)
        return diagnosis_say(error, code, "opening " DEVICE,
                             "root can provide it with: modprobe fuse; in a container it is "
                             "provided by: --device " DEVICE " (docker, podman), --dev-bind " DEVICE
                             " " DEVICE " (bubblewrap)");
    if (code == -ENODEV || code == -ENXIO)
        return diagnosis_say(error, code, "opening " DEVICE,
                             "the kernel module is not loaded; root can load it with: modprobe "
                             "fuse");
    if (code == -EACCES)
        return explain_closed_device(code, error);
    if (code == -EPERM)
        return diagnosis_say(
            error, code, "opening " DEVICE,
            "the device is closed to this container; it is opened by: --device " DEVICE
            " (docker, podman), or privileged: true (kubernetes)");
    return error_system(error, code, "opening " DEVICE);
}

static bool is_the_device(void)
{
    struct stat status;
    return stat(DEVICE, &status) < 0 ||
           (S_ISCHR(status.st_mode) && status.st_rdev == makedev(DEVICE_MAJOR, DEVICE_MINOR));
}

int diagnosis_fuse_mount(int code, const char *path, struct error *error)
{
    char what[320];
    (void)snprintf(what, sizeof what, "mounting FUSE on %s", path); /* cut is fine */
    struct facts facts;
    facts_read("/proc", &facts);
    if (code == -EINVAL && !is_the_device())
        return diagnosis_say(error, code, what,
                             DEVICE
                             " is something else than the device; root can make it with: rm " DEVICE
                             "; mknod -m 666 " DEVICE " c 10 229");
    if (code == -ENODEV)
        return diagnosis_say(error, code, what,
                             "this kernel has no FUSE; root can load it with: modprobe fuse");
    /* Only for the words: some older kernels have it too, and for them it was not refused. */
    if (code == -EPERM && !kernel_is_at_least(facts.kernel, 4, 18))
        return diagnosis_say(error, code, what,
                             "this kernel, %s, permits it in no user namespace: Linux 4.18 or "
                             "newer is needed, or RHEL 7.8",
                             facts.kernel);
    return diagnosis_inside_of(&facts, code, what, error);
}
