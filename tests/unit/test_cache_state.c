/* packer/cache_state: which names of a cache are packed along. */
#include <sys/stat.h>

#include "packer/cache_state.h"
#include "tests/unit/tap.h"

#define OBJECT "ab/cdef0123456789abcdef0123456789abcdef01"

static void content_travels(void)
{
    static const char *const names[] = {
        "shared/" OBJECT,
        "shared/" OBJECT "-rmd160",
        "one.example.org/" OBJECT "-shake128",
        OBJECT,
        "shared/cvmfschecksum.a.org",
        "cvmfschecksum.a.org",
        "shared/.cvmfscache",
        "deeper/still/shared/" OBJECT,
    };
    for (size_t index = 0; index < sizeof names / sizeof *names; index++)
        CHECK(cache_is_content(names[index], S_IFREG | 0600), "%s", names[index]);
    CHECK(cache_is_content("shared", S_IFDIR | 0700) && cache_is_content("shared/ab", S_IFDIR),
          "directories");
}

static void state_stays(void)
{
    static const char *const names[] = {
        "shared/lock.a.org",
        "shared/running.a.org",
        "shared/txn/fetchAbCdEf",
        "shared/cachedb",
        "shared/lock_cachedb",
        "shared/cachemgr",
        "shared/pipe12",
        "shared/uuid",
        "shared/cvmfs_io.a.org",
        "shared/proxies.x",
        "shared/stacktrace.a",
        "shared/quarantaine/" OBJECT "x",
        "shared/ab/",
        "shared/a/bc",
        "shared/ab/cdef0g",
        "shared/ab/cd-../up",
        "shared/Ab/cdef",
        "shared/xab/cdef",
        "cvmfsexec.usage",
        "ab",
        "",
    };
    for (size_t index = 0; index < sizeof names / sizeof *names; index++)
        CHECK(!cache_is_content(names[index], S_IFREG | 0600), "%s", names[index]);
    static const mode_t types[] = {S_IFIFO, S_IFSOCK, S_IFLNK, S_IFCHR, S_IFBLK};
    for (size_t index = 0; index < sizeof types / sizeof *types; index++)
        CHECK(!cache_is_content("shared/" OBJECT, types[index] | 0600), "type %o", types[index]);
}

int main(void)
{
    content_travels();
    state_stays();
    return tap_done();
}
