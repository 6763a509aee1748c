/* The limit is read when it is asked for: the client raises it at its start (CVMFS_NFILES). */
#include "payload/client/descriptor_share.h"

#include <sys/resource.h>

#define PARTS 16
#define LEAST 2

size_t descriptor_share(size_t most)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur / PARTS >= most)
        return most;
    size_t share = (size_t)(limit.rlim_cur / PARTS);
    return share < LEAST ? LEAST : share;
}
