/* Texts and names. The values of default.conf are those that the official packages ship, for
 * configuration repositories and sites build on them; what sites grep for in default.local is one
 * plain VAR=value per line. */
#include "packer/skeleton.h"

#include <string.h>

#include "payload/base/file.h"
#include "payload/base/text.h"

static const char *const directories[] = {
    "etc/cvmfs/default.d", "etc/cvmfs/domain.d",  "etc/cvmfs/config.d", "etc/cvmfs/keys", "usr/bin",
    "usr/lib64",           "usr/share/cvmfsexec", "var/lib/cvmfs",      "var/run/cvmfs",
};

/* CVMFS_NFILES is missing on purpose: the commands set it to what the node allows. */
static const char default_conf[] =
    "# Defaults for every repository. Leave this file as it is, and change values in\n"
    "# default.local or in files of your own under default.d: both are read after it.\n"
    "CVMFS_BASE_ENV=1\n"
    "CVMFS_CLIENT_PROFILE=\n"
    "CVMFS_MOUNT_DIR=/cvmfs\n"
    "CVMFS_KEYS_DIR=/etc/cvmfs/keys\n"
    "CVMFS_STRICT_MOUNT=no\n"
    "CVMFS_CHECK_PERMISSIONS=yes\n"
    "CVMFS_CLAIM_OWNERSHIP=yes\n"
    "\n"
    "# The cache: one for all repositories, at most this many MiB.\n"
    "CVMFS_CACHE_BASE=/var/lib/cvmfs\n"
    "CVMFS_SHARED_CACHE=yes\n"
    "CVMFS_QUOTA_LIMIT=4000\n"
    "CVMFS_RELOAD_SOCKETS=/var/run/cvmfs\n"
    "\n"
    "# The network: seconds, bytes per second, and how often.\n"
    "CVMFS_TIMEOUT=5\n"
    "CVMFS_TIMEOUT_DIRECT=10\n"
    "CVMFS_LOW_SPEED_LIMIT=1024\n"
    "CVMFS_MAX_RETRIES=1\n"
    "CVMFS_BACKOFF_INIT=2\n"
    "CVMFS_BACKOFF_MAX=10\n"
    "CVMFS_PROXY_RESET_AFTER=300\n"
    "CVMFS_HOST_RESET_AFTER=1800\n"
    "CVMFS_USE_GEOAPI=no\n"
    "CVMFS_SEND_INFO_HEADER=no\n";

static const char default_local[] =
    "# What this site changes. Ask the network for its proxy; without an answer go directly.\n"
    "CVMFS_HTTP_PROXY=\"auto;DIRECT\"\n"
    "CVMFS_PAC_URLS=\"http://grid-wpad/wpad.dat;http://wpad/wpad.dat;"
    "http://cernvm-wpad.cern.ch/wpad.dat;http://cernvm-wpad.fnal.gov/wpad.dat\"\n";

static int write_file(int tree, const char *path, const char *content, size_t length,
                      struct error *error)
{
    int result = file_replace(tree, path, content, length, 0644);
    return result < 0 ? error_system(error, result, "writing %s", path) : 0;
}

int skeleton_write(int tree, const struct machine *machine, struct error *error)
{
    int result = 0;
    for (size_t index = 0; index < sizeof directories / sizeof directories[0]; index++) {
        result = directory_make(tree, directories[index], 0755);
        if (result < 0)
            return error_system(error, result, "making %s", directories[index]);
    }
    auto_text struct text os_release = TEXT_INIT;
    result = text_printf(&os_release, "ID_LIKE=\"%s\"\nVERSION_ID=\"%s\"\n", machine->family,
                         machine->version);
    if (result < 0)
        return error_system(error, result, "writing etc/os-release");
    result = write_file(tree, "etc/os-release", os_release.bytes, os_release.length, error);
    if (result == 0)
        result =
            write_file(tree, "etc/cvmfs/default.conf", default_conf, strlen(default_conf), error);
    if (result == 0)
        result = write_file(tree, "etc/cvmfs/default.local", default_local, strlen(default_local),
                            error);
    return result;
}
