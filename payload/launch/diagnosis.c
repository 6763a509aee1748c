/* Settings are looked at only after something was refused: what a system allows is found by trying,
 * never concluded from what its settings or its version say. */
#include "payload/launch/diagnosis.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "payload/base/file.h"
#include "payload/base/text.h"

struct setting {
    const char *path;    /* below /proc/sys */
    const char *name;    /* as sysctl calls it */
    const char *forbids; /* the value that forbids */
    const char *permits; /* a value that does not */
};

static const struct setting settings[] = {
    {"user/max_user_namespaces", "user.max_user_namespaces", "0", "15000"},
    {"kernel/unprivileged_userns_clone", "kernel.unprivileged_userns_clone", "0", "1"},
    {"kernel/apparmor_restrict_unprivileged_userns", "kernel.apparmor_restrict_unprivileged_userns",
     "1", "0"},
    {"user/max_mnt_namespaces", "user.max_mnt_namespaces", "0", "15000"},
    {"user/max_pid_namespaces", "user.max_pid_namespaces", "0", "15000"},
};

static bool setting_forbids(const struct setting *setting)
{
    auto_text struct text path = TEXT_INIT;
    auto_text struct text value = TEXT_INIT;
    if (text_printf(&path, "/proc/sys/%s", setting->path) < 0 ||
        file_load(-1, path.bytes, 4096, &value) < 0)
        return false;
    value.bytes[strcspn(value.bytes, "\n")] = '\0';
    return strcmp(value.bytes, setting->forbids) == 0;
}

/* 2 is "filter", proc_pid_status(5). */
static bool seccomp_filters(void)
{
    auto_text struct text status = TEXT_INIT;
    if (file_load(-1, "/proc/self/status", 65536, &status) < 0)
        return false;
    return strstr(status.bytes, "\nSeccomp:\t2\n") != NULL;
}

int diagnosis_namespaces(int code, const char *what, struct error *error)
{
    for (size_t index = 0; index < sizeof settings / sizeof *settings; index++) {
        const struct setting *setting = &settings[index];
        if (setting_forbids(setting))
            return error_set(error, code,
                             "%s: %s: unprivileged user namespaces are switched off by %s = %s; "
                             "root can enable them with: sysctl -w %s=%s",
                             what, strerror(-code), setting->name, setting->forbids, setting->name,
                             setting->permits);
    }
    if (code == -ENOSPC || code == -EUSERS)
        return error_system(error, code,
                            "%s: a limit of the number or depth of namespaces is reached (lsns "
                            "lists them; root can raise it with: sysctl -w "
                            "user.max_user_namespaces=15000)",
                            what);
    if (code == -EINVAL)
        return error_system(error, code, "%s: this kernel has no user namespaces", what);
    if (seccomp_filters())
        return error_system(error, code,
                            "%s: refused, probably by the seccomp filter of the container around "
                            "(docker and podman permit it with: --security-opt "
                            "seccomp=unconfined)",
                            what);
    return error_system(error, code,
                        "%s: refused, and no known setting says why (inside a chroot, or by a "
                        "security module?)",
                        what);
}

int diagnosis_fuse_device(int code, struct error *error)
{
    if (code == -ENOENT)
        return error_system(error, code,
                            "opening /dev/fuse (root can provide it with: modprobe fuse; in a "
                            "container with: --device /dev/fuse)");
    if (code == -ENODEV || code == -ENXIO)
        return error_system(error, code,
                            "opening /dev/fuse: the kernel module is not loaded (root can load it "
                            "with: modprobe fuse)");
    if (code == -EACCES)
        return error_system(error, code,
                            "opening /dev/fuse (root can open it to users with: chmod 666 "
                            "/dev/fuse)");
    if (code == -EPERM)
        return error_system(error, code,
                            "opening /dev/fuse: devices are closed to this container (podman and "
                            "docker open it with: --device /dev/fuse)");
    return error_system(error, code, "opening /dev/fuse");
}

int diagnosis_fuse_mount(int code, const char *path, struct error *error)
{
    if (code == -EPERM)
        return error_system(error, code,
                            "mounting %s: this system permits no FUSE mount in a user namespace "
                            "(Linux 4.18 or newer does)",
                            path);
    return error_system(error, code, "mounting %s", path);
}
