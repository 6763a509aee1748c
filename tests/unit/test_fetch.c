/* payload/client/fetch and receiver: objects come into the cache checked or not at all. The cache
 * is a real one, the transfers are in memory. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <zlib.h>

#include "payload/base/file.h"
#include "payload/base/remove.h"
#include "payload/base/scope.h"
#include "payload/client/fetch.h"
#include "tests/unit/fake_transfer.h"
#include "tests/unit/tap.h"

#define CONTENT_SIZE 200000 /* some buffers of a receiver */

static unsigned char content[CONTENT_SIZE];
static unsigned char packed[CONTENT_SIZE];
static size_t packed_length;
static struct hash packed_hash;
static struct hash plain_hash;

/* A cache, its servers and a fetcher, in a directory of their own. */
struct world {
    char directory[32];
    struct cache *cache;
    struct downloader *regular;
    struct downloader *external;
    struct fetcher *fetcher;
};

static void prepare_content(void)
{
    unsigned state = 1;
    for (size_t index = 0; index < CONTENT_SIZE; index++) {
        state = state * 1103515245u + 12345u;
        content[index] = (unsigned char)((state >> 16) & 15);
    }
    uLongf length = sizeof packed;
    (void)compress(packed, &length, content, CONTENT_SIZE);
    packed_length = length;
    (void)hash_compute(HASH_SHA1, packed, packed_length, &packed_hash);
    (void)hash_compute(HASH_SHAKE128, content, CONTENT_SIZE, &plain_hash);
}

static bool world_open(struct world *world, int64_t limit)
{
    *world = (struct world){.directory = "/tmp/test_fetch.XXXXXX"};
    auto_parameters struct parameters parameters = PARAMETERS_INIT;
    if (!mkdtemp(world->directory))
        return false;
    const struct cache_options options = {.directory = world->directory, .limit = limit};
    (void)parameters_set(&parameters, "CVMFS_SERVER_URL", "http://a", NULL);
    (void)parameters_set(&parameters, "CVMFS_EXTERNAL_URL", "http://e", NULL);
    (void)parameters_set(&parameters, "CVMFS_HTTP_PROXY", "DIRECT", NULL);
    (void)parameters_set(&parameters, "CVMFS_BACKOFF_INIT", "0", NULL);
    fake_reset();
    return cache_create(&options, &world->cache, NULL) == 0 &&
           downloader_create(&parameters, DOWNLOADER_REGULAR, &world->regular, NULL) == 0 &&
           downloader_create(&parameters, DOWNLOADER_EXTERNAL, &world->external, NULL) == 0 &&
           fetcher_create(world->cache, world->regular, world->external, &world->fetcher) == 0;
}

static void world_close(struct world *world)
{
    fetcher_destroy(world->fetcher);
    downloader_destroy(world->external);
    downloader_destroy(world->regular);
    cache_destroy(world->cache);
    (void)directory_remove(AT_FDCWD, world->directory);
}

static void serve(const void *body, size_t length)
{
    fake_add((struct fake_answer){
        .outcome = TRANSFER_ANSWERED, .status = 200, .body = body, .length = length});
}

static struct object packed_object(void)
{
    return (struct object){
        .hash = packed_hash, .compressed = true, .size = CONTENT_SIZE, .label = "/file"};
}

static struct object plain_object(void)
{
    return (struct object){.hash = plain_hash, .size = CONTENT_SIZE, .label = "/file"};
}

/* Whether a fetch gives the content. */
static bool gives_content(struct world *world, const struct object *object)
{
    auto_fd int fd = fetch_object(world->fetcher, object, NULL);
    auto_free unsigned char *bytes = malloc(CONTENT_SIZE + 1);
    return fd >= 0 && bytes && file_pread_full(fd, bytes, CONTENT_SIZE + 1, 0) == CONTENT_SIZE &&
           memcmp(bytes, content, CONTENT_SIZE) == 0;
}

/* How many entries a directory of the cache has. */
static int count_entries(const struct world *world, const char *name)
{
    char path[64];
    (void)snprintf(path, sizeof path, "%s/%s", world->directory, name);
    auto_directory DIR *directory = opendir(path);
    int count = 0;
    for (const struct dirent *entry; directory && (entry = readdir(directory));)
        count += entry->d_name[0] != '.';
    return count;
}

/* Whether a fetch fails like that and nothing of it is in the cache, nor on the way there. */
static bool fails_cleanly(struct world *world, const struct object *object, int expected,
                          struct error *error)
{
    int result = fetch_object(world->fetcher, object, error);
    return result == expected &&
           fetch_cached(world->fetcher, &object->hash, OBJECT_SIZE_UNKNOWN) == -ENOENT &&
           count_entries(world, "txn") == 0;
}

