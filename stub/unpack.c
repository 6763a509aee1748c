/* Threads take runs of frames (a frame and those that continue it), decompress each frame in one
 * go into a buffer of their own and write files straight from there. Frame 0 makes all directories
 * before the others begin. Removing what is left of a failure, and publishing, are done elsewhere.
 */
#include "stub/unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <zstd.h>

#include "payload/base/file.h"
#include "payload/base/scope.h"
#include "stub/tar.h"

enum { THREADS_LIMIT = 16 };

/* What all threads share. */
struct unpack {
    const struct bundle *bundle;
    const struct unpack_options *options;
    size_t compressed_room;     /* size of the largest frame */
    size_t content_room;        /* and of the largest content */
    atomic_uint next_frame;     /* the first that no thread has looked at */
    atomic_ullong entries_done; /* for comparison with the note */
    atomic_bool failed;
    pthread_mutex_t lock; /* over the fields below */
    uint64_t content_done;
    struct error error; /* of the first failure */
};

/* What a thread has for itself. */
struct worker {
    struct unpack *unpack;
    ZSTD_DCtx *decompressor;
    uint8_t *compressed; /* room for the largest frame ... */
    uint8_t *content;    /* ... and for the largest content of one */
    struct tar_reader reader;
    int parent; /* the directory of the last name, or -1 ... */
    char parent_name[TAR_NAME_LIMIT];
    int file; /* a file whose content goes on in the next frame, or -1 ... */
    char file_name[TAR_NAME_LIMIT];
    uint64_t file_left;   /* ... with that much to come ... */
    uint64_t file_filler; /* ... and these zeros behind it */
};

static void worker_close(struct worker *worker)
{
    if (worker->content)
        (void)munmap(worker->content, worker->unpack->content_room);
    free(worker->compressed);
    (void)ZSTD_freeDCtx(worker->decompressor); /* cannot fail on a context of its own */
    scope_close_fd(&worker->parent);
    scope_close_fd(&worker->file);
}

static int decompress_frame(struct worker *worker, const struct bundle_frame *frame,
                            struct error *error)
{
    static const uint8_t magic[4] = {0x28, 0xb5, 0x2f, 0xfd}; /* RFC 8878, 3.1.1 */
    const struct bundle *bundle = worker->unpack->bundle;
    ssize_t got = file_pread_full(worker->unpack->options->file, worker->compressed, frame->size,
                                  (off_t)(bundle->payload_offset + frame->offset));
    if (got < 0)
        return error_system(error, (int)got, "reading the bundle");
    /* Only frames of today's format: the stub is linked without the decoders of older ones. */
    if ((size_t)got != frame->size || frame->size < sizeof magic ||
        memcmp(worker->compressed, magic, sizeof magic) != 0)
        return error_set(error, -EBADMSG, "the bundle is damaged: a frame is missing");
    size_t length = ZSTD_decompressDCtx(worker->decompressor, worker->content, frame->content_size,
                                        worker->compressed, frame->size);
    if (ZSTD_isError(length))
        return error_set(error, -EBADMSG, "the bundle is damaged: %s", ZSTD_getErrorName(length));
    if (length != frame->content_size)
        return error_set(error, -EBADMSG, "the bundle is damaged: a frame of another size");
    return 0;
}

/* Opens the directory of `name` and leaves it in `worker->parent`; `base` receives the last part.
 * Entries come sorted, so that most have the same directory as the one before. */
static int open_parent(struct worker *worker, const char *name, const char **base)
{
    const char *slash = strrchr(name, '/');
    size_t length = slash ? (size_t)(slash - name) : 0;
    *base = slash ? slash + 1 : name;
    if (worker->parent >= 0 && strncmp(worker->parent_name, name, length) == 0 &&
        worker->parent_name[length] == '\0')
        return 0;

    const int flags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    auto_fd int directory = openat(worker->unpack->options->directory, ".", flags);
    if (directory < 0)
        return -errno;
    memcpy(worker->parent_name, name, length);
    worker->parent_name[length] = '\0';
    for (char *part = worker->parent_name; *part;) {
        char *end = part + strcspn(part, "/");
        char separator = *end;
        *end = '\0';
        int below = openat(directory, part, flags);
        *end = separator;
        if (below < 0)
            return -errno;
        (void)close(directory);
        directory = below;
        part = separator ? end + 1 : end;
    }
    scope_close_fd(&worker->parent);
    worker->parent = steal_fd(&directory);
    return 0;
}

