/* Owners: map files, and the stat of an entry as the configuration bends it. */
#include <errno.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "payload/client/ownership.h"
#include "tests/unit/tap.h"

static void a_map_translates_ids(void)
{
    static const char text[] = "# comment\n0 1000\n 12 34 # inline\n\n* 99\n";
    struct id_map map = {.pairs = NULL};
    CHECK(id_map_parse(text, sizeof text - 1, &map) == 0, "a map file parses");
    CHECK(id_map_apply(&map, 0) == 1000 && id_map_apply(&map, 12) == 34, "listed ids translate");
    CHECK(id_map_apply(&map, 7) == 99, "the others take the default");
    id_map_free(&map);
    CHECK(id_map_apply(&map, 7) == 7, "an empty map changes nothing");
}

static void a_malformed_map_is_refused(void)
{
    static const char *const texts[] = {"1\n",     "1 x\n",  "x 1\n",
                                        "1 2 3\n", "* \n",   "4294967296 1\n",
                                        "-1 2\n",  "12\n34", "1 99999999999"};
    for (size_t index = 0; index < sizeof texts / sizeof texts[0]; index++) {
        struct id_map map = {.pairs = NULL};
        CHECK(id_map_parse(texts[index], strlen(texts[index]), &map) == -EINVAL,
              "malformed map %zu is refused", index);
    }
}

static struct tree_node file_node(void)
{
    return (struct tree_node){
        .inode = 300,
        .entry = {.mode = S_IFREG | 0640,
                  .size = 1025,
                  .links = 2,
                  .uid = 12345,
                  .gid = 54321,
                  .mtime = -10,
                  .mtime_nanoseconds = 5},
    };
}

static void an_entry_shows_as_the_catalog_says(void)
{
    const struct ownership plain = {.claim = false};
    const struct tree_node node = file_node();
    struct stat status;
    ownership_stat(&plain, &node, 0, &status);
    CHECK(status.st_ino == 300 && status.st_nlink == 2 && status.st_uid == 12345 &&
              status.st_gid == 54321 && status.st_mode == (S_IFREG | 0640),
          "inode, links, owner and mode are the catalog's");
    CHECK(status.st_size == 1025 && status.st_blocks == 3, "blocks are 1 + size / 512");
    CHECK(status.st_mtim.tv_sec == -10 && status.st_mtim.tv_nsec == 5 &&
              status.st_atim.tv_nsec == 5 && status.st_ctim.tv_sec == -10,
          "all three times are the catalog's");
}

static void the_configuration_bends_owner_and_mode(void)
{
    const struct ownership bent = {.claim = true, .uid = 7, .gid = 8, .world_readable = true};
    const struct tree_node node = file_node();
    struct stat status;
    ownership_stat(&bent, &node, 0, &status);
    CHECK(status.st_uid == 7 && status.st_gid == 8, "claimed ownership is the client's");
    CHECK(status.st_mode == (S_IFREG | 0644), "a world readable file is readable");
    struct tree_node directory = node;
    directory.entry.mode = S_IFDIR | 0700;
    ownership_stat(&bent, &directory, 0, &status);
    CHECK(status.st_mode == (S_IFDIR | 0755), "a world readable directory is searchable too");
}

static void links_and_devices_have_sizes_of_their_own(void)
{
    const struct ownership plain = {.claim = false};
    struct tree_node node = {.inode = TREE_ROOT, .entry = {.mode = S_IFLNK | 0777, .size = 14}};
    struct stat status;
    ownership_stat(&plain, &node, 5, &status);
    CHECK(status.st_size == 5, "a link is as long as its expanded text");
    CHECK(status.st_ino == TREE_FIRST_INODE, "the root shows as inode 256");
    node.entry.mode = S_IFCHR | 0600;
    node.entry.size = makedev(1, 3);
    ownership_stat(&plain, &node, 0, &status);
    CHECK(status.st_rdev == makedev(1, 3) && status.st_size == 0,
          "a device keeps its number where files keep their size");
}

int main(void)
{
    a_map_translates_ids();
    a_malformed_map_is_refused();
    an_entry_shows_as_the_catalog_says();
    the_configuration_bends_owner_and_mode();
    links_and_devices_have_sizes_of_their_own();
    return tap_done();
}
