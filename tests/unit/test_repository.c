/* payload/client/repository and manifest_fetch: which root catalog is taken, what is asked for it,
 * and with which words it is refused. */
#include "payload/client/breadcrumb.h"
#include "tests/unit/repository_world.h"
#include "tests/unit/tap.h"

static void a_first_mount_verifies_everything(void)
{
    world_begin();
    struct hash catalog = publish(&world.servers.servers[0], 5);
    struct outcome outcome = mount_once();
    CHECK(outcome.result == 0 && hash_equal(&outcome.root.catalog, &catalog) &&
              !outcome.root.fresh && !outcome.root.offline && !outcome.root.fixed,
          "the root catalog of the manifest is selected %s", outcome.error.message);
    char hash[HASH_TEXT_SIZE], certificate[HASH_TEXT_SIZE], expected[512];
    struct hash of_certificate;
    (void)hash_compute(HASH_SHA1, certificate_pem.bytes, certificate_pem.length, &of_certificate);
    (void)hash_format(&catalog, hash);
    (void)hash_format(&of_certificate, certificate);
    (void)snprintf(expected, sizeof expected,
                   "0 /.cvmfspublished\n0 /data/%.2s/%sX\n0 /.cvmfswhitelist\n0 /data/%.2s/%sC\n",
                   certificate, certificate + 2, hash, hash + 2);
    CHECK(requested(expected), "manifest, certificate, whitelist, catalog are asked for in order");
    struct breadcrumb breadcrumb;
    CHECK(breadcrumb_load(cache_directory(world.cache), FQRN, &breadcrumb) == 0 &&
              hash_equal(&breadcrumb.catalog, &catalog) && breadcrumb.revision == 5 &&
              breadcrumb.timestamp == 1005,
          "the breadcrumb says so");
    world_end();
}

static void within_the_ttl_nobody_is_asked(void)
{
    world_begin();
    struct hash catalog = publish(&world.servers.servers[0], 5);
    (void)mount_once();
    age(500);
    struct outcome outcome = mount_once();
    CHECK(outcome.result == 0 && outcome.root.fresh && requested("") &&
              hash_equal(&outcome.root.catalog, &catalog) &&
              time(NULL) - outcome.root.checked >= 500,
          "a second mount within the TTL of 600 s asks nobody");
    age(700);
    outcome = mount_once();
    CHECK(outcome.result == 0 && !outcome.root.fresh && requested("0 /.cvmfspublished\n"),
          "after it, the manifest is asked for and nothing else, as it names the same catalog");
    outcome = mount_once();
    CHECK(outcome.root.fresh, "which confirms it for another TTL");
    age(-100);
    outcome = mount_once();
    CHECK(!outcome.root.fresh, "a confirmation from the future is none");
    set("CVMFS_MAX_TTL", "5");
    age(400);
    outcome = mount_once();
    CHECK(!outcome.root.fresh, "CVMFS_MAX_TTL counts, in minutes");
    world_end();
}

static void a_new_revision_is_taken(void)
{
    world_begin();
    (void)publish(&world.servers.servers[0], 5);
    (void)mount_once();
    struct hash newer = publish(&world.servers.servers[0], 6);
    age(700);
    struct outcome outcome = mount_once();
    CHECK(outcome.result == 0 && hash_equal(&outcome.root.catalog, &newer), "a newer revision");
    struct hash before = publish(&world.servers.servers[0], 5);
    age(700);
    outcome = mount_once();
    CHECK(outcome.result == 0 && outcome.root.offline &&
              hash_equal(&outcome.root.catalog, &newer) && !hash_equal(&before, &newer),
          "but never an older one again");
    world_end();
}

static void without_servers_the_cache_serves(void)
{
    world_begin();
    struct hash catalog = publish(&world.servers.servers[0], 5);
    world.servers.servers[0].down = true;
    struct outcome outcome = mount_once();
    CHECK(outcome.result < 0 && outcome.exit_code == 16 &&
              strncmp(outcome.error.message, "Failed to initialize root file catalog: ", 40) == 0 &&
              strstr(outcome.error.message, "9 - host returned HTTP error"),
          "with an empty cache there is no mount: %s", outcome.error.message);
    CHECK(logged("failed to download repository manifest (9 - host returned HTTP error)"),
          "the log says why, in the official words");
    world.servers.servers[0].down = false;
    (void)mount_once();
    world.servers.servers[0].down = true;
    age(700);
    outcome = mount_once();
    CHECK(outcome.result == 0 && outcome.root.offline &&
              hash_equal(&outcome.root.catalog, &catalog),
          "with a full one there is");
    CHECK(logged("could not apply updated catalog revision, entering offline mode"),
          "and the log says how");
    world.servers.servers[0].down = false;
    outcome = mount_once();
    CHECK(!outcome.root.offline && !outcome.root.fresh, "an offline mount confirms nothing");
    world_end();
}