static size_t count_requests(void)
{
    size_t count = 0;
    for (const char *line = fake.requests.bytes; line && *line; line = strchr(line, '\n') + 1)
        count++;
    return count;
}

static void an_object_is_fetched_once_and_kept(void)
{
    struct world world;
    if (!CHECK(world_open(&world, 0), "a cache to fetch into"))
        return;
    serve(packed, packed_length);
    const struct object object = packed_object();
    CHECK(gives_content(&world, &object) && gives_content(&world, &object),
          "a compressed object is decompressed");
    CHECK(count_requests() == 1 && strstr(fake.requests.bytes, "http://a/data/"),
          "and asked for once only");
    CHECK(count_entries(&world, "txn") == 0, "nothing is left on the way");
    world_close(&world);
}

static void an_uncompressed_object_is_taken_as_it_is(void)
{
    struct world world;
    (void)world_open(&world, 0);
    serve(content, CONTENT_SIZE);
    struct object object = plain_object();
    object.suffix = 'P';
    CHECK(gives_content(&world, &object), "it gives the content");
    CHECK(strstr(fake.requests.bytes, "-shake128P\n") != NULL,
          "its name has the algorithm and the suffix");
    world_close(&world);
}

static void an_alternative_path_is_used_where_it_should_be(void)
{
    struct world world;
    (void)world_open(&world, 0);
    serve(packed, packed_length);
    struct object object = packed_object();
    object.alternative = true;
    object.suffix = 'C';
    object.size = OBJECT_SIZE_UNKNOWN;
    char text[HASH_TEXT_SIZE];
    char expected[80];
    (void)snprintf(expected, sizeof expected, "http://a/.cvmfsalt-%sC\n",
                   hash_format(&packed_hash, text));
    CHECK(gives_content(&world, &object) && strcmp(fake.requests.bytes, expected) == 0,
          "a catalog of unknown size at its alternative path");
    world_close(&world);
}

static void external_objects_come_from_their_own_servers(void)
{
    struct world world;
    (void)world_open(&world, 0);
    serve(content, CONTENT_SIZE);
    struct object object = plain_object();
    object.external = "/dir/a file";
    object.offset = 100;
    object.range_length = CONTENT_SIZE;
    CHECK(gives_content(&world, &object) &&
              strcmp(fake.requests.bytes, "http://e/dir/a%20file 100+200000\n") == 0,
          "by their path and range");
    world_close(&world);
}

static void an_answer_longer_than_its_range_is_refused(void)
{
    struct world world;
    (void)world_open(&world, 0);
    serve(content, CONTENT_SIZE);
    struct object object = plain_object();
    object.external = "/file";
    object.range_length = CONTENT_SIZE / 2;
    CHECK(fails_cleanly(&world, &object, -EIO, NULL), "a whole file in place of a piece of it");
    world_close(&world);
}

static void damaged_bytes_never_get_into_the_cache(void)
{
    struct world world;
    (void)world_open(&world, 0);
    packed[packed_length / 2] ^= 1;
    serve(packed, packed_length);
    const struct object object = packed_object();
    struct error error = ERROR_INIT;
    CHECK(fails_cleanly(&world, &object, -EIO, &error) &&
              strstr(error.message, "/file (10 - corrupted data received)"),
          "the error says what was damaged");
    CHECK(count_requests() == 2, "a fresh copy was asked for");
    packed[packed_length / 2] ^= 1;
    CHECK(gives_content(&world, &object), "when the server is in order again, so is the object");
    world_close(&world);
}

static void a_stream_that_is_cut_off_is_refused(void)
{
    struct world world;
    (void)world_open(&world, 0);
    struct object object = packed_object();
    (void)hash_compute(HASH_SHA1, packed, packed_length - 10, &object.hash);
    serve(packed, packed_length - 10);
    CHECK(fails_cleanly(&world, &object, -EIO, NULL), "even with the right digest");
    world_close(&world);
}

static void content_of_the_wrong_length_is_refused(void)
{
    struct world world;
    (void)world_open(&world, 0);
    serve(packed, packed_length);
    struct object object = packed_object();
    object.size = CONTENT_SIZE + 1;
    struct error error = ERROR_INIT;
    CHECK(fails_cleanly(&world, &object, -EIO, &error) &&
              strcmp(error.message, "/file has less than 200001 bytes") == 0,
          "too short");
    CHECK(count_entries(&world, "quarantaine") == 1, "that is put aside for analysis");
    object.size = CONTENT_SIZE - 1;
    CHECK(fails_cleanly(&world, &object, -EIO, &error) &&
              strcmp(error.message, "/file has more than 199999 bytes") == 0,
          "too long");
    CHECK(count_requests() == 2, "no other copy is asked for: the digest was right");
    world_close(&world);
}

