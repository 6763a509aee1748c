/* Contents: small ranges are copied, large ones spliced out of the cache's files. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "payload/base/file.h"
#include "payload/base/scope.h"
#include "payload/client/neighbours.h"
#include "payload/client/operations.h"

enum { PLACE_READ = 7 };

#define COPY_LIMIT 65536 /* bytes; what is longer is worth a splice */

/* One piece that is short enough to be copied. */
static void reply_copied(fuse_req_t request, struct client *client,
                         const struct content_piece *piece, uint64_t inode)
{
    char bytes[COPY_LIMIT];
    ssize_t count = file_pread_full(piece->fd, bytes, piece->length, piece->offset);
    if (count != (ssize_t)piece->length) {
        struct error error = ERROR_INIT;
        (void)error_set(&error, -EIO, "the cached object ended too early");
        operation_fail(request, client, -EIO, PLACE_READ, inode, &error);
        return;
    }
    (void)fuse_reply_buf(request, bytes, (size_t)count);
}

static void reply_spliced(fuse_req_t request, const struct content_piece *pieces, size_t count)
{
    struct {
        struct fuse_bufvec vector;
        struct fuse_buf more[CONTENT_PIECES - 1]; /* continues vector.buf */
    } buffers = {.vector = {.count = count}};
    struct fuse_buf *buffer = buffers.vector.buf;
    for (size_t index = 0; index < count; index++) {
        buffer[index] = (struct fuse_buf){
            .size = pieces[index].length,
            .flags = FUSE_BUF_IS_FD | FUSE_BUF_FD_SEEK | FUSE_BUF_FD_RETRY,
            .fd = pieces[index].fd,
            .pos = pieces[index].offset,
        };
    }
    (void)fuse_reply_data(request, &buffers.vector, 0);
}

void operation_read(fuse_req_t request, fuse_ino_t inode, size_t size, off_t offset,
                    struct fuse_file_info *info)
{
    (void)info;
    struct client *client = fuse_req_userdata(request);
    if (!operation_is_allowed(request, client))
        return;
    struct error error = ERROR_INIT;
    struct content_piece pieces[CONTENT_PIECES];
    size_t count;
    (void)atomic_fetch_add_explicit(&client->counters.reads, 1, memory_order_relaxed);
    if (offset == 0)
        neighbours_read(client->neighbours, inode);
    int result = offset < 0 ? -EINVAL
                            : content_read(client->content, inode, (uint64_t)offset, size, pieces,
                                           &count, &error);
    if (result < 0) {
        operation_fail(request, client, result, PLACE_READ, inode, &error);
        return;
    }
    if (count == 0)
        (void)fuse_reply_buf(request, NULL, 0);
    else if (count == 1 && pieces[0].length <= COPY_LIMIT)
        reply_copied(request, client, &pieces[0], inode);
    else
        reply_spliced(request, pieces, count);
    content_release(client->content, pieces, count);
}
