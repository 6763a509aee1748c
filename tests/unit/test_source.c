/* The table of sources. What is in the built-in one is held against the contract in matrix tests.
 */
#include <errno.h>
#include <stdlib.h>

#include "packer/source.h"
#include "payload/base/scope.h"
#include "tests/unit/tap.h"

static int parse(struct source_table *table, const char *text, struct error *error)
{
    return source_table_parse(table, "/etc/site/sources", text, strlen(text), error);
}

static struct source_table *open_table(void)
{
    struct source_table *table = NULL;
    (void)source_table_open(&table, NULL);
    return table;
}

static void the_builtin_table_is_valid(void)
{
    struct source_table *table = NULL;
    struct error error = ERROR_INIT;
    CHECK(source_table_open(&table, &error) == 0, "the built-in table can be read: %s",
          error.message);
    auto_source struct source source = SOURCE_INIT;
    const struct machine *machine = machine_find("rhel9-aarch64");
    CHECK(source_find(table, "cvmfs", machine, &source) == 0 && source.bases.count == 2 &&
              strcmp(source.bases.items[0],
                     "https://cvmrepo.s3.cern.ch/cvmrepo/yum/cvmfs/EL/9/aarch64") == 0,
          "version and architecture are filled in");
    auto_source struct source none = SOURCE_INIT;
    CHECK(source_find(table, "egi", machine_find("rhel8-x86_64"), &none) == -ENOENT,
          "a source that is not for a machine type is not found");
    source_table_close(table);
}

static void a_section_replaces_the_earlier_one(void)
{
    struct source_table *table = open_table();
    struct error error = ERROR_INIT;
    CHECK(parse(table,
                "[cvmfs]\nbase=http://mirror.example/{arch}\n key = keys/A \ntypes = suse15-*\n"
                "base = file:///srv/suse\n",
                &error) == 0,
          "a table of the site's is read: %s", error.message);
    auto_source struct source rhel = SOURCE_INIT;
    auto_source struct source suse = SOURCE_INIT;
    (void)source_find(table, "cvmfs", machine_find("rhel8-ppc64le"), &rhel);
    (void)source_find(table, "cvmfs", machine_find("suse15-x86_64"), &suse);
    CHECK(rhel.bases.count == 1 &&
              strcmp(rhel.bases.items[0], "http://mirror.example/ppc64le") == 0 &&
              rhel.listings.count == 0,
          "nothing of the earlier section is left");
    CHECK(rhel.keys.count == 1 && strcmp(rhel.keys.items[0], "/etc/site/keys/A") == 0,
          "keys are beside the table");
    CHECK(suse.bases.count == 2 && strcmp(suse.bases.items[1], "file:///srv/suse") == 0,
          "what is for some types comes behind what is for all");
    auto_source struct source other = SOURCE_INIT;
    CHECK(source_find(table, "default", machine_find("rhel8-ppc64le"), &other) == 0,
          "other sections stay");
    source_table_close(table);
}

static void the_longest_replacement_is_used(void)
{
    struct source_table *table = open_table();
    CHECK(parse(table,
                "[replace]\nhttps:// = http://127.0.0.1/\n"
                "https://repo.almalinux.org/ = file:///srv/alma/\n",
                NULL) == 0,
          "replacements are read");
    auto_source struct source fuse = SOURCE_INIT;
    auto_source struct source client = SOURCE_INIT;
    const struct machine *machine = machine_find("rhel8-x86_64");
    (void)source_find(table, "fuse", machine, &fuse);
    (void)source_find(table, "cvmfs", machine, &client);
    CHECK(fuse.bases.count > 0 &&
              strcmp(fuse.bases.items[0], "file:///srv/alma/almalinux/8/BaseOS/x86_64/os") == 0,
          "the longest one that fits");
    CHECK(client.bases.count > 0 &&
              string_starts_with(client.bases.items[0], "http://127.0.0.1/cvmrepo.s3.cern.ch/"),
          "or the general one");
    source_table_close(table);
}

static void mistakes_are_named_with_their_line(void)
{
    static const struct {
        const char *text, *words;
    } cases[] = {
        {"base = http://a/\n", "/etc/site/sources:1: a [SECTION] must come first"},
        {"[a]\nbass = http://a/\n", ":2: none of types, base, listing, file, key: \"bass\""},
        {"[a]\nbase = ftp://a/\n", ":2: neither http://, https:// nor file:///: \"ftp://a/\""},
        {"[a]\nbase = http://a/{distro}\n", "only {version} and {arch}"},
        {"[a]\n\ntypes = rhel11-*\n", ":3: there is no such machine type: \"rhel11-*\""},
        {"[a]\n[a]\n", "this section is here already: \"a\""},
        {"[a\n", "a section is [NAME]"},
        {"[a]\nhello\n", "neither [SECTION] nor KEY = VALUE: \"hello\""},
        {"[a]\nbase =\n", "no value behind \"base\""},
        {"[replace]\nhttp://a/ = b\n", "neither http://, https:// nor file:///: \"b\""},
    };
    struct source_table *table = open_table();
    auto_text struct text before = TEXT_INIT;
    auto_text struct text after = TEXT_INIT;
    (void)source_table_write(table, &before);
    for (size_t index = 0; index < sizeof cases / sizeof cases[0]; index++) {
        struct error error = ERROR_INIT;
        CHECK(parse(table, cases[index].text, &error) == -EINVAL &&
                  strstr(error.message, cases[index].words),
              "refused: %s", error.message);
    }
    CHECK(source_table_parse(table, "x", "[a]\0", 4, NULL) == -EINVAL, "refused: a NUL");
    (void)source_table_write(table, &after);
    CHECK(before.length == after.length && strcmp(before.bytes, after.bytes) == 0,
          "and nothing has changed");
    source_table_close(table);
}

static void what_is_written_can_be_read(void)
{
    struct source_table *table = open_table();
    struct source_table *copy = open_table();
    auto_text struct text first = TEXT_INIT;
    auto_text struct text second = TEXT_INIT;
    (void)parse(table, "[replace]\nhttps://x/=y/ = file:///a=b/\n", NULL);
    (void)source_table_write(table, &first);
    CHECK(parse(copy, first.bytes, NULL) == 0 && source_table_write(copy, &second) == 0 &&
              strcmp(first.bytes, second.bytes) == 0,
          "a table that was written reads as the same table");
    source_table_close(table);
    source_table_close(copy);
}

int main(void)
{
    the_builtin_table_is_valid();
    a_section_replaces_the_earlier_one();
    the_longest_replacement_is_used();
    mistakes_are_named_with_their_line();
    what_is_written_can_be_read();
    return tap_done();
}
