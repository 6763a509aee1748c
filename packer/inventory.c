/* Only names and their status; no file is opened here. */
#include "packer/inventory.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <fts.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "payload/base/scope.h"
#include "payload/base/text.h"

/* One behind the longest name the stub takes (stub/tar.h), with its NUL. */
enum { NAME_LIMIT = 4096 };

static void scope_close_walk(FTS **walk)
{
    if (*walk)
        (void)fts_close(*walk); /* it was only read */
}

#define auto_walk __attribute__((cleanup(scope_close_walk)))

static void entry_free(struct inventory_entry *entry)
{
    free(entry->name);
    free(entry->path);
    free(entry->target);
}

void inventory_free(struct inventory *inventory)
{
    for (size_t i = 0; i < inventory->count; i++)
        entry_free(&inventory->entries[i]);
    free(inventory->entries);
    *inventory = (struct inventory)INVENTORY_INIT;
}

/* Takes over the strings of `entry`, also when it fails. */
static int add_entry(struct inventory *inventory, struct inventory_entry *entry)
{
    if (inventory->count == inventory->capacity) {
        size_t capacity = inventory->capacity ? 2 * inventory->capacity : 128;
        struct inventory_entry *grown = reallocarray(inventory->entries, capacity, sizeof *grown);
        if (!grown) {
            entry_free(entry);
            return -ENOMEM;
        }
        inventory->entries = grown;
        inventory->capacity = capacity;
    }
    inventory->entries[inventory->count++] = *entry;
    inventory->tree_bytes += entry->size;
    return 0;
}

/* Relative, of real parts, and short enough for the stub. */
static bool name_is_usable(const char *name)
{
    if (strlen(name) >= NAME_LIMIT)
        return false;
    for (const char *part = name;; part++) {
        size_t length = strcspn(part, "/");
        if (length == 0 || (length == 1 && part[0] == '.') ||
            (length == 2 && part[0] == '.' && part[1] == '.'))
            return false;
        part += length;
        if (*part == '\0')
            return true;
    }
}

static bool is_excluded(const struct pack_options *options, const char *name)
{
    for (size_t i = 0; i < options->exclude_count; i++) {
        if (fnmatch(options->excludes[i], name, 0) == 0)
            return true;
    }
    return false;
}

static int read_target(const char *path, uint64_t length, char **target)
{
    size_t room = (size_t)length + 1;
    auto_free char *bytes = malloc(room);
    if (!bytes)
        return -ENOMEM;
    ssize_t got = readlink(path, bytes, room);
    if (got < 0)
        return -errno;
    if ((size_t)got >= room || got == 0)
        return -EAGAIN; /* changed since we looked */
    bytes[got] = '\0';
    *target = steal_pointer(bytes);
    return 0;
}

static int add_found(struct inventory *inventory, const char *name, const char *path,
                     const struct stat *status, struct error *error)
{
    struct inventory_entry entry = {.mode = status->st_mode,
                                    .mtime = status->st_mtime > 0 ? status->st_mtime : 0};
    if (!S_ISREG(status->st_mode) && !S_ISDIR(status->st_mode) && !S_ISLNK(status->st_mode))
        return error_set(error, -EINVAL, "%s is neither a file, a directory nor a symbolic link",
                         path);
    if (!name_is_usable(name))
        return error_set(error, -EINVAL, "%s cannot be a name in a bundle", name);
    if (S_ISREG(status->st_mode))
        entry.size = (uint64_t)status->st_size;
    if (S_ISLNK(status->st_mode)) {
        int result = read_target(path, (uint64_t)status->st_size, &entry.target);
        if (result < 0)
            return error_system(error, result, "reading the link %s", path);
    }
    entry.name = strdup(name);
    entry.path = strdup(path);
    if (!entry.name || !entry.path) {
        entry_free(&entry);
        return error_system(error, -ENOMEM, "listing %s", path);
    }
    int result = add_entry(inventory, &entry);
    return result < 0 ? error_system(error, result, "listing %s", path) : 0;
}

/* One thing the walk came by: its archive name is that of the input and the way below it. */
static int visit(const struct pack_options *options, const struct pack_input *input, FTS *walk,
                 FTSENT *found, struct inventory *inventory, struct error *error)
{
    auto_text struct text name = TEXT_INIT;
    if (found->fts_info == FTS_DP)
        return 0;
    if (found->fts_info == FTS_DNR || found->fts_info == FTS_ERR || found->fts_info == FTS_NS)
        return error_system(error, -found->fts_errno, "reading %s", found->fts_path);
    const char *below = found->fts_path + strlen(input->path);
    while (found->fts_level > 0 && *below == '/')
        below++;
    int result = text_printf(&name, "%s%s%s", input->name, found->fts_level > 0 ? "/" : "",
                             found->fts_level > 0 ? below : "");
    if (result < 0)
        return error_system(error, result, "listing %s", found->fts_path);
    if (is_excluded(options, name.bytes) ||
        (options->leaves_behind && options->leaves_behind(name.bytes, found->fts_statp->st_mode))) {
        (void)fts_set(walk, found, FTS_SKIP); /* fails only for a wrong instruction */
        return 0;
    }
    return add_found(inventory, name.bytes, found->fts_path, found->fts_statp, error);
}

