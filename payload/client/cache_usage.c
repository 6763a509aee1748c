/* The shared number of bytes in use. Knows nothing of objects and limits. */
#include "payload/client/cache_usage.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "payload/base/file.h"
#include "payload/base/scope.h"
#include "payload/client/cache_layout.h"

#define USAGE_FILE "cvmfsexec.usage"

/* The file's whole content, in the byte order of the machine: it is no exchange format. */
struct record {
    char magic[8];
    uint64_t used;
    int64_t counted;
};

static const char magic[8] = "cvmfsu1\n";

/* Bytes of the file that stand for the two locks. They lie behind its content: a network file
 * system is free to refuse reading what is locked. */
enum { LOCK_NUMBER = 4096, LOCK_CLEANING = 4097 };

/* Open file description locks (Linux 3.15): they belong to `usage`, not to the process. */
static int lock_byte(struct usage *usage, off_t byte, short type, bool wait)
{
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
    int result;
    do
        result = fcntl(usage->fd, wait ? F_OFD_SETLKW : F_OFD_SETLK, &lock);
    while (result < 0 && errno == EINTR);
    return result < 0 ? -errno : 0;
}

static struct usage_state record_load(struct usage *usage)
{
    struct record record;
    ssize_t count = file_pread_full(usage->fd, &record, sizeof record, 0);
    if (count != (ssize_t)sizeof record || memcmp(record.magic, magic, sizeof magic) != 0)
        return (struct usage_state){.used = 0, .counted = 0};
    return (struct usage_state){.used = record.used, .counted = record.counted};
}

static void record_store(struct usage *usage, const struct usage_state *state)
{
    struct record record = {.used = state->used, .counted = state->counted};
    memcpy(record.magic, magic, sizeof magic);
    ssize_t written = pwrite(usage->fd, &record, sizeof record, 0);
    (void)written; /* by the contract: the next count repairs it */
}

/* File systems without locks (ENOLCK) do without: the number is then a little less exact. */
static void number_lock(struct usage *usage)
{
    (void)pthread_mutex_lock(&usage->mutex);
    (void)lock_byte(usage, LOCK_NUMBER, F_WRLCK, true);
}

static void number_unlock(struct usage *usage)
{
    (void)lock_byte(usage, LOCK_NUMBER, F_UNLCK, false);
    (void)pthread_mutex_unlock(&usage->mutex);
}

/* Every commit goes through the transactions' directory: where that has yet to be made, nothing is
 * to be counted. */
static bool is_new_cache(int directory)
{
    return faccessat(directory, TRANSACTION_DIRECTORY, F_OK, 0) < 0 && errno == ENOENT;
}

int usage_open(int directory, struct usage *usage)
{
    const int flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW;
    usage->fd = openat(directory, USAGE_FILE, flags);
    bool empty = false;
    if (usage->fd < 0 && errno == ENOENT) {
        empty = is_new_cache(directory);
        usage->fd = openat(directory, USAGE_FILE, flags | O_CREAT, 0600);
    }
    if (usage->fd < 0)
        return -errno;
    usage->cleaning = false;
    (void)pthread_mutex_init(&usage->mutex, NULL);
    if (empty) {
        number_lock(usage);
        struct usage_state state = record_load(usage);
        if (state.counted == 0) { /* another process may have begun already */
            state.counted = time(NULL);
            record_store(usage, &state);
        }
        number_unlock(usage);
    }
    return 0;
}

int usage_reopen(int directory, struct usage *usage)
{
    auto_fd int fd = openat(directory, USAGE_FILE, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    return fd < 0 || dup3(fd, usage->fd, O_CLOEXEC) < 0 ? -errno : 0;
}

void usage_close(struct usage *usage)
{
    (void)close(usage->fd); /* releases the locks; what was written is in the system's hands */
    usage->fd = -1;
    (void)pthread_mutex_destroy(&usage->mutex);
}

struct usage_state usage_load(struct usage *usage)
{
    return record_load(usage);
}

struct usage_state usage_add(struct usage *usage, int64_t bytes)
{
    number_lock(usage);
    struct usage_state state = record_load(usage);
    if (bytes >= 0)
        state.used += (uint64_t)bytes;
    else
        state.used -= state.used < (uint64_t)-bytes ? state.used : (uint64_t)-bytes;
    record_store(usage, &state);
    number_unlock(usage);
    return state;
}

void usage_correct(struct usage *usage, uint64_t before, uint64_t counted, int64_t now)
{
    number_lock(usage);
    uint64_t present = record_load(usage).used;
    struct usage_state state = {
        .used = counted + (present > before ? present - before : 0),
        .counted = now,
    };
    record_store(usage, &state);
    number_unlock(usage);
}

bool usage_try_cleaning(struct usage *usage)
{
    (void)pthread_mutex_lock(&usage->mutex);
    int result = usage->cleaning ? -EAGAIN : lock_byte(usage, LOCK_CLEANING, F_WRLCK, false);
    bool granted = result != -EAGAIN && result != -EACCES; /* what fcntl says of a held lock */
    if (granted)
        usage->cleaning = true;
    (void)pthread_mutex_unlock(&usage->mutex);
    return granted;
}

void usage_end_cleaning(struct usage *usage)
{
    (void)pthread_mutex_lock(&usage->mutex);
    (void)lock_byte(usage, LOCK_CLEANING, F_UNLCK, false);
    usage->cleaning = false;
    (void)pthread_mutex_unlock(&usage->mutex);
}