static void endless_bytes_are_refused(void)
{
    struct world world;
    (void)world_open(&world, 0);
    static unsigned char endless[3 << 20];
    memcpy(endless, packed, packed_length);
    serve(endless, sizeof endless);
    struct object object = packed_object();
    (void)hash_compute(HASH_SHA1, endless, sizeof endless, &object.hash);
    CHECK(fails_cleanly(&world, &object, -EIO, NULL), "what goes on and on behind an object");
    world_close(&world);
}

static void a_damaged_copy_in_the_cache_is_replaced(void)
{
    struct world world;
    (void)world_open(&world, 0);
    serve(packed, packed_length);
    const struct object object = packed_object();
    (void)gives_content(&world, &object);
    char text[HASH_TEXT_SIZE];
    char path[128];
    (void)hash_format(&packed_hash, text);
    (void)snprintf(path, sizeof path, "%s/%.2s/%s", world.directory, text, text + 2);
    CHECK(truncate(path, 5) == 0 && gives_content(&world, &object) && count_requests() == 2,
          "a short copy is fetched anew");
    world_close(&world);
}

static void what_the_cache_cannot_hold_is_not_fetched(void)
{
    struct world world;
    (void)world_open(&world, 1 << 20);
    serve(packed, packed_length);
    struct object object = packed_object();
    object.size = 2 << 20;
    CHECK(fails_cleanly(&world, &object, -ENOSPC, NULL) && count_requests() == 0,
          "an object over half of the limit");
    world_close(&world);
}

static void a_missing_object_is_an_error(void)
{
    struct world world;
    (void)world_open(&world, 0);
    fake_add((struct fake_answer){.outcome = TRANSFER_ANSWERED, .status = 404});
    const struct object object = packed_object();
    struct error error = ERROR_INIT;
    CHECK(fails_cleanly(&world, &object, -EIO, &error) &&
              strstr(error.message, "/file (9 - host returned HTTP error): http://a/data/"),
          "in the words of the download");
    struct object nothing = object;
    nothing.hash = (struct hash){.algorithm = HASH_NONE};
    CHECK(fetch_object(world.fetcher, &nothing, NULL) == -EIO, "an object without a hash as well");
    world_close(&world);
}

#define READERS 12

static struct world crowded;
static pthread_barrier_t together;

static void *read_together(void *good)
{
    const struct object object = packed_object();
    (void)pthread_barrier_wait(&together);
    *(bool *)good = gives_content(&crowded, &object);
    return NULL;
}

/* Runs READERS threads that fetch one object at the same time; how many got it. */
static int read_in_a_crowd(void)
{
    pthread_t threads[READERS];
    bool good[READERS] = {false};
    int count = 0;
    (void)pthread_barrier_init(&together, NULL, READERS);
    for (size_t index = 0; index < READERS; index++)
        if (pthread_create(&threads[index], NULL, read_together, &good[index]) != 0)
            abort(); /* the others would wait for ever */
    for (size_t index = 0; index < READERS; index++) {
        (void)pthread_join(threads[index], NULL);
        count += good[index];
    }
    (void)pthread_barrier_destroy(&together);
    return count;
}

static void a_crowd_shares_one_download(void)
{
    (void)world_open(&crowded, 0);
    serve(packed, packed_length);
    CHECK(read_in_a_crowd() == READERS && count_requests() == 1, "%d readers at once, one request",
          READERS);
    world_close(&crowded);
    (void)world_open(&crowded, 0);
    fake_add((struct fake_answer){.outcome = TRANSFER_ANSWERED, .status = 404});
    CHECK(read_in_a_crowd() == 0, "and they share its failure");
    world_close(&crowded);
}

int main(void)
{
    prepare_content();
    an_object_is_fetched_once_and_kept();
    an_uncompressed_object_is_taken_as_it_is();
    an_alternative_path_is_used_where_it_should_be();
    external_objects_come_from_their_own_servers();
    an_answer_longer_than_its_range_is_refused();
    damaged_bytes_never_get_into_the_cache();
    a_stream_that_is_cut_off_is_refused();
    content_of_the_wrong_length_is_refused();
    endless_bytes_are_refused();
    a_damaged_copy_in_the_cache_is_replaced();
    what_the_cache_cannot_hold_is_not_fetched();
    a_missing_object_is_an_error();
    a_crowd_shares_one_download();
    text_free(&fake.requests);
    return tap_done();
}
