/* Texts and names. The values of default.conf are those that the official packages ship, for
 * configuration repositories and sites build on them; what sites grep for in default.local is one
 * plain VAR=value per line. */
#include "packer/skeleton.h"

#include <stdbool.h>
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

#define CERN "http://cernvm-wpad.cern.ch/wpad.dat"
#define FNAL "http://cernvm-wpad.fnal.gov/wpad.dat"

/* With the two servers that answer for the whole grid, the nearer one first. */
static const char default_local[] =
    "# What this site changes. Ask the network for its proxy; without an answer go directly.\n"
    "CVMFS_HTTP_PROXY=\"auto;DIRECT\"\n"
    "CVMFS_PAC_URLS=\"http://grid-wpad/wpad.dat;http://wpad/wpad.dat;%s;%s\"\n";

static int write_file(int tree, const char *path, const char *content, size_t length,
                      struct error *error)
{
    int result = file_replace(tree, path, content, length, 0644);
    return result < 0 ? error_system(error, result, "writing %s", path) : 0;
}

int skeleton_begin(int tree, struct error *error)
{
    for (size_t index = 0; index < sizeof directories / sizeof directories[0]; index++) {
        int result = directory_make(tree, directories[index], 0755);
        if (result < 0)
            return error_system(error, result, "making %s", directories[index]);
    }
    return write_file(tree, "etc/cvmfs/default.conf", default_conf, strlen(default_conf), error);
}

static int write_text(int tree, const char *path, const struct text *text, int result,
                      struct error *error)
{
    if (result < 0)
        return error_system(error, result, "writing %s", path);
    return write_file(tree, path, text->bytes, text->length, error);
}

int skeleton_finish(int tree, const struct machine *machine, const char *distribution,
                    struct error *error)
{
    auto_text struct text os_release = TEXT_INIT;
    auto_text struct text local = TEXT_INIT;
    int result = text_printf(&os_release, "ID_LIKE=\"%s\"\nVERSION_ID=\"%s\"\n", machine->family,
                             machine->version);
    result = write_text(tree, "etc/os-release", &os_release, result, error);
    if (result < 0)
        return result;
    const bool american = strcmp(distribution, "osg") == 0;
    result = text_printf(&local, default_local, american ? FNAL : CERN, american ? CERN : FNAL);
    return write_text(tree, "etc/cvmfs/default.local", &local, result, error);
}
