/* Names, attributes, links, and the totals of the file system. */
#include "payload/client/operations.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/statvfs.h>
#include <syslog.h>
#include <time.h>

#include "payload/base/scope.h"
#include "payload/client/log.h"
#include "payload/client/neighbours.h"
#include "payload/client/variables.h"

/* The numbers of cvmfs-format.md 10.4 for the place of an EIO. */
enum { PLACE_LOOKUP = 1 };

static struct client *client_of(fuse_req_t request)
{
    return fuse_req_userdata(request);
}

bool operation_is_allowed(fuse_req_t request, struct client *client)
{
    if (!tree_is_restricted(client->tree) || fuse_req_ctx(request)->uid == 0)
        return true;
    (void)fuse_reply_err(request, EACCES); /* a caller that has gone wants no answer */
    return false;
}

void operation_fail(fuse_req_t request, struct client *client, int result, int where,
                    uint64_t inode, const struct error *error)
{
    if (result == -EIO) {
        auto_text struct text path = TEXT_INIT;
        struct tree_node node;
        if (tree_node(client->tree, inode, &node, NULL) < 0 ||
            tree_path(client->tree, &node, &path) < 0)
            path.length = 0; /* the log line does without */
        log_message(LOG_ERR, "EIO (%02d) on %s: %s", where, path.length ? path.bytes : "/",
                    error ? error->message : "");
        (void)atomic_fetch_add(&client->counters.io_errors, 1);
        atomic_store(&client->counters.last_io_error, (int64_t)time(NULL));
    }
    (void)fuse_reply_err(request, -result);
}

int operation_stat(const struct client *client, const struct tree_node *node, const char *link,
                   struct stat *status)
{
    size_t length = strlen(link);
    int result = 0;
    if (S_ISLNK(node->entry.mode) && memmem(link, length, "$(", 2)) {
        auto_text struct text target = TEXT_INIT;
        result = variables_expand(link, length, &target);
        length = target.length;
    }
    ownership_stat(&client->ownership, node, length, status);
    return result;
}

/* The same for a node whose link text has to be looked up. */
static int stat_node(struct client *client, const struct tree_node *node, struct stat *status)
{
    auto_text struct text link = TEXT_INIT;
    if (S_ISLNK(node->entry.mode)) {
        int result = tree_symlink(client->tree, node, &link);
        if (result < 0)
            return result;
    }
    return operation_stat(client, node, link.bytes ? link.bytes : "", status);
}

static void lookup(fuse_req_t request, fuse_ino_t parent, const char *name)
{
    struct client *client = client_of(request);
    if (!operation_is_allowed(request, client))
        return;
    struct error error = ERROR_INIT;
    struct tree_node node;
    struct fuse_entry_param entry = {.entry_timeout = client_validity(client)};
    int result = tree_lookup(client->tree, parent, name, &node, &error);
    if (result == 0)
        result = stat_node(client, &node, &entry.attr);
    if (result == -ENOENT) {
        (void)fuse_reply_entry(request, &entry); /* inode 0: remember that it is not there */
        return;
    }
    if (result < 0) {
        operation_fail(request, client, result, PLACE_LOOKUP, parent, &error);
        return;
    }
    content_note(client->content, &node);
    entry.ino = node.inode;
    entry.attr_timeout = entry.entry_timeout;
    if (!neighbours_looked_up(client->neighbours, parent, &node))
        entry.entry_timeout = 0;
    tree_remember(client->tree, node.inode, 1);
    if (fuse_reply_entry(request, &entry) < 0)
        tree_forget(client->tree, node.inode, 1);
}

static void forget(fuse_req_t request, fuse_ino_t inode, uint64_t count)
{
    tree_forget(client_of(request)->tree, inode, count);
    fuse_reply_none(request);
}

static void forget_multi(fuse_req_t request, size_t count, struct fuse_forget_data *forgets)
{
    for (size_t index = 0; index < count; index++)
        tree_forget(client_of(request)->tree, forgets[index].ino, forgets[index].nlookup);
    fuse_reply_none(request);
}

static void getattr(fuse_req_t request, fuse_ino_t inode, struct fuse_file_info *info)
{
    (void)info; /* nothing is ever open */
    struct client *client = client_of(request);
    if (!operation_is_allowed(request, client))
        return;
    struct error error = ERROR_INIT;
    struct tree_node node;
    struct stat status;
    int result = tree_node(client->tree, inode, &node, &error);
    if (result == 0)
        result = stat_node(client, &node, &status);
    if (result < 0)
        operation_fail(request, client, result, PLACE_LOOKUP, inode, &error);
    else
        (void)fuse_reply_attr(request, &status, client_validity(client));
}

