/* The words about programs that cannot be executed, or not with the privilege they need. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "payload/base/scope.h"
#include "payload/launch/diagnosis.h"
#include "payload/launch/diagnosis_say.h"

int diagnosis_execute(int code, const char *program, struct error *error)
{
    char what[512];
    (void)snprintf(what, sizeof what, "executing %s", program); /* cut is fine */
    struct statvfs where;
    struct utsname system;
    if (code == -EACCES && statvfs(program, &where) == 0 && (where.f_flag & ST_NOEXEC))
        return diagnosis_say(error, code, what,
                             "the file system it is on is mounted with noexec: the tree has to be "
                             "on another one (or root can permit it with: mount -o remount,exec)");
    if (code == -EACCES && access(program, X_OK) < 0 && access(program, F_OK) == 0)
        return diagnosis_say(error, code, what,
                             "it is not executable; its owner can make it so with: chmod a+rx %s",
                             program);
    if (code == -ENOENT && access(program, F_OK) == 0)
        return diagnosis_say(error, code, what,
                             "the loader or interpreter that it names is not on this machine; "
                             "makedist makes a tree for it");
    if (code == -ENOENT)
        return diagnosis_say(error, code, what, "the dist tree has no client; makedist makes one");
    if (code == -ENOEXEC && uname(&system) == 0)
        return diagnosis_say(error, code, what,
                             "it is not for this type of machine, %s; makedist makes a tree for it "
                             "with: -m",
                             system.machine);
    return error_system(error, code, "executing %s", program);
}

static bool has_file_capabilities(const char *program)
{
    return getxattr(program, "security.capability", NULL, 0) > 0;
}

int diagnosis_fusermount(const char *program, const char *said, struct error *error)
{
    if (!program)
        return diagnosis_say(
            error, -ENOENT, "looking for fusermount3",
            "neither fusermount3 nor fusermount can be executed; root can install "
            "them with the package fuse3: apt install fuse3, or dnf install fuse3");
    struct facts facts;
    struct stat status;
    struct statvfs where;
    facts_read("/proc", &facts);
    const bool privileged = geteuid() == 0;
    if (!privileged && stat(program, &status) == 0 &&
        (!(status.st_mode & S_ISUID) || status.st_uid != 0) && facts.root_is_mapped &&
        !has_file_capabilities(program))
        return diagnosis_say(error, -EPERM, program,
                             "it has no setuid bit of root's; root can set it with: chown root %s "
                             "&& chmod 4755 %s",
                             program, program);
    if (!privileged && facts.no_new_privileges)
        return diagnosis_say(error, -EPERM, program,
                             "setuid programs have no effect here, because no_new_privs is set: by "
                             "docker's --security-opt no-new-privileges, which has to go, or by "
                             "apptainer");
    if (!privileged && !facts.root_is_mapped)
        return diagnosis_say(error, -EPERM, program,
                             "setuid programs have no effect here, because this user namespace "
                             "has no root");
    if (!privileged && statvfs(program, &where) == 0 && (where.f_flag & ST_NOSUID))
        return diagnosis_say(error, -EPERM, program,
                             "setuid programs have no effect there, because the file system is "
                             "mounted with nosuid");
    auto_fd int device = open("/dev/fuse", O_RDWR | O_CLOEXEC); /* as it does for this user */
    if (device < 0)
        return diagnosis_fuse_device(-errno, error);
    return error_set(error, -EPERM, "%s: %.*s", program, (int)strcspn(said, "\n"), said);
}
