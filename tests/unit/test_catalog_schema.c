/* payload/client/catalog: every schema is read, with its counters and properties; what is none
 * is refused. */
#include "tests/unit/catalog_reader.h"

static int open_failure(struct catalog_builder *builder, struct error *error)
{
    auto_fd int fd = builder_finish(builder);
    struct catalog *catalog = NULL;
    int result = fd < 0 ? -EBADF : catalog_open(fd, &catalog, error);
    catalog_close(catalog);
    return result;
}

static void every_schema_is_read(void)
{
    static const struct {
        const char *schema;
        int revision;
    } schemas[] = {{"1.0", 0}, {"1.2", 0}, {"2.4", 0}, {"2.5", 0}, {"2.5", 1}, {"2.5", 2},
                   {"2.5", 3}, {"2.5", 4}, {"2.5", 5}, {"2.5", 6}, {"2.5", 7}, {"2.5", 9}};
    for (size_t index = 0; index < sizeof schemas / sizeof schemas[0]; index++) {
        const char *schema = schemas[index].schema;
        int revision = schemas[index].revision;
        bool legacy = schema[0] == '1';
        bool with_xattrs = !legacy && revision >= 2;
        struct catalog_builder builder;
        builder_begin(&builder, schema, revision);
        builder_entry(&builder, "", 040755, 4096, 1, NULL);
        builder_entry(&builder, "/file", 0100644, 7, 4, DIGEST);
        if (!legacy)
            builder_set(&builder, "/file", "hardlinks = (5 << 32) | 3, uid = 1001, gid = 1002");
        if (with_xattrs)
            builder_set(&builder, "/file", "xattr = x'0101016bff'");
        if (revision >= 7)
            builder_set(&builder, "/file", "mtimens = 123456789");
        builder_property(&builder, "revision", "12");
        auto_catalog struct catalog *catalog = open_built(&builder);
        struct catalog_entry entry = {.row = 0};
        int result = find(catalog, "/file", &entry);
        CHECK(result == 0 && entry.row == 2 && entry.size == 7 && entry.mode == 0100644 &&
                  entry.mtime == 1700000000 && entry.hash.algorithm == HASH_SHA1 &&
                  entry.hash.digest[19] == 0x13 && entry.compressed,
              "schema %s r%d: a file has what every schema knows", schema, revision);
        CHECK(entry.links == (legacy ? 1 : 3) && entry.hardlink_group == (legacy ? 0 : 5) &&
                  entry.uid == (legacy ? 0 : 1001) && entry.gid == (legacy ? 0 : 1002),
              "schema %s r%d: hard links and owner", schema, revision);
        CHECK(entry.has_xattrs == with_xattrs &&
                  entry.mtime_nanoseconds == (revision >= 7 ? 123456789 : 0),
              "schema %s r%d: attributes and nanoseconds", schema, revision);
        CHECK(catalog && catalog_revision(catalog) == 12 && catalog_ttl(catalog) == 240 &&
                  catalog_last_row(catalog) == 2 && strcmp(catalog_root_prefix(catalog), "") == 0,
              "schema %s r%d: properties and defaults", schema, revision);
        CHECK(catalog && catalog_statistics(catalog)->counts_xattrs == with_xattrs,
              "schema %s r%d: whether attributes are counted", schema, revision);
    }
}

static void other_schemas_are_refused(void)
{
    static const char *const refused[] = {"2.0", "2.1", "2.6", "3.0", "2.41"};
    for (size_t index = 0; index < sizeof refused / sizeof refused[0]; index++) {
        struct catalog_builder builder;
        struct error error = ERROR_INIT;
        builder_begin(&builder, "2.5", 7);
        builder_property(&builder, "schema", refused[index]);
        CHECK(open_failure(&builder, &error) == -EINVAL && strstr(error.message, "not supported"),
              "schema %s is refused by name", refused[index]);
    }
    struct catalog_builder builder;
    struct error error = ERROR_INIT;
    builder_begin(&builder, "2.5", 7);
    builder_property(&builder, "schema", "new");
    CHECK(open_failure(&builder, &error) == -EIO, "a schema that is no number is damage");
}

