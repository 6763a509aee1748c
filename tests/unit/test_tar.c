/* stub/tar: entries are read as our packer writes them, and everything else is refused. */
#include <errno.h>
#include <stdlib.h>

#include "payload/base/scope.h"
#include "stub/tar.h"
#include "tests/unit/tap.h"
#include "tests/unit/tarmaker.h"

static struct tar_reader reader; /* large, and one at a time is enough */

static int first_entry(const struct text *tar, struct tar_entry *entry, struct error *error)
{
    tar_open(&reader, (const uint8_t *)tar->bytes, tar->length);
    return tar_next(&reader, entry, error);
}

static void entries_are_read_in_order(void)
{
    auto_text struct text tar = TEXT_INIT;
    struct tar_entry entry;
    tar_add(&tar, '5', "dist/", 0755, "", "");
    tar_add(&tar, '2', "dist/link", 0777, "", "../elsewhere");
    tar_add(&tar, '0', "dist/file", 0644, "content", "");
    tar_end(&tar);
    CHECK(first_entry(&tar, &entry, NULL) == 1 && entry.type == TAR_DIRECTORY &&
              strcmp(entry.name, "dist") == 0 && entry.mode == 0755,
          "a directory, its name without the slash");
    CHECK(tar_next(&reader, &entry, NULL) == 1 && entry.type == TAR_SYMLINK &&
              strcmp(entry.target, "../elsewhere") == 0,
          "a link with its target");
    CHECK(tar_next(&reader, &entry, NULL) == 1 && entry.type == TAR_FILE && entry.size == 7 &&
              entry.data_length == 7 && memcmp(entry.data, "content", 7) == 0,
          "a file with its content");
    CHECK(tar_next(&reader, &entry, NULL) == 0, "the end");
}

static void a_name_is_joined_from_prefix_and_name(void)
{
    auto_text struct text tar = TEXT_INIT;
    struct tar_entry entry;
    char header[TAR_BLOCK];
    tar_header(header, '0', "name", 0644, 0, "");
    memcpy(header + TAR_AT_PREFIX, "some/prefix", 11);
    tar_seal(header);
    (void)text_append(&tar, header, sizeof header);
    CHECK(first_entry(&tar, &entry, NULL) == 1 && strcmp(entry.name, "some/prefix/name") == 0,
          "a POSIX header's prefix stands in front of the name");
}

static void long_names_are_read(void)
{
    auto_text struct text tar = TEXT_INIT;
    struct tar_entry entry;
    char name[1001];
    memset(name, 'n', 1000);
    name[1000] = '\0';
    tar_add_long(&tar, 'L', name);
    tar_add_long(&tar, 'K', "somewhere/else");
    tar_add(&tar, '2', "cut", 0777, "", "cut");
    tar_add(&tar, '0', "short", 0600, "", "");
    CHECK(first_entry(&tar, &entry, NULL) == 1 && strcmp(entry.name, name) == 0 &&
              strcmp(entry.target, "somewhere/else") == 0,
          "long names replace those of the header");
    CHECK(tar_next(&reader, &entry, NULL) == 1 && strcmp(entry.name, "short") == 0,
          "and only those of one header");
}

static void a_file_may_go_on_behind_the_bytes(void)
{
    auto_text struct text tar = TEXT_INIT;
    struct tar_entry entry;
    char header[TAR_BLOCK];
    tar_header(header, '0', "long", 0644, 5000, "");
    (void)text_append(&tar, header, sizeof header);
    tar_add_content(&tar, header, TAR_BLOCK);
    CHECK(first_entry(&tar, &entry, NULL) == 1 && entry.size == 5000 && entry.data_length == 512,
          "a file that is cut says how much of it is here");
    CHECK(tar_next(&reader, &entry, NULL) == 0, "and nothing comes behind it");
}

static void check_name(const char *name, bool good)
{
    auto_text struct text tar = TEXT_INIT;
    struct tar_entry entry;
    tar_add(&tar, '0', name, 0644, "", "");
    int result = first_entry(&tar, &entry, NULL);
    CHECK(result == (good ? 1 : -EBADMSG), "the name '%s' is %s", name, good ? "taken" : "refused");
}

