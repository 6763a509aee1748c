/* payload/client/xattr_blob: what is in a packed list is found, what runs over it is refused. */
#include <errno.h>
#include <stdlib.h>

#include "payload/client/xattr_blob.h"
#include "tests/unit/tap.h"

static const char two_attributes[] = "\x01\x02"
                                     "\x06\x05user.ahello"
                                     "\x06\x00user.b";
#define TWO_SIZE (sizeof two_attributes - 1)

static void a_list_is_walked_in_its_order(void)
{
    struct xattr_iterator iterator;
    struct xattr_record record;
    CHECK(xattr_iterator_begin(&iterator, two_attributes, TWO_SIZE) == 0, "a list is accepted");
    CHECK(xattr_iterator_next(&iterator, &record) == 1 && record.key_length == 6 &&
              memcmp(record.key, "user.a", 6) == 0 && record.value_length == 5 &&
              memcmp(record.value, "hello", 5) == 0,
          "the first attribute has its key and value");
    CHECK(xattr_iterator_next(&iterator, &record) == 1 && memcmp(record.key, "user.b", 6) == 0 &&
              record.value_length == 0,
          "the second one has an empty value");
    CHECK(xattr_iterator_next(&iterator, &record) == 0 &&
              xattr_iterator_next(&iterator, &record) == 0,
          "then there is nothing, however often one asks");
}

static void a_key_is_found_whole(void)
{
    struct xattr_record record;
    CHECK(xattr_blob_find(two_attributes, TWO_SIZE, "user.b", 6, &record) == 0 &&
              record.value_length == 0,
          "a key is found");
    CHECK(xattr_blob_find(two_attributes, TWO_SIZE, "user.", 5, &record) == -ENODATA,
          "the beginning of a key is not the key");
    CHECK(xattr_blob_find(two_attributes, TWO_SIZE, "user.ab", 7, &record) == -ENODATA,
          "neither is what goes on behind it");
}

static void a_row_without_attributes_has_none(void)
{
    struct xattr_iterator iterator;
    struct xattr_record record;
    CHECK(xattr_iterator_begin(&iterator, NULL, 0) == 0 &&
              xattr_iterator_next(&iterator, &record) == 0,
          "no bytes are a list of nothing");
    CHECK(xattr_blob_find(NULL, 0, "user.a", 6, &record) == -ENODATA, "in which nothing is found");
    CHECK(xattr_iterator_begin(&iterator, "\x01\x00", 2) == 0 &&
              xattr_iterator_next(&iterator, &record) == 0,
          "so is a header that announces nothing");
}

static void every_shortened_list_is_refused(void)
{
    for (size_t size = 1; size < TWO_SIZE; size++) {
        struct xattr_iterator iterator;
        char *copy = malloc(size); /* of just that size, for the sanitizer to see an overrun */
        if (!copy)
            return;
        memcpy(copy, two_attributes, size);
        CHECK(xattr_iterator_begin(&iterator, copy, size) == -EINVAL,
              "%zu of %zu bytes are refused", size, TWO_SIZE);
        free(copy);
    }
}

static void broken_lists_are_refused(void)
{
    struct xattr_iterator iterator;
    struct xattr_record record;
    CHECK(xattr_iterator_begin(&iterator, "\x02\x01\x01\x01kv", 6) == -EINVAL,
          "another version is refused");
    CHECK(xattr_iterator_begin(&iterator, "\x01\x01\x00\x00kv", 6) == -EINVAL,
          "a record of nothing is refused");
    CHECK(xattr_blob_find("\x01\x02\x01\x01kv", 6, "k", 1, &record) == -EINVAL,
          "nothing is found in a list that is too short, not even what comes before the end");
}

static void names_that_no_call_can_ask_for_are_passed_over(void)
{
    static const char blob[] = "\x01\x03"
                               "\x00\x01v"
                               "\x03\x01"
                               "a\0bv"
                               "\x01\x01kv";
    struct xattr_iterator iterator;
    struct xattr_record record;
    CHECK(xattr_iterator_begin(&iterator, blob, sizeof blob - 1) == 0 &&
              xattr_iterator_next(&iterator, &record) == 1 && record.key_length == 1 &&
              record.key[0] == 'k',
          "an empty key and one with a NUL in it are passed over");
}

static void the_longest_keys_and_values_fit(void)
{
    unsigned char blob[2 + 2 + 255 + 255];
    memset(blob, 'x', sizeof blob);
    blob[0] = 1;
    blob[1] = 1;
    blob[2] = 255;
    blob[3] = 255;
    struct xattr_record record;
    CHECK(xattr_blob_find(blob, sizeof blob, (const char *)blob + 4, 255, &record) == 0 &&
              record.value_length == 255,
          "255 bytes of key and of value are found");
    CHECK(xattr_blob_find(blob, sizeof blob - 1, (const char *)blob + 4, 255, &record) == -EINVAL,
          "but not with a byte missing");
}

int main(void)
{
    a_list_is_walked_in_its_order();
    a_key_is_found_whole();
    a_row_without_attributes_has_none();
    every_shortened_list_is_refused();
    broken_lists_are_refused();
    names_that_no_call_can_ask_for_are_passed_over();
    the_longest_keys_and_values_fit();
    return tap_done();
}