static void expect_failure(const char *words, const char *line, const char *sentence)
{
    struct outcome outcome = mount_once();
    CHECK(outcome.result < 0 && outcome.exit_code == 16 && strstr(outcome.error.message, words),
          "%s: %s", sentence, outcome.error.message);
    CHECK(logged(line), "logged: %s", line);
    struct breadcrumb breadcrumb;
    CHECK(breadcrumb_load(cache_directory(world.cache), FQRN, &breadcrumb) < 0,
          "nothing is remembered of it");
}

static void what_does_not_verify_is_refused(void)
{
    world_begin();
    struct fake_server *server = &world.servers.servers[0];
    char lines[128];
    (void)snprintf(lines, sizeof lines, "%s\n", fingerprint);
    struct hash catalog = publish(server, 5);

    put_manifest(server, other_key, FQRN, 5, &catalog, NULL);
    expect_failure("not signed by its certificate", "failed to verify repository manifest",
                   "a manifest signed by another key");
    put_manifest(server, signing, "b.example.org", 5, &catalog, NULL);
    expect_failure("repository name does not match (found b.example.org, expected " FQRN ")",
                   "repository name does not match", "a manifest of another repository");
    fake_put(server, "/.cvmfspublished", "<html>", 6);
    expect_failure("malformed repository manifest", "malformed repository manifest", "garbage");
    fake_put(server, "/.cvmfspublished", "", 0);
    expect_failure("malformed repository manifest", "malformed repository manifest",
                   "an empty manifest");

    put_manifest(server, signing, FQRN, 5, &catalog, NULL);
    if (!tamper(server, "/.cvmfspublished", "S5\n", "S6\n"))
        CHECK(false, "the manifest is changed");
    expect_failure("it is not what its digest says", "failed to verify repository manifest",
                   "a manifest changed on its way");
    put_manifest(server, signing, FQRN, 5, &catalog, NULL);

    put_whitelist(server, master_key, -DAY, lines);
    expect_failure("the whitelist expired on 20",
                   "whitelist verification failed (5): expired whitelist", "an expired whitelist");
    put_whitelist(server, other_key, DAY, lines);
    expect_failure("not signed by any of the public keys",
                   "whitelist verification failed (6): invalid whitelist signature",
                   "a whitelist signed by another key");
    put_whitelist(server, master_key, DAY, "");
    expect_failure("certificate not on whitelist",
                   "whitelist verification failed (13): certificate not on whitelist",
                   "a whitelist without the certificate");
    fake_put(server, "/.cvmfswhitelist", "", 0);
    expect_failure("(2): empty", "whitelist verification failed (2)", "an empty whitelist");
    fake_put(server, "/.cvmfswhitelist", "<html>", 6);
    expect_failure("(3): malformed", "whitelist verification failed (3)", "a malformed whitelist");
    fake_remove(server, "/.cvmfswhitelist");
    expect_failure("(1): failed to download", "whitelist verification failed (1)",
                   "no whitelist at all");
    put_whitelist(server, master_key, DAY, lines);
    write_file("blacklist", lines);
    expect_failure("blacklisted certificate",
                   "whitelist verification failed (14): blacklisted certificate",
                   "a blacklisted certificate");
    world_end();
}

static void a_second_server_is_tried(void)
{
    world_begin();
    world.servers.count = 2;
    struct fake_server *bad = &world.servers.servers[0];
    struct hash catalog = publish(bad, 5);
    (void)publish(&world.servers.servers[1], 5);
    put_manifest(bad, other_key, FQRN, 5, &catalog, NULL);
    struct outcome outcome = mount_once();
    CHECK(outcome.result == 0 && world.servers.current == 1,
          "one with a bad manifest is left for the next");
    world_end();

    world_begin();
    world.servers.count = 2;
    for (size_t index = 0; index < 2; index++) {
        (void)publish(&world.servers.servers[index], 5);
        put_whitelist(&world.servers.servers[index], other_key, DAY, "");
    }
    outcome = mount_once();
    size_t manifests = 0;
    for (const char *at = world.servers.requests.bytes; (at = strstr(at, "/.cvmfspublished")); at++)
        manifests++;
    CHECK(outcome.result < 0 && manifests == 2, "the sequence is repeated once, not for ever");
    world_end();
}

