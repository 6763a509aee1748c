/* Pages of long extended attributes. */
#include <errno.h>

#include "payload/client/magic_page.h"
#include "tests/unit/tap.h"

static void names_say_which_page_is_meant(void)
{
    struct page_request request;
    CHECK(page_request_parse("user.chunks", &request) == 0 && request.name_length == 11 &&
              request.number == 0 && request.form == PAGE_BARE,
          "a plain name is the bare page 0");
    CHECK(page_request_parse("user.x~12", &request) == 0 && request.number == 12 &&
              request.form == PAGE_BARE && request.name_length == 6,
          "~12 is the bare page 12");
    CHECK(page_request_parse("user.x@1", &request) == 0 && request.form == PAGE_WITH_HEADER,
          "@1 is page 1 with a header");
    CHECK(page_request_parse("user.x~?", &request) == 0 && request.count, "~? asks for the count");
    CHECK(page_request_parse("user.x~", &request) == -ENODATA &&
              page_request_parse("user.x@1x", &request) == -ENODATA &&
              page_request_parse("user.x~-1", &request) == -ENODATA,
          "anything else behind the mark is no page");
}

static int page(const char *name, const struct text *value, size_t repeated, struct text *out)
{
    struct page_request request;
    out->length = 0;
    int result = page_request_parse(name, &request);
    return result < 0 ? result : page_append(&request, name, value, repeated, out);
}

static void long_values_are_split_at_lines(void)
{
    auto_text struct text value = TEXT_INIT;
    auto_text struct text out = TEXT_INIT;
    int result = text_append_string(&value, "header\n");
    for (int line = 0; line < 10000 && result == 0; line++)
        result = text_printf(&value, "line %04d\n", line);
    CHECK(result == 0, "a value of ten thousand lines");
    CHECK(page("x~?", &value, 7, &out) == 0 && strcmp(out.bytes, "num_pages, 3") == 0,
          "100,007 bytes make three pages");
    size_t bytes = 0;
    bool begin = true;
    bool end = true;
    for (int number = 0; number < 3; number++) {
        char name[8];
        (void)snprintf(name, sizeof name, "x~%d", number);
        begin &= page(name, &value, 7, &out) == 0 && strncmp(out.bytes, "header\nline ", 12) == 0;
        end &= out.length > 0 && out.bytes[out.length - 1] == '\n';
        bytes += out.length - 7;
    }
    CHECK(begin && end, "every page begins with the header line and ends with a whole line");
    CHECK(bytes == value.length - 7, "together they are the value");
    CHECK(page("x~3", &value, 7, &out) == -ENODATA, "a bare page behind the last does not exist");
    CHECK(page("x@9", &value, 7, &out) == 0 && strstr(out.bytes, "pages: 3"),
          "with a header, its absence is explained");
    CHECK(page("x@1", &value, 7, &out) == 0 &&
              strncmp(out.bytes, "# Access page at idx: 1. Total num pages: 3 ", 44) == 0,
          "a page with a header says where it stands");
}

static void a_short_value_is_one_page(void)
{
    struct text value = {.bytes = (char[]){"value"}, .length = 5, .capacity = 6};
    auto_text struct text out = TEXT_INIT;
    CHECK(page("x", &value, 0, &out) == 0 && strcmp(out.bytes, "value") == 0,
          "a plain name gives the value");
    CHECK(page("x~1", &value, 0, &out) == -ENODATA, "there is no second page");
    struct text empty = TEXT_INIT;
    CHECK(page("x~?", &empty, 0, &out) == 0 && strcmp(out.bytes, "num_pages, 1") == 0,
          "an empty value is one page too");
}

int main(void)
{
    names_say_which_page_is_meant();
    long_values_are_split_at_lines();
    a_short_value_is_one_page();
    return tap_done();
}