static void names_lead_nowhere_else(void)
{
    static const char *const bad[] = {"",     "/",      "/etc/passwd", ".",     "..",   "../x",
                                      "a/..", "a/../b", "./a",         "a/./b", "a//b", "//a",
                                      "a/.",  "../",    "a/../../b",   "a/..//"};
    static const char *const good[] = {"a", "a/b", "a/", "...", "a/..b", ".a/b.", "a b/ü"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        check_name(bad[i], false);
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        check_name(good[i], true);
}

static void check_refused(struct text *tar, const char *what)
{
    struct tar_entry entry;
    struct error error = ERROR_INIT;
    CHECK(first_entry(tar, &entry, &error) == -EBADMSG && error.message[0], "%s: %s", what,
          error.message);
    text_free(tar);
}

static void other_types_are_refused(void)
{
    static const char types[] = "13467SxgVMDN9";
    for (const char *type = types; *type; type++) {
        auto_text struct text tar = TEXT_INIT;
        char what[] = "type ?";
        what[5] = *type;
        tar_add(&tar, *type, "name", 0644, "", "");
        check_refused(&tar, what);
    }
}

/* A header with some bytes of a field changed, and then sealed again. */
static void check_field(size_t offset, const char *bytes, size_t length, const char *what)
{
    auto_text struct text tar = TEXT_INIT;
    char header[TAR_BLOCK];
    tar_header(header, '0', "name", 0644, 0, "");
    memcpy(header + offset, bytes, length);
    tar_seal(header);
    (void)text_append(&tar, header, sizeof header);
    check_refused(&tar, what);
}

static void damaged_headers_are_refused(void)
{
    auto_text struct text tar = TEXT_INIT;
    check_field(TAR_AT_SIZE, "0000000000x", 11, "a size that is no number");
    check_field(TAR_AT_SIZE, "           ", 11, "an empty size");
    check_field(TAR_AT_SIZE, "\x80\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff", 12, "an enormous size");
    check_field(TAR_AT_SIZE, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 12,
                "a negative size");
    check_field(TAR_AT_MODE, "rwxr-xr-", 8, "a mode that is no number");
    check_field(TAR_AT_MAGIC, "rats", 4, "another magic");
    check_field(TAR_AT_TARGET, "x", 1, "a file with a target");

    tar_add(&tar, '0', "name", 0644, "", "");
    tar.bytes[0] = 'N';
    check_refused(&tar, "a changed name under an old checksum");
    tar_add(&tar, '0', "name", 0644, "", "");
    tar.length -= 1;
    check_refused(&tar, "a header cut short");
    tar_add(&tar, '2', "link", 0777, "", "");
    check_refused(&tar, "a link without a target");
    tar_add(&tar, '5', "directory", 0755, "content", "");
    check_refused(&tar, "a directory with content");
    tar_add_long(&tar, 'L', "name");
    check_refused(&tar, "a long name without its entry");
    tar_add_long(&tar, 'L', "name");
    tar_add_long(&tar, 'L', "name");
    check_refused(&tar, "two long names");
    tar_add(&tar, 'L', "x", 0, "without a NUL", "");
    check_refused(&tar, "a long name without an end");
    tar_add_long(&tar, 'L', "");
    check_refused(&tar, "an empty long name");
    tar_add_long(&tar, 'L', "../../x");
    tar_add(&tar, '0', "name", 0644, "", "");
    check_refused(&tar, "a long name that leads out of the tree");
    tar_add_long(&tar, 'L', "name");
    tar.length -= TAR_BLOCK;
    check_refused(&tar, "a long name cut off");
}

static void a_long_name_has_a_limit(void)
{
    auto_text struct text tar = TEXT_INIT;
    auto_free char *name = malloc(TAR_NAME_LIMIT + 1);
    if (!CHECK(name != NULL, "memory"))
        return;
    memset(name, 'n', TAR_NAME_LIMIT);
    name[TAR_NAME_LIMIT] = '\0';
    tar_add_long(&tar, 'L', name);
    tar_add(&tar, '0', "x", 0644, "", "");
    check_refused(&tar, "a name of 4096 characters");
}

int main(void)
{
    entries_are_read_in_order();
    a_name_is_joined_from_prefix_and_name();
    long_names_are_read();
    a_file_may_go_on_behind_the_bytes();
    names_lead_nowhere_else();
    other_types_are_refused();
    damaged_headers_are_refused();
    a_long_name_has_a_limit();
    return tap_done();
}