static void a_damaged_copy_is_fetched_again(void)
{
    world_begin();
    struct hash catalog = publish(&world.servers.servers[0], 5);
    (void)mount_once();
    auto_fd int fd = cache_find(world.cache, &catalog, NULL);
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    CHECK(truncate(path, 0) == 0, "a crash empties the catalog in the cache");
    struct outcome outcome = mount_once();
    auto_fd int again = cache_find(world.cache, &catalog, NULL);
    struct stat status;
    CHECK(outcome.result == 0 && !outcome.root.offline && fstat(again, &status) == 0 &&
              status.st_size > 0,
          "it is discarded and fetched again %s", outcome.error.message);
    world_end();
}

static void snapshots_are_fixed(void)
{
    world_begin();
    struct fake_server *server = &world.servers.servers[0];
    struct hash newest = publish(server, 5);
    struct hash old = put_catalog(server, 1);
    char text[HASH_TEXT_SIZE];

    set("CVMFS_ROOT_HASH", hash_format(&old, text));
    struct outcome outcome = mount_once();
    CHECK(outcome.result == 0 && outcome.root.fixed && hash_equal(&outcome.root.catalog, &old) &&
              !strstr(world.servers.requests.bytes, "published"),
          "CVMFS_ROOT_HASH is taken without a manifest");
    set("CVMFS_ROOT_HASH", "nonsense");
    outcome = mount_once();
    CHECK(outcome.result < 0 && outcome.exit_code == 16, "one that is none is refused: %s",
          outcome.error.message);
    set("CVMFS_ROOT_HASH", "");
    set("CVMFS_REPOSITORY_TAG", "old");
    outcome = mount_once();
    CHECK(outcome.result == 0 && !outcome.root.fixed && hash_equal(&outcome.root.catalog, &newest),
          "an empty one means the newest, whatever the tag says");
    world_end();
}

static void tags_and_dates_select(void)
{
    world_begin();
    struct fake_server *server = &world.servers.servers[0];
    struct hash newest = publish(server, 5);
    struct hash old = put_catalog(server, 1);

    set("CVMFS_REPOSITORY_TAG", "old");
    struct outcome outcome = mount_once();
    CHECK(outcome.result < 0 && outcome.exit_code == 22 &&
              strncmp(outcome.error.message, "No history", 10) == 0,
          "a repository without tags: %s", outcome.error.message);
    struct hash history = put_history(server, &old);
    put_manifest(server, signing, FQRN, 5, &newest, &history);
    outcome = mount_once();
    CHECK(outcome.result == 0 && outcome.root.fixed && hash_equal(&outcome.root.catalog, &old),
          "a tag selects its catalog, for good %s", outcome.error.message);
    set("CVMFS_REPOSITORY_TAG", "new");
    outcome = mount_once();
    CHECK(outcome.result < 0 && outcome.exit_code == 22 &&
              strcmp(outcome.error.message, "no such tag: new") == 0,
          "a tag that is not there is refused in the official words");
    server->down = true;
    outcome = mount_once();
    CHECK(outcome.result < 0 && outcome.exit_code == 22 &&
              strncmp(outcome.error.message, "Failed to fetch manifest", 24) == 0,
          "a tag needs a server: %s", outcome.error.message);
    server->down = false;
    world_end();

    world_begin();
    server = &world.servers.servers[0];
    newest = publish(server, 5);
    old = put_catalog(server, 1);
    history = put_history(server, &old);
    put_manifest(server, signing, FQRN, 5, &newest, &history);
    set("CVMFS_REPOSITORY_DATE", "2026-11-23T22:10:05Z");
    outcome = mount_once();
    CHECK(outcome.result == 0 && outcome.root.fixed && hash_equal(&outcome.root.catalog, &old),
          "a date selects the newest snapshot before it %s", outcome.error.message);
    set("CVMFS_REPOSITORY_DATE", "2000-01-01T00:00:00Z");
    outcome = mount_once();
    CHECK(outcome.exit_code == 22 &&
              strcmp(outcome.error.message,
                     "no repository state as early as utc timestamp 2000-01-01T00:00:00Z") == 0,
          "one before all snapshots is refused");
    set("CVMFS_REPOSITORY_DATE", "yesterday");
    outcome = mount_once();
    CHECK(outcome.exit_code == 22 &&
              strcmp(outcome.error.message,
                     "invalid timestamp in CVMFS_REPOSITORY_DATE: yesterday") == 0,
          "and so is what is no date");
    world_end();
}

