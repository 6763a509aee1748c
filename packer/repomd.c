/* repomd.xml by libsolv. What it names is not loaded here. */
#include "packer/repomd.h"

#include <errno.h>
#include <fcntl.h>
#include <solv/chksum.h>
#include <solv/dataiterator.h>
#include <solv/pool.h>
#include <solv/repo.h>
#include <solv/repo_repomdxml.h>
#include <stdio.h>
#include <string.h>

#include "payload/base/scope.h"

static void pool_release(Pool **pool)
{
    pool_free(*pool);
}

#define auto_pool __attribute__((cleanup(pool_release)))

/* Every part between slashes has to be a name. */
static bool is_inside(const char *location)
{
    for (const char *part = location;; part++) {
        const size_t length = strcspn(part, "/");
        if (length == 0 || (length == 1 && part[0] == '.') ||
            (length == 2 && part[0] == '.' && part[1] == '.'))
            return false;
        part += length;
        if (part[0] == '\0')
            return true;
    }
}

static bool is_hex(char digit)
{
    return (digit >= '0' && digit <= '9') || (digit >= 'a' && digit <= 'f') ||
           (digit >= 'A' && digit <= 'F');
}

/* A plus sign goes escaped, too: the servers of S3 read it as a blank. An escape that is there
 * already stays, unless it stands for what decides where a name ends. */
int repomd_escape_location(const char *location, struct text *escaped)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                "0123456789-._~/=@!$,";
    if (!is_inside(location) || strstr(location, "://"))
        return -EINVAL;
    int result = 0;
    for (const char *at = location; *at && result == 0; at++) {
        if ((unsigned char)*at < ' ' || *at == '\\' || *at == '?' || *at == '#' || *at == 0x7f)
            return -EINVAL;
        const bool is_escape = at[0] == '%' && is_hex(at[1]) && is_hex(at[2]);
        if (is_escape && (strncasecmp(at, "%2f", 3) == 0 || strncasecmp(at, "%2e", 3) == 0 ||
                          strncasecmp(at, "%5c", 3) == 0 || at[1] < '2'))
            return -EINVAL;
        if (is_escape || strchr(plain, *at))
            result = text_append(escaped, at, 1);
        else
            result = text_printf(escaped, "%%%02X", (unsigned)(unsigned char)*at);
    }
    return result;
}

void repomd_free(struct repomd *repomd)
{
    text_free(&repomd->location);
}

static int read_checksum(Pool *pool, Id key, struct checksum *checksum)
{
    Id type = 0;
    const char *digits = pool_lookup_checksum(pool, SOLVID_POS, key, &type);
    const char *kind = digits ? solv_chksum_type2str(type) : NULL;
    return kind ? checksum_parse(kind, digits, checksum) : -ENOENT;
}

/* The iterator stands in the entry of primary. */
static int read_primary(Pool *pool, struct repomd *repomd, struct error *error)
{
    const char *location = pool_lookup_str(pool, SOLVID_POS, REPOSITORY_REPOMD_LOCATION);
    if (!location)
        return error_set(error, -EBADMSG, "it does not say where primary.xml is");
    int result = repomd_escape_location(location, &repomd->location);
    if (result == -EINVAL)
        return error_set(error, -EBADMSG, "primary.xml is outside of the repository: %.200s",
                         location);
    if (result < 0)
        return error_system(error, result, "reading it");
    repomd->size = pool_lookup_num(pool, SOLVID_POS, REPOSITORY_REPOMD_SIZE, 0);
    if (read_checksum(pool, REPOSITORY_REPOMD_CHECKSUM, &repomd->checksum) < 0)
        return error_set(error, -EBADMSG, "it has no good checksum of primary.xml");
    result = read_checksum(pool, REPOSITORY_REPOMD_OPENCHECKSUM, &repomd->open_checksum);
    if (result < 0 && result != -ENOENT)
        return error_set(error, -EBADMSG, "it has no good checksum of primary.xml unpacked");
    return 0;
}

int repomd_read(int fd, struct repomd *repomd, struct error *error)
{
    auto_fd int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    auto_file FILE *file = copy < 0 ? NULL : fdopen(copy, "re");
    if (!file)
        return error_system(error, -errno, "reading it");
    (void)steal_fd(&copy);
    auto_pool Pool *pool = pool_create();
    Repo *repo = repo_create(pool, "repomd");
    if (repo_add_repomdxml(repo, file, 0) != 0)
        return error_set(error, -EBADMSG, "it is broken: %.200s", pool_errstr(pool));
    int result = 0;
    bool found = false;
    Dataiterator iterator;
    (void)dataiterator_init(&iterator, pool, repo, SOLVID_META, REPOSITORY_REPOMD_TYPE, "primary",
                            SEARCH_STRING);
    dataiterator_prepend_keyname(&iterator, REPOSITORY_REPOMD);
    if (dataiterator_step(&iterator)) {
        found = true;
        dataiterator_setpos_parent(&iterator);
        result = read_primary(pool, repomd, error);
    }
    dataiterator_free(&iterator);
    return found ? result : error_set(error, -EBADMSG, "it names no primary.xml");
}