static void read_link(fuse_req_t request, fuse_ino_t inode)
{
    struct client *client = client_of(request);
    if (!operation_is_allowed(request, client))
        return;
    struct error error = ERROR_INIT;
    struct tree_node node;
    auto_text struct text link = TEXT_INIT;
    auto_text struct text target = TEXT_INIT;
    int result = tree_node(client->tree, inode, &node, &error);
    if (result == 0 && !S_ISLNK(node.entry.mode))
        result = -EINVAL;
    if (result == 0)
        result = tree_symlink(client->tree, &node, &link);
    if (result == 0)
        result = variables_expand(link.bytes ? link.bytes : "", link.length, &target);
    if (result < 0)
        operation_fail(request, client, result, PLACE_LOOKUP, inode, &error);
    else
        (void)fuse_reply_readlink(request, target.bytes);
}

/* Told once that there is no open, the kernel never asks again: reads and listings of what it has
 * cached then cost no message at all (FUSE_NO_OPEN_SUPPORT, FUSE_NO_OPENDIR_SUPPORT). But where not
 * everybody is allowed in, it has to ask each time, since its caches are for everybody. */
static void open_or_refuse(fuse_req_t request, fuse_ino_t inode, struct fuse_file_info *info)
{
    (void)inode;
    struct client *client = client_of(request);
    if (!tree_is_restricted(client->tree)) {
        (void)fuse_reply_err(request, ENOSYS);
        return;
    }
    info->keep_cache = 1;
    if (operation_is_allowed(request, client))
        (void)fuse_reply_open(request, info); /* there is nothing to release */
}

/* cvmfs-format.md 10.7: blocks from the cache, files from the repository. */
static void statfs(fuse_req_t request, fuse_ino_t inode)
{
    (void)inode;
    struct client *client = client_of(request);
    uint64_t used;
    uint64_t limit;
    struct tree_facts facts;
    cache_usage(client->cache, &used, &limit);
    tree_facts(client->tree, &facts);
    struct statvfs totals = {.f_bsize = 512, .f_frsize = 512};
    if (limit > 0) {
        static const enum catalog_counter kinds[] = {COUNTER_REGULAR, COUNTER_SYMLINK,
                                                     COUNTER_SPECIAL, COUNTER_DIR};
        for (size_t index = 0; index < sizeof kinds / sizeof kinds[0]; index++)
            totals.f_files +=
                facts.statistics.self[kinds[index]] + facts.statistics.subtree[kinds[index]];
        totals.f_blocks = limit / 512;
        totals.f_bfree = totals.f_bavail = used < limit ? (limit - used) / 512 : 0;
        totals.f_ffree = totals.f_favail =
            totals.f_files > facts.attached_entries ? totals.f_files - facts.attached_entries : 0;
    }
    (void)fuse_reply_statfs(request, &totals);
}

static void init(void *context, struct fuse_conn_info *connection)
{
    struct client *client = context;
    /* Before, an entry has some old validity for a moment before it has the one that it is listed
     * with (Linux 4.9, which brought 7.26, keeps it elsewhere). */
    if (connection->proto_major == 7 && connection->proto_minor < 26)
        neighbours_stop_storing(client->neighbours);
    /* An inode means one content for ever: nothing to invalidate, links may be cached. */
    connection->want &=
        ~(unsigned)(FUSE_CAP_AUTO_INVAL_DATA | FUSE_CAP_SPLICE_READ | FUSE_CAP_READDIRPLUS_AUTO);
    connection->want |= connection->capable & (FUSE_CAP_CACHE_SYMLINKS | FUSE_CAP_SPLICE_WRITE |
                                               FUSE_CAP_PARALLEL_DIROPS | FUSE_CAP_READDIRPLUS);
    connection->max_background = 64;
    connection->congestion_threshold = 48;
}

const struct fuse_lowlevel_ops client_operations = {
    .init = init,
    .lookup = lookup,
    .forget = forget,
    .forget_multi = forget_multi,
    .getattr = getattr,
    .readlink = read_link,
    .open = open_or_refuse,
    .opendir = open_or_refuse,
    .read = operation_read,
    .readdir = operation_readdir,
    .readdirplus = operation_readdirplus,
    .statfs = statfs,
    .getxattr = operation_getxattr,
    .listxattr = operation_listxattr,
};