static void automatic_updates_can_be_off(void)
{
    world_begin();
    (void)publish(&world.servers.servers[0], 5);
    struct outcome outcome = mount_once();
    CHECK(!outcome.root.fixed, "they are on unless configured");
    set("CVMFS_AUTO_UPDATE", "no");
    outcome = mount_once();
    CHECK(outcome.root.fixed, "off makes the catalog a fixed one");
    set("CVMFS_AUTO_UPDATE", "");
    outcome = mount_once();
    CHECK(outcome.root.fixed, "and so does an empty value");
    world_end();
}

static void blacklisted_revisions_are_refused(void)
{
    world_begin();
    struct hash catalog = publish(&world.servers.servers[0], 5);
    struct outcome outcome = mount_once();
    CHECK(outcome.result == 0 && hash_equal(&outcome.root.catalog, &catalog), "revision 5");
    struct repository_root current = outcome.root;
    write_file("blacklist", "<" FQRN " 6\n");
    outcome = mount_once();
    CHECK(outcome.result < 0 && outcome.exit_code == 25 &&
              strcmp(outcome.error.message, "repository revision blacklisted") == 0,
          "a blacklisted revision is not mounted, fresh as it is");
    outcome = check_once(&current, 5);
    CHECK(outcome.result == -EKEYREVOKED, "nor kept");
    write_file("blacklist", "<" FQRN " 5\n");
    outcome = mount_once();
    CHECK(outcome.result == 0, "the number itself is allowed");
    world_end();
}

static void keys_that_cannot_be_read_stop_the_start(void)
{
    world_begin();
    (void)publish(&world.servers.servers[0], 5);
    set("CVMFS_PUBLIC_KEY", "/nowhere/key.pub");
    struct outcome outcome = mount_once();
    CHECK(outcome.result < 0 && outcome.exit_code == 15 &&
              strncmp(outcome.error.message, "failed to load public key(s)", 28) == 0,
          "exit status 15: %s", outcome.error.message);
    set("CVMFS_PUBLIC_KEY", "");
    outcome = mount_once();
    CHECK(outcome.result < 0 && outcome.exit_code == 16, "no key at all is 16: %s",
          outcome.error.message);
    world_end();
}

static void a_mounted_repository_is_checked(void)
{
    world_begin();
    struct fake_server *server = &world.servers.servers[0];
    struct hash first = publish(server, 5);
    struct outcome mounted = mount_once();
    age(700);
    struct outcome outcome = check_once(&mounted.root, 5);
    CHECK(outcome.result == 0 && hash_equal(&outcome.root.catalog, &first) &&
              requested("0 /.cvmfspublished\n") && mount_once().root.fresh,
          "the same catalog is confirmed by its manifest");

    server->down = true;
    outcome = check_once(&mounted.root, 5);
    CHECK(outcome.result < 0 && hash_equal(&outcome.root.catalog, &first),
          "without servers the mounted one stays: %s", outcome.error.message);
    server->down = false;
    mounted.root.offline = true;
    outcome = check_once(&mounted.root, 5);
    CHECK(outcome.result == 0 && !outcome.root.offline && logged("recovered from offline mode"),
          "when they are back, that is in the log");

    struct hash second = publish(server, 6);
    outcome = check_once(&mounted.root, 5);
    struct breadcrumb breadcrumb;
    CHECK(outcome.result == 0 && hash_equal(&outcome.root.catalog, &second) &&
              breadcrumb_load(cache_directory(world.cache), FQRN, &breadcrumb) == 0 &&
              hash_equal(&breadcrumb.catalog, &second) && breadcrumb.revision == 6,
          "a newer one is taken and remembered");

    (void)publish(server, 5);
    outcome = check_once(&mounted.root, 5);
    CHECK(outcome.result < 0 &&
              breadcrumb_load(cache_directory(world.cache), FQRN, &breadcrumb) == 0 &&
              breadcrumb.revision == 6,
          "what another process knows already is not undone: %s", outcome.error.message);
    world_end();
}

int main(void)
{
    if (!world_make())
        return 1;
    a_first_mount_verifies_everything();
    within_the_ttl_nobody_is_asked();
    a_new_revision_is_taken();
    without_servers_the_cache_serves();
    what_does_not_verify_is_refused();
    a_second_server_is_tried();
    a_damaged_copy_is_fetched_again();
    snapshots_are_fixed();
    tags_and_dates_select();
    automatic_updates_can_be_off();
    blacklisted_revisions_are_refused();
    keys_that_cannot_be_read_stop_the_start();
    a_mounted_repository_is_checked();
    world_remove();
    return tap_done();
}