/* close(2) is where network file systems report what they could not store. */
static int close_written(int *fd)
{
    return close(steal_fd(fd)) < 0 ? -errno : 0;
}

static int make_file(struct worker *worker, const struct tar_entry *entry, const char *base)
{
    auto_fd int file =
        openat(worker->parent, base, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (file < 0 || fchmod(file, entry->mode & 0755) < 0)
        return -errno;
    int result = file_write_full(file, entry->data, entry->data_length);
    if (result < 0)
        return result;
    if (entry->data_length == entry->size)
        return close_written(&file);
    worker->file = steal_fd(&file);
    worker->file_left = entry->size - entry->data_length;
    worker->file_filler = tar_padded_size(entry->size) - entry->size;
    (void)strcpy(worker->file_name, entry->name); /* both have TAR_NAME_LIMIT */
    return 0;
}

static int make_directory(struct worker *worker, const struct tar_entry *entry, const char *base)
{
    if (mkdirat(worker->parent, base, 0700) < 0)
        return -errno;
    /* O_NOFOLLOW: it is the directory just made, or an error. */
    auto_fd int made =
        openat(worker->parent, base, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return made < 0 || fchmod(made, (entry->mode & 0755) | 0700) < 0 ? -errno : 0;
}

static int make_entry(struct worker *worker, const struct tar_entry *entry, struct error *error)
{
    const char *base;
    int result = open_parent(worker, entry->name, &base);
    if (result == 0 && entry->type == TAR_FILE)
        result = make_file(worker, entry, base);
    else if (result == 0 && entry->type == TAR_DIRECTORY)
        result = make_directory(worker, entry, base);
    else if (result == 0)
        result = symlinkat(entry->target, worker->parent, base) < 0 ? -errno : 0;
    return result < 0 ? error_system(error, result, "unpacking %s", entry->name) : 0;
}

/* Writes the part of the open file that is in this frame and says how long it was with its filler.
 */
static int continue_file(struct worker *worker, size_t length, size_t *used, struct error *error)
{
    size_t data_length = worker->file_left < length ? (size_t)worker->file_left : length;
    int result = file_write_full(worker->file, worker->content, data_length);
    worker->file_left -= data_length;
    *used = data_length;
    if (result == 0 && worker->file_left == 0) {
        result = close_written(&worker->file);
        *used += worker->file_filler;
    }
    if (result == 0 && *used > length)
        return error_set(error, -EBADMSG, "the bundle is damaged: a file ends in two frames");
    return result < 0 ? error_system(error, result, "unpacking %s", worker->file_name) : 0;
}

static int unpack_frame(struct worker *worker, const struct bundle_frame *frame,
                        struct error *error)
{
    struct unpack *unpack = worker->unpack;
    size_t used = 0;
    int result = decompress_frame(worker, frame, error);
    if (result < 0)
        return result;
    if (frame->continues != (worker->file >= 0))
        return error_set(error, -EBADMSG, "the bundle is damaged: a file is cut");
    if (frame->continues)
        result = continue_file(worker, frame->content_size, &used, error);
    tar_open(&worker->reader, worker->content + used, frame->content_size - used);
    while (result == 0 && worker->file < 0 && !atomic_load(&unpack->failed)) {
        struct tar_entry entry;
        int found = tar_next(&worker->reader, &entry, error);
        if (found <= 0) {
            result = found;
            break;
        }
        result = make_entry(worker, &entry, error);
        atomic_fetch_add(&unpack->entries_done, 1);
    }
    return result;
}

/* Counts a frame as done, or remembers the first failure and lets all threads see it. */
static void report_frame(struct unpack *unpack, const struct bundle_frame *frame,
                         const struct error *error)
{
    const struct unpack_options *options = unpack->options;
    (void)pthread_mutex_lock(&unpack->lock);
    if (error->code < 0 && unpack->error.code == 0)
        unpack->error = *error;
    if (error->code < 0)
        atomic_store(&unpack->failed, true);
    unpack->content_done += frame->content_size;
    if (options->progress && !atomic_load(&unpack->failed))
        options->progress(options->progress_context, unpack->content_done,
                          unpack->bundle->content_size);
    (void)pthread_mutex_unlock(&unpack->lock);
}

/* Unpacks the frame at `first` and all that continue it. */
static void unpack_run(struct worker *worker, uint32_t first)
{
    struct unpack *unpack = worker->unpack;
    const struct bundle *bundle = unpack->bundle;
    uint32_t i = first;
    do {
        struct error error = ERROR_INIT;
        int result = unpack_frame(worker, &bundle->frames[i], &error);
        bool last = i + 1 == bundle->frame_count || !bundle->frames[i + 1].continues;
        if (result == 0 && last && worker->file >= 0 && !atomic_load(&unpack->failed))
            (void)error_set(&error, -EBADMSG, "the bundle is damaged: a file without an end");
        report_frame(unpack, &bundle->frames[i], &error);
        i++;
    } while (i < bundle->frame_count && bundle->frames[i].continues &&
             !atomic_load(&unpack->failed));
}

/* The first frame of a run that no other thread has; false when all are taken. */
static bool take_run(struct unpack *unpack, uint32_t *first)
{
    do {
        *first = atomic_fetch_add(&unpack->next_frame, 1);
        if (*first >= unpack->bundle->frame_count || atomic_load(&unpack->failed))
            return false;
    } while (unpack->bundle->frames[*first].continues);
    return true;
}

static void worker_run(struct worker *worker)
{
    uint32_t first;
    while (take_run(worker->unpack, &first))
        unpack_run(worker, first);
}

static bool worker_open(struct worker *worker, struct unpack *unpack)
{
    worker->unpack = unpack;
    worker->parent = -1;
    worker->file = -1;
    worker->decompressor = ZSTD_createDCtx();
    worker->compressed = malloc(unpack->compressed_room);
    void *room = mmap(NULL, unpack->content_room, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (room == MAP_FAILED)
        return false;
    worker->content = room;
    /* Saves most of the page faults where the system hands out huge pages on request. */
    (void)madvise(room, unpack->content_room, MADV_HUGEPAGE);
    return worker->decompressor && worker->compressed;
}

/* A further thread. When it cannot have what it needs, the others do its work. */
static void *thread_main(void *context)
{
    auto_free struct worker *memory = calloc(1, sizeof *memory);
    if (!memory)
        return NULL;
    if (worker_open(memory, context))
        worker_run(memory);
    worker_close(memory);
    return NULL;
}

static unsigned count_threads(const struct unpack_options *options, const struct bundle *bundle)
{
    unsigned wanted = options->threads;
    cpu_set_t processors;
    if (wanted == 0 && sched_getaffinity(0, sizeof processors, &processors) == 0)
        wanted = (unsigned)CPU_COUNT(&processors);
    if (wanted > THREADS_LIMIT)
        wanted = THREADS_LIMIT;
    if (wanted > bundle->frame_count - 1) /* frame 0 is done before */
        wanted = bundle->frame_count - 1;
    return wanted == 0 ? 1 : wanted;
}

/* The calling thread is one of the workers; none of the others outlives this. */
static int unpack_all(struct unpack *unpack, struct worker *worker)
{
    pthread_t threads[THREADS_LIMIT];
    unsigned started = 0;
    if (!worker_open(worker, unpack))
        return error_system(&unpack->error, -ENOMEM, "unpacking");
    unpack_run(worker, 0);
    atomic_store(&unpack->next_frame, 1);
    unsigned count =
        atomic_load(&unpack->failed) ? 1 : count_threads(unpack->options, unpack->bundle);
    while (started + 1 < count && pthread_create(&threads[started], NULL, thread_main, unpack) == 0)
        started++;
    worker_run(worker);
    for (unsigned i = 0; i < started; i++)
        (void)pthread_join(threads[i], NULL); /* a thread that was started can be joined */
    return unpack->error.code;
}

int unpack_bundle(const struct bundle *bundle, const struct unpack_options *options,
                  struct error *error)
{
    struct unpack unpack = {.bundle = bundle,
                            .options = options,
                            .lock = PTHREAD_MUTEX_INITIALIZER,
                            .error = ERROR_INIT};
    auto_free struct worker *worker = calloc(1, sizeof *worker);
    if (!worker)
        return error_system(error, -ENOMEM, "unpacking");
    for (uint32_t i = 0; i < bundle->frame_count; i++) {
        const struct bundle_frame *frame = &bundle->frames[i];
        if (frame->size > unpack.compressed_room)
            unpack.compressed_room = frame->size;
        if (frame->content_size > unpack.content_room)
            unpack.content_room = frame->content_size;
    }
    int result = unpack_all(&unpack, worker);
    worker_close(worker);
    if (result < 0)
        return error_set(error, result, "%s", unpack.error.message);
    if (atomic_load(&unpack.entries_done) != bundle->entry_count)
        return error_set(error, -EBADMSG, "the bundle is damaged: it has %llu entries, not %llu",
                         atomic_load(&unpack.entries_done),
                         (unsigned long long)bundle->entry_count);
    return 0;
}