static void counters_are_read_by_their_names(void)
{
    struct catalog_builder builder;
    builder_begin(&builder, "2.5", 7);
    builder_property(&builder, "schema_revision", "7");
    builder_run(&builder, "INSERT INTO statistics VALUES ('self_future', 1), ('other', 2)");
    auto_catalog struct catalog *catalog = open_built(&builder);
    bool right = catalog != NULL;
    for (unsigned counter = 0; right && counter < COUNTER_COUNT; counter++)
        right = catalog_statistics(catalog)->self[counter] == 10 + counter &&
                catalog_statistics(catalog)->subtree[counter] == 100 + counter;
    CHECK(right, "all counters have their values, unknown ones do not matter");
}

static void a_new_revision_without_all_counters_is_refused(void)
{
    struct catalog_builder builder;
    struct error error = ERROR_INIT;
    builder_begin(&builder, "2.5", 5);
    builder_run(&builder, "DELETE FROM statistics WHERE counter = 'self_special'");
    CHECK(open_failure(&builder, &error) == -EIO, "revision 5 needs all counters");
    builder_begin(&builder, "2.5", 4);
    builder_run(&builder, "DELETE FROM statistics");
    CHECK(open_failure(&builder, &error) == 0, "revision 4 does not");
}

static void properties_are_read(void)
{
    struct catalog_builder builder;
    builder_begin(&builder, "2.5", 7);
    builder_property(&builder, "TTL", "900");
    builder_property(&builder, "root_prefix", "/nested/alpha");
    builder_property(&builder, "volatile", "1");
    builder_property(&builder, "voms_authz", "cms:/cms");
    auto_catalog struct catalog *catalog = open_built(&builder);
    CHECK(catalog && catalog_ttl(catalog) == 900 &&
              strcmp(catalog_root_prefix(catalog), "/nested/alpha") == 0 &&
              catalog_is_volatile(catalog) && strcmp(catalog_voms_authz(catalog), "cms:/cms") == 0,
          "TTL, root_prefix, volatile and voms_authz are told");
}

static void ill_formed_properties_are_damage(void)
{
    static const char *const properties[][2] = {
        {"revision", "-1"},      {"revision", "99999999999999999999"},
        {"TTL", "4294967296"},   {"TTL", "10s"},
        {"schema_revision", ""}, {"root_prefix", "nested"}};
    for (size_t index = 0; index < sizeof properties / sizeof properties[0]; index++) {
        struct catalog_builder builder;
        struct error error = ERROR_INIT;
        builder_begin(&builder, "2.5", 7);
        builder_property(&builder, properties[index][0], properties[index][1]);
        CHECK(open_failure(&builder, &error) == -EIO && strstr(error.message, properties[index][0]),
              "%s = \"%s\" is refused by name", properties[index][0], properties[index][1]);
    }
}

static void a_missing_table_is_named(void)
{
    static const char *const tables[] = {"catalog", "properties", "nested_catalogs", "chunks",
                                         "statistics"};
    for (size_t index = 0; index < sizeof tables / sizeof tables[0]; index++) {
        struct catalog_builder builder;
        struct error error = ERROR_INIT;
        builder_begin(&builder, "2.5", 7);
        builder_run(&builder, "DROP TABLE %s", tables[index]);
        CHECK(open_failure(&builder, &error) == -EIO && strstr(error.message, tables[index]),
              "without %s: %s", tables[index], error.message);
    }
    struct catalog_builder builder;
    struct error error = ERROR_INIT;
    builder_begin(&builder, "2.5", 7);
    builder_run(&builder, "ALTER TABLE catalog RENAME TO hidden;"
                          "CREATE VIEW catalog AS SELECT * FROM hidden");
    CHECK(open_failure(&builder, &error) == -EIO, "a view does not pass for the table");
}

int main(void)
{
    every_schema_is_read();
    other_schemas_are_refused();
    counters_are_read_by_their_names();
    a_new_revision_without_all_counters_is_refused();
    properties_are_read();
    ill_formed_properties_are_damage();
    a_missing_table_is_named();
    return tap_done();
}