static int walk_input(const struct pack_options *options, const struct pack_input *input,
                      struct inventory *inventory, struct error *error)
{
    auto_free char *path = strdup(input->path);
    if (!path)
        return error_system(error, -ENOMEM, "listing %s", input->path);
    char *const paths[] = {path, NULL};
    auto_walk FTS *walk = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    if (!walk)
        return error_system(error, -errno, "reading %s", input->path);
    for (;;) {
        errno = 0;
        FTSENT *found = fts_read(walk);
        if (!found)
            return errno ? error_system(error, -errno, "reading %s", input->path) : 0;
        int result = visit(options, input, walk, found, inventory, error);
        if (result < 0)
            return result;
    }
}

static int type_rank(const struct inventory_entry *entry)
{
    return S_ISDIR(entry->mode) ? 0 : S_ISLNK(entry->mode) ? 1 : 2;
}

static size_t parent_length(const char *name)
{
    const char *slash = strrchr(name, '/');
    return slash ? (size_t)(slash - name) : 0;
}

/* Files by directory and then by name: those of one directory are the likeliest to be alike. */
static int compare_order(const void *left_pointer, const void *right_pointer)
{
    const struct inventory_entry *left = left_pointer;
    const struct inventory_entry *right = right_pointer;
    int rank = type_rank(left) - type_rank(right);
    if (rank != 0)
        return rank;
    if (type_rank(left) < 2)
        return strcmp(left->name, right->name);
    size_t left_length = parent_length(left->name);
    size_t right_length = parent_length(right->name);
    size_t common = left_length < right_length ? left_length : right_length;
    int order = memcmp(left->name, right->name, common);
    if (order == 0 && left_length != right_length)
        return left_length < right_length ? -1 : 1;
    return order != 0 ? order : strcmp(left->name + common, right->name + common);
}

static int compare_names(const void *left, const void *right)
{
    return strcmp(((const struct inventory_entry *)left)->name,
                  ((const struct inventory_entry *)right)->name);
}

static int compare_key(const void *name, const void *entry)
{
    return strcmp(name, ((const struct inventory_entry *)entry)->name);
}

/* Needs the entries sorted by name. */
static const struct inventory_entry *find_entry(const struct inventory *inventory, const char *name)
{
    return bsearch(name, inventory->entries, inventory->count, sizeof *inventory->entries,
                   compare_key);
}

/* Adds the directories above the inputs' names: the stub makes no directory unasked. */
static int add_parents(const struct pack_options *options, struct inventory *inventory,
                       struct error *error)
{
    for (size_t i = 0; i < options->input_count; i++) {
        const char *name = options->inputs[i].name;
        for (const char *slash = strchr(name, '/'); slash; slash = strchr(slash + 1, '/')) {
            auto_free char *parent = strndup(name, (size_t)(slash - name));
            if (!parent)
                return error_system(error, -ENOMEM, "listing %s", name);
            qsort(inventory->entries, inventory->count, sizeof *inventory->entries, compare_names);
            if (find_entry(inventory, parent))
                continue;
            struct inventory_entry entry = {.mode = S_IFDIR | 0755, .name = steal_pointer(parent)};
            int result = add_entry(inventory, &entry);
            if (result < 0)
                return error_system(error, result, "listing %s", name);
        }
    }
    return 0;
}

/* Needs the entries sorted by name. No name twice, and nothing below what is no directory. */
static int check_names(const struct inventory *inventory, struct error *error)
{
    for (size_t i = 0; i < inventory->count; i++) {
        const char *name = inventory->entries[i].name;
        if (i > 0 && strcmp(inventory->entries[i - 1].name, name) == 0)
            return error_set(error, -EINVAL, "%s is there twice", name);
        size_t length = parent_length(name);
        if (length == 0)
            continue;
        auto_free char *parent = strndup(name, length);
        if (!parent)
            return error_system(error, -ENOMEM, "listing %s", name);
        const struct inventory_entry *above = find_entry(inventory, parent);
        if (!above || !S_ISDIR(above->mode))
            return error_set(error, -EINVAL, "%s is below something that is no directory", name);
    }
    return 0;
}

/* https://reproducible-builds.org/specs/source-date-epoch/ */
static int set_times(struct inventory *inventory, struct error *error)
{
    const char *epoch = getenv("SOURCE_DATE_EPOCH");
    if (!epoch || !*epoch)
        return 0;
    char *end;
    errno = 0;
    long long seconds = strtoll(epoch, &end, 10);
    if (errno != 0 || *end != '\0' || seconds < 0)
        return error_set(error, -EINVAL, "SOURCE_DATE_EPOCH is no number of seconds: %s", epoch);
    for (size_t i = 0; i < inventory->count; i++)
        inventory->entries[i].mtime = seconds;
    return 0;
}

int inventory_take(const struct pack_options *options, struct inventory *inventory,
                   struct error *error)
{
    *inventory = (struct inventory)INVENTORY_INIT;
    int result = 0;
    for (size_t i = 0; result == 0 && i < options->input_count; i++)
        result = walk_input(options, &options->inputs[i], inventory, error);
    if (result == 0)
        result = add_parents(options, inventory, error);
    if (result < 0)
        return result;
    if (inventory->count == 0)
        return error_set(error, -EINVAL, "there is nothing to pack");
    qsort(inventory->entries, inventory->count, sizeof *inventory->entries, compare_names);
    result = check_names(inventory, error);
    if (result == 0)
        result = set_times(inventory, error);
    qsort(inventory->entries, inventory->count, sizeof *inventory->entries, compare_order);
    return result;
}
