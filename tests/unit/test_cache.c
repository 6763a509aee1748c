/* payload/client/cache: objects in the official layout, many processes at once, the quota. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "payload/base/file.h"
#include "payload/base/remove.h"
#include "payload/base/scope.h"
#include "payload/client/breadcrumb.h"
#include "payload/client/cache.h"
#include "tests/unit/tap.h"

static char place[] = "/tmp/test_cache.XXXXXX";

static struct cache *open_cache(const char *name, int64_t limit, bool alien)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", place, name);
    struct cache *cache = NULL;
    const struct cache_options options = {.directory = path, .limit = limit, .alien = alien};
    struct error error = ERROR_INIT;
    if (cache_create(&options, &cache, &error) < 0)
        printf("# %s\n", error.message);
    return cache;
}

/* A hash that stands for object number `number`. */
static struct hash hash_of(unsigned number)
{
    struct hash hash = {.algorithm = HASH_SHA1};
    memcpy(hash.digest, &number, sizeof number);
    hash.digest[10] = 0xab;
    return hash;
}

/* Commits `size` bytes; the descriptor that is left, or a negative errno. */
static int put(struct cache *cache, const struct hash *hash, size_t size)
{
    struct cache_transaction transaction;
    auto_free char *bytes = calloc(1, size + 1);
    struct error error = ERROR_INIT;
    int result = bytes ? cache_begin(cache, &transaction, &error) : -ENOMEM;
    if (result < 0)
        return result;
    memset(bytes, 'x', size);
    result = file_write_full(transaction.fd, bytes, size);
    if (result < 0) {
        cache_abort(cache, &transaction);
        return result;
    }
    result = cache_commit(cache, &transaction, hash, size, &error);
    if (result == 0)
        return transaction.fd;
    printf("# %s\n", error.message);
    return transaction.fd < 0 ? result : -EBADF; /* an aborted one has no descriptor */
}

static bool put_and_close(struct cache *cache, unsigned number, size_t size)
{
    struct hash hash = hash_of(number);
    auto_fd int fd = put(cache, &hash, size);
    return fd >= 0;
}

static bool has(struct cache *cache, unsigned number)
{
    struct hash hash = hash_of(number);
    auto_fd int fd = cache_find(cache, &hash, NULL);
    return fd >= 0;
}

/* Pretends that the object was used last so long ago. */
static void set_age(struct cache *cache, unsigned number, int64_t seconds)
{
    struct hash hash = hash_of(number);
    auto_fd int fd = cache_find(cache, &hash, NULL);
    (void)futimens(fd,
                   (struct timespec[]){{.tv_sec = time(NULL) - seconds}, {.tv_nsec = UTIME_OMIT}});
}

