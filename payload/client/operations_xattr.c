/* Extended attributes: the stored ones of the catalog and the magic ones in one name space. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "payload/base/scope.h"
#include "payload/client/magic.h"
#include "payload/client/operations.h"
#include "payload/client/xattr_blob.h"

enum { PLACE_XATTR = 1 };

/* cvmfs-format.md 10.6: some names are for the members of some groups only. */
static bool is_protected_from(const struct client *client, const char *name, gid_t gid)
{
    bool listed = false;
    for (char **protected = client->protected_xattrs; *protected && !listed; protected ++)
        listed = strcmp(*protected, name) == 0;
    if (!listed)
        return false;
    for (char **privileged = client->privileged_gids; *privileged; privileged++)
        if (strtoul(*privileged, NULL, 10) == gid)
            return false;
    return true;
}

static void reply_value(fuse_req_t request, const struct text *value, size_t size)
{
    if (size == 0)
        (void)fuse_reply_xattr(request, value->length);
    else if (value->length > size)
        (void)fuse_reply_err(request, ERANGE);
    else
        (void)fuse_reply_buf(request, value->bytes, value->length);
}

static int stored_value(struct client *client, const struct tree_node *node, const char *name,
                        struct text *value)
{
    auto_text struct text blob = TEXT_INIT;
    int result = tree_xattrs(client->tree, node, &blob);
    if (result < 0)
        return result;
    struct xattr_record record;
    result = xattr_blob_find(blob.bytes, blob.length, name, strlen(name), &record);
    return result < 0 ? -ENODATA : text_append(value, record.value, record.value_length);
}

/* Names outside of user.* are only ever stored ones. Where a revision has none at all, "not
 * supported" is the better answer for them: ls and its like ask every file for its ACL and label
 * otherwise. */
static bool is_unsupported(const struct client *client, const char *name)
{
    return !tree_stores_xattrs(client->tree) && strncmp(name, "user.", 5) != 0 &&
           !magic_is_name(name);
}

void operation_getxattr(fuse_req_t request, fuse_ino_t inode, const char *name, size_t size)
{
    struct client *client = fuse_req_userdata(request);
    if (!operation_is_allowed(request, client))
        return;
    if (is_unsupported(client, name)) {
        (void)fuse_reply_err(request, EOPNOTSUPP);
        return;
    }
    struct error error = ERROR_INIT;
    struct tree_node node;
    auto_text struct text value = TEXT_INIT;
    int result = is_protected_from(client, name, fuse_req_ctx(request)->gid)
                     ? -ENODATA
                     : tree_node(client->tree, inode, &node, &error);
    if (result == 0)
        result = magic_value(client, &node, name, &value);
    if (result == -ENOENT)
        result = stored_value(client, &node, name, &value);
    if (result < 0)
        operation_fail(request, client, result, PLACE_XATTR, inode, &error);
    else
        reply_value(request, &value, size);
}

/* Appends the names of stored attributes that no magic one shadows. */
static int append_stored(struct client *client, const struct tree_node *node, struct text *names)
{
    auto_text struct text blob = TEXT_INIT;
    int result = tree_xattrs(client->tree, node, &blob);
    struct xattr_iterator iterator;
    if (result < 0 || xattr_iterator_begin(&iterator, blob.bytes, blob.length) < 0)
        return result; /* a malformed list counts as none (5.6) */
    struct xattr_record record;
    while (result == 0 && xattr_iterator_next(&iterator, &record) > 0) {
        size_t before = names->length;
        result = text_append(names, record.key, record.key_length);
        if (result == 0)
            result = text_append(names, "", 1);
        if (result == 0 && magic_is_name(names->bytes + before))
            names->length = before;
    }
    return result;
}

void operation_listxattr(fuse_req_t request, fuse_ino_t inode, size_t size)
{
    struct client *client = fuse_req_userdata(request);
    if (!operation_is_allowed(request, client))
        return;
    if (client->visibility == XATTRS_NEVER && !tree_stores_xattrs(client->tree)) {
        /* There is no name to list: the kernel need not ask again. */
        (void)fuse_reply_err(request, ENOSYS);
        return;
    }
    struct error error = ERROR_INIT;
    struct tree_node node;
    auto_text struct text names = TEXT_INIT;
    int result = tree_node(client->tree, inode, &node, &error);
    if (result == 0)
        result = text_reserve(&names, 0);
    if (result == 0)
        result = append_stored(client, &node, &names);
    if (result == 0)
        result = magic_list(client, &node, &names);
    if (result < 0)
        operation_fail(request, client, result, PLACE_XATTR, inode, &error);
    else
        reply_value(request, &names, size);
}
