#include "payload/client/ownership.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "payload/base/file.h"

#define MAP_FILE_LIMIT (1 << 20)

/* A decimal number at *at, which moves behind it. */
static bool read_id(const char **at, const char *end, uint32_t *id)
{
    uint64_t value = 0;
    const char *start = *at;
    while (*at < end && **at >= '0' && **at <= '9' && value <= UINT32_MAX)
        value = value * 10 + (uint64_t)(*(*at)++ - '0');
    *id = (uint32_t)value;
    return *at > start && value <= UINT32_MAX;
}

static void skip_blanks(const char **at, const char *end)
{
    while (*at < end && (**at == ' ' || **at == '\t' || **at == '\r'))
        (*at)++;
}

static int add_pair(struct id_map *map, uint32_t from, uint32_t to)
{
    struct id_pair *pairs = reallocarray(map->pairs, map->count + 1, sizeof *pairs);
    if (!pairs)
        return -ENOMEM;
    pairs[map->count++] = (struct id_pair){from, to};
    map->pairs = pairs;
    return 0;
}

static int parse_line(const char *at, const char *end, struct id_map *map)
{
    const char *comment = memchr(at, '#', (size_t)(end - at));
    if (comment)
        end = comment;
    skip_blanks(&at, end);
    if (at == end)
        return 0;
    uint32_t from = 0;
    uint32_t to;
    bool any = *at == '*';
    if (any)
        at++;
    else if (!read_id(&at, end, &from))
        return -EINVAL;
    const char *behind = at;
    skip_blanks(&at, end);
    if (at == behind || !read_id(&at, end, &to))
        return -EINVAL;
    skip_blanks(&at, end);
    if (at != end)
        return -EINVAL;
    if (!any)
        return add_pair(map, from, to);
    map->has_fallback = true;
    map->fallback = to;
    return 0;
}

int id_map_parse(const char *bytes, size_t length, struct id_map *map)
{
    const char *end = bytes + length;
    int result = 0;
    while (result == 0 && bytes < end) {
        const char *newline = memchr(bytes, '\n', (size_t)(end - bytes));
        const char *line_end = newline ? newline : end;
        result = parse_line(bytes, line_end, map);
        bytes = newline ? newline + 1 : end;
    }
    if (result < 0)
        id_map_free(map);
    return result;
}

uint32_t id_map_apply(const struct id_map *map, uint32_t id)
{
    for (size_t index = 0; index < map->count; index++)
        if (map->pairs[index].from == id)
            return map->pairs[index].to;
    return map->has_fallback ? map->fallback : id;
}

void id_map_free(struct id_map *map)
{
    free(map->pairs);
    *map = (struct id_map){.pairs = NULL};
}

static int load_map(const char *path, const char *kind, struct id_map *map, struct error *error)
{
    if (!path)
        return 0;
    auto_text struct text text = TEXT_INIT;
    int result = file_load(AT_FDCWD, path, MAP_FILE_LIMIT, &text);
    if (result == 0)
        result = id_map_parse(text.bytes ? text.bytes : "", text.length, map);
    if (result < 0)
        return error_set(error, -EINVAL, "failed to parse %s map %s", kind, path);
    return 0;
}

int ownership_create(const struct parameters *parameters, struct ownership *ownership,
                     struct error *error)
{
    *ownership = (struct ownership){
        .claim = parameters_is_on(parameters, "CVMFS_CLAIM_OWNERSHIP", false),
        .world_readable = parameters_is_on(parameters, "CVMFS_WORLD_READABLE", false),
        .uid = geteuid(),
        .gid = getegid(),
    };
    int result =
        load_map(parameters_get(parameters, "CVMFS_UID_MAP"), "uid", &ownership->uids, error);
    if (result == 0)
        result =
            load_map(parameters_get(parameters, "CVMFS_GID_MAP"), "gid", &ownership->gids, error);
    if (result < 0)
        ownership_free(ownership);
    return result;
}

void ownership_free(struct ownership *ownership)
{
    id_map_free(&ownership->uids);
    id_map_free(&ownership->gids);
}

void ownership_stat(const struct ownership *ownership, const struct tree_node *node,
                    size_t link_length, struct stat *status)
{
    const struct catalog_entry *entry = &node->entry;
    bool device = S_ISCHR(entry->mode) || S_ISBLK(entry->mode);
    uint64_t size = S_ISLNK(entry->mode) ? link_length : device ? 0 : entry->size;
    const struct timespec time = {.tv_sec = entry->mtime,
                                  .tv_nsec = (long)entry->mtime_nanoseconds};
    *status = (struct stat){
        .st_ino = node->inode == TREE_ROOT ? TREE_FIRST_INODE : node->inode,
        .st_mode = entry->mode,
        .st_nlink = entry->links,
        .st_uid = ownership->claim ? ownership->uid : id_map_apply(&ownership->uids, entry->uid),
        .st_gid = ownership->claim ? ownership->gid : id_map_apply(&ownership->gids, entry->gid),
        .st_rdev = device ? (dev_t)entry->size : 0,
        .st_size = (off_t)size,
        .st_blksize = 4096,
        .st_blocks = (blkcnt_t)(1 + size / 512),
        .st_atim = time,
        .st_mtim = time,
        .st_ctim = time,
    };
    if (ownership->world_readable)
        status->st_mode |= S_ISDIR(entry->mode) ? 0555 : 0444;
}