static size_t count_files(struct cache *cache, const char *directory)
{
    auto_fd int fd = openat(cache_directory(cache), directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    auto_directory DIR *opened = fdopendir(fd);
    size_t count = 0;
    if (!opened)
        return 0;
    (void)steal_fd(&fd);
    for (const struct dirent *entry; (entry = readdir(opened));)
        count += entry->d_name[0] != '.';
    return count;
}

static bool has_mode(struct cache *cache, const char *name, mode_t mode)
{
    struct stat status;
    return fstatat(cache_directory(cache), name, &status, 0) == 0 &&
           (status.st_mode & 07777) == mode;
}

static void a_new_cache_has_the_official_layout(void)
{
    struct cache *cache = open_cache("a/b/new", 0, false);
    CHECK(cache != NULL, "a cache is made with its parent directories");
    CHECK(cache_complete(cache) == 0 && cache_complete(cache) == 0, "and completed");
    CHECK(has_mode(cache, "00", 0700) && has_mode(cache, "ff", 0700) &&
              has_mode(cache, "txn", 0700) && has_mode(cache, "quarantaine", 0700) &&
              has_mode(cache, ".cvmfscache", 0600),
          "it has 00 to ff, txn, quarantaine and the marker");
    struct hash hash;
    (void)hash_parse("0123456789012345678901234567890123456789-shake128", 49, &hash);
    auto_fd int fd = put(cache, &hash, 5);
    CHECK(has_mode(cache, "01/23456789012345678901234567890123456789-shake128", 0600),
          "an object is at xx/rest-algorithm, without a type letter, mode 0600");
    cache_destroy(cache);
}

static void an_alien_cache_is_shared(void)
{
    mode_t before = umask(077);
    struct cache *cache = open_cache("alien", 0, true);
    CHECK(put_and_close(cache, 1, 5), "an alien cache takes an object");
    CHECK(has_mode(cache, ".", 0770) && has_mode(cache, "01", 0770) && has_mode(cache, "txn", 0770),
          "its directories are 0770");
    CHECK(has_mode(cache, "01/000000000000000000ab000000000000000000", 0660),
          "its objects are 0660, whatever the umask says");
    (void)umask(before);
    cache_destroy(cache);
}

static void what_is_committed_is_found(void)
{
    struct cache *cache = open_cache("find", 0, false);
    struct hash hash = hash_of(7);
    CHECK(cache_find(cache, &hash, NULL) == -ENOENT, "an absent object is -ENOENT");
    auto_fd int committed = put(cache, &hash, 1000);
    auto_fd int found = cache_find(cache, &hash, NULL);
    char bytes[2000];
    CHECK(file_read_full(found, bytes, sizeof bytes) == 1000 && bytes[999] == 'x',
          "a committed object is found whole");
    CHECK(file_pread_full(committed, bytes, sizeof bytes, 0) == 1000,
          "the descriptor of the commit reads the same");
    CHECK(cache_remove(cache, &hash) == 0 && cache_remove(cache, &hash) == 0 && !has(cache, 7),
          "a removed object is gone, and removing it twice is no error");
    CHECK(file_pread_full(found, bytes, sizeof bytes, 0) == 1000, "who has it open still reads it");
    struct hash null = {.algorithm = HASH_NONE};
    CHECK(cache_find(cache, &null, NULL) == -ENOENT, "the null hash is never there");
    cache_destroy(cache);
}

static void nothing_is_left_of_what_fails(void)
{
    struct cache *cache = open_cache("fail", 0, false);
    struct cache_transaction transaction;
    struct hash hash = hash_of(3);
    struct error error = ERROR_INIT;
    CHECK(cache_begin(cache, &transaction, NULL) == 0 && count_files(cache, "txn") == 1,
          "a transaction is a file in txn");
    cache_abort(cache, &transaction);
    CHECK(count_files(cache, "txn") == 0 && transaction.fd == -1, "an aborted one is gone");
    (void)cache_begin(cache, &transaction, NULL);
    (void)file_write_full(transaction.fd, "abc", 3);
    CHECK(cache_commit(cache, &transaction, &hash, 4, &error) == -EIO && !has(cache, 3) &&
              count_files(cache, "txn") == 0,
          "a file of another size than it should have is no object: %s", error.message);
    (void)cache_begin(cache, &transaction, NULL);
    (void)file_write_full(transaction.fd, "abc", 3);
    cache_quarantine(cache, &transaction, &hash);
    CHECK(count_files(cache, "txn") == 0 && count_files(cache, "quarantaine") == 1 &&
              !has(cache, 3),
          "a quarantined one is kept aside");
    cache_destroy(cache);
}

static void an_object_that_is_there_stays(void)
{
    struct cache *cache = open_cache("twice", 1 << 20, false);
    struct hash hash = hash_of(9);
    auto_fd int first = put(cache, &hash, 100);
    auto_fd int second = put(cache, &hash, 100);
    auto_fd int found = cache_find(cache, &hash, NULL);
    struct stat one, other;
    CHECK(fstat(first, &one) == 0 && fstat(found, &other) == 0 && one.st_ino == other.st_ino,
          "the second commit of an object does not replace the first");
    uint64_t used, limit;
    cache_usage(cache, &used, &limit);
    CHECK(used == 100 && limit == 1 << 20, "and is not counted");
    if (ftruncate(first, 10) < 0)
        CHECK(false, "the object is cut");
    auto_fd int third = put(cache, &hash, 100);
    auto_fd int again = cache_find(cache, &hash, NULL);
    CHECK(fstat(again, &other) == 0 && other.st_size == 100,
          "but one that a crash has cut short is replaced");
    cache_destroy(cache);
}

static void missing_directories_are_made_again(void)
{
    struct cache *cache = open_cache("tidied", 0, false);
    (void)cache_complete(cache);
    CHECK(unlinkat(cache_directory(cache), "txn", AT_REMOVEDIR) == 0 &&
              unlinkat(cache_directory(cache), "05", AT_REMOVEDIR) == 0,
          "directories vanish");
    CHECK(put_and_close(cache, 5, 10) && has(cache, 5),
          "a cleaner of scratch areas may take empty directories away");
    cache_destroy(cache);
}

static void old_transactions_are_swept(void)
{
    struct cache *cache = open_cache("sweep", 0, false);
    (void)cache_complete(cache);
    int directory = cache_directory(cache);
    (void)file_replace(directory, "txn/fetchDEAD", "x", 1, 0600);
    (void)file_replace(directory, "txn/fetchLIVE", "x", 1, 0600);
    const struct timespec old[2] = {{.tv_sec = time(NULL) - 90000}, {.tv_sec = time(NULL) - 90000}};
    (void)utimensat(directory, "txn/fetchDEAD", old, 0);
    CHECK(put_and_close(cache, 1, 1) && faccessat(directory, "txn/fetchDEAD", F_OK, 0) < 0 &&
              faccessat(directory, "txn/fetchLIVE", F_OK, 0) == 0,
          "a transaction that nobody wrote to for a day goes, a younger one stays");
    cache_destroy(cache);
}

static void the_least_recently_used_go_first(void)
{
    struct cache *cache = open_cache("quota", 10000, false);
    for (unsigned number = 0; number < 10; number++)
        if (!put_and_close(cache, number, 1000))
            CHECK(false, "object %u fits", number);
    for (unsigned number = 0; number < 10; number++)
        set_age(cache, number, 100 - number);
    set_age(cache, 0, 0);
    uint64_t used, limit;
    cache_usage(cache, &used, &limit);
    CHECK(used == 10000, "up to the limit nothing is removed");
    CHECK(put_and_close(cache, 10, 1000), "one more fits");
    cache_usage(cache, &used, &limit);
    CHECK(used == 5000, "then half of the limit is left: %llu", (unsigned long long)used);
    CHECK(has(cache, 0) && has(cache, 10) && has(cache, 9) && has(cache, 8) && has(cache, 7) &&
              !has(cache, 1) && !has(cache, 6),
          "and it is what was used last");
    struct hash hash = hash_of(11);
    CHECK(put(cache, &hash, 5001) == -ENOSPC && count_files(cache, "txn") == 0 && !has(cache, 11),
          "an object over half of the limit is refused");
    CHECK(put_and_close(cache, 12, 5000), "one of half of the limit is not");
    cache_destroy(cache);
}

static void a_use_is_noted(void)
{
    struct cache *cache = open_cache("use", 10000, false);
    (void)put_and_close(cache, 1, 10);
    set_age(cache, 1, 5000);
    struct hash hash = hash_of(1);
    auto_fd int fd = cache_find(cache, &hash, NULL);
    struct stat status;
    CHECK(fstat(fd, &status) == 0 && time(NULL) - status.st_atim.tv_sec < 1000,
          "finding an object makes it young again");
    cache_destroy(cache);
}

static void the_root_catalog_of_a_breadcrumb_stays(void)
{
    struct cache *cache = open_cache("pinned", 10000, false);
    for (unsigned number = 0; number < 10; number++)
        (void)put_and_close(cache, number, 1000);
    for (unsigned number = 0; number < 10; number++)
        set_age(cache, number, 1000 - number);
    const struct breadcrumb breadcrumb = {.catalog = hash_of(0), .checked = time(NULL)};
    (void)breadcrumb_store(cache_directory(cache), "a.example.org", &breadcrumb);
    (void)put_and_close(cache, 10, 1000);
    CHECK(has(cache, 0) && !has(cache, 1), "the oldest object stays while a breadcrumb names it");
    cache_destroy(cache);
}

static void a_cache_of_others_is_counted(void)
{
    struct cache *cache = open_cache("counted", 0, false);
    (void)put_and_close(cache, 1, 300);
    (void)put_and_close(cache, 2, 400);
    cache_destroy(cache);
    cache = open_cache("counted", 10000, false);
    uint64_t used, limit;
    cache_usage(cache, &used, &limit);
    CHECK(used == 700, "what a cache without a usage file holds is counted when it is asked for");
    struct hash hash = hash_of(1);
    (void)cache_remove(cache, &hash);
    cache_usage(cache, &used, &limit);
    CHECK(used == 400, "a removed object is counted off");
    cache_destroy(cache);

    char path[128];
    (void)snprintf(path, sizeof path, "%s/counted/cvmfsexec.usage", place);
    if (truncate(path, 5) < 0)
        CHECK(false, "the file is cut");
    cache = open_cache("counted", 10000, false);
    (void)put_and_close(cache, 3, 50);
    cache_usage(cache, &used, &limit);
    CHECK(used == 450, "a damaged usage file is made anew by the next commit");
    cache_destroy(cache);
}

static void *commit_many(void *context)
{
    struct cache *cache = context;
    size_t good = 0;
    for (unsigned number = 0; number < 300; number++)
        good += put_and_close(cache, number, 100);
    return good == 300 ? cache : NULL;
}

static void many_write_at_once(void)
{
    struct cache *cache = open_cache("parallel", 20000, false);
    pid_t children[3];
    for (size_t index = 0; index < 3; index++) {
        children[index] = fork();
        if (children[index] == 0) {
            struct cache *own = open_cache("parallel", 20000, false);
            _exit(own && commit_many(own) ? 0 : 1);
        }
    }
    pthread_t threads[3];
    bool good = true;
    for (size_t index = 0; index < 3; index++)
        good &= pthread_create(&threads[index], NULL, commit_many, cache) == 0;
    for (size_t index = 0; index < 3; index++) {
        void *result = NULL;
        int status = -1;
        good &= pthread_join(threads[index], &result) == 0 && result == cache;
        good &= waitpid(children[index], &status, 0) == children[index] && status == 0;
    }
    CHECK(good, "three processes and three threads commit the same 300 objects, over the quota");
    size_t count = 0;
    for (unsigned number = 0; number < 300; number++)
        count += has(cache, number);
    CHECK(count >= 100 && count <= 200 && count_files(cache, "txn") == 0,
          "what is left is within the limit, and no transaction (%zu objects)", count);
    cache_destroy(cache);
}

static bool parses(const char *text, struct breadcrumb *breadcrumb)
{
    return breadcrumb_parse(text, strlen(text), breadcrumb) == 0;
}

#define HEX "0123456789abcdef0123456789abcdef01234567"

static void breadcrumbs_have_three_forms(void)
{
    struct breadcrumb breadcrumb;
    CHECK(parses(HEX "T1795471810R8", &breadcrumb) && breadcrumb.timestamp == 1795471810 &&
              breadcrumb.revision == 8,
          "the present form has time and revision");
    CHECK(parses(HEX "T17", &breadcrumb) && breadcrumb.timestamp == 17 && breadcrumb.revision == 0,
          "an older one has the time");
    CHECK(parses(HEX "-rmd160", &breadcrumb) && breadcrumb.catalog.algorithm == HASH_RIPEMD160 &&
              breadcrumb.timestamp == 0,
          "the oldest one has neither");
    CHECK(!parses("", &breadcrumb) && !parses("T1R2", &breadcrumb) &&
              !parses(HEX "T", &breadcrumb) && !parses(HEX "T1R", &breadcrumb) &&
              !parses(HEX "T1R2x", &breadcrumb) && !parses(HEX "R2T1", &breadcrumb) &&
              !parses(HEX "T99999999999999999999R1", &breadcrumb),
          "anything else is refused");
}

static void a_breadcrumb_is_kept(void)
{
    struct cache *cache = open_cache("breadcrumb", 0, false);
    struct breadcrumb loaded;
    struct breadcrumb stored = {
        .catalog = hash_of(1), .timestamp = 17, .revision = 4, .checked = 1000000000};
    CHECK(breadcrumb_load(cache_directory(cache), "a.b", &loaded) == -ENOENT,
          "a missing one says so");
    CHECK(breadcrumb_store(cache_directory(cache), "a.b", &stored) == 0 &&
              breadcrumb_load(cache_directory(cache), "a.b", &loaded) == 0 &&
              hash_equal(&stored.catalog, &loaded.catalog) && loaded.timestamp == 17 &&
              loaded.revision == 4 && loaded.checked == 1000000000,
          "what is stored is loaded, the time of the check with it");
    CHECK(has_mode(cache, "cvmfschecksum.a.b", 0600), "its mode is 0600");
    struct stat before, after;
    (void)fstatat(cache_directory(cache), "cvmfschecksum.a.b", &before, 0);
    stored.checked = 1000000100;
    (void)breadcrumb_store(cache_directory(cache), "a.b", &stored);
    (void)fstatat(cache_directory(cache), "cvmfschecksum.a.b", &after, 0);
    CHECK(before.st_ino == after.st_ino && after.st_mtim.tv_sec == 1000000100,
          "the same content is not written again, only its time");
    CHECK(breadcrumb_load(cache_directory(cache), "../a", &loaded) == -EINVAL &&
              breadcrumb_load(cache_directory(cache), "", &loaded) == -EINVAL,
          "a name with a slash is refused");
    cache_destroy(cache);
}

static void trouble_is_named(void)
{
    struct error error = ERROR_INIT;
    struct cache *cache = NULL;
    const struct cache_options options = {.directory = "/proc/no/such/place"};
    CHECK(cache_create(&options, &cache, &error) < 0 && strstr(error.message, options.directory),
          "a cache that cannot be made is named: %s", error.message);
}

int main(void)
{
    if (!mkdtemp(place))
        return 1;
    a_new_cache_has_the_official_layout();
    an_alien_cache_is_shared();
    what_is_committed_is_found();
    nothing_is_left_of_what_fails();
    an_object_that_is_there_stays();
    missing_directories_are_made_again();
    old_transactions_are_swept();
    the_least_recently_used_go_first();
    a_use_is_noted();
    the_root_catalog_of_a_breadcrumb_stays();
    a_cache_of_others_is_counted();
    many_write_at_once();
    breadcrumbs_have_three_forms();
    a_breadcrumb_is_kept();
    trouble_is_named();
    if (directory_remove(AT_FDCWD, place) < 0)
        printf("# %s is left behind\n", place);
    return tap_done();
}
