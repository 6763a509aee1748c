/* payload/client/url: escaping by cvmfs-format.md 1.6, and the parts of a URL. */
#include "payload/client/url.h"
#include "tests/unit/tap.h"

static bool escapes_to(const char *string, const char *expected)
{
    auto_text struct text text = TEXT_INIT;
    return url_escape(&text, string) == 0 && strcmp(text.bytes ? text.bytes : "", expected) == 0;
}

static void bytes_are_escaped(void)
{
    CHECK(escapes_to("http://h:80/a.b@+-_~[],", "http://h:80/a.b@+-_~[],"),
          "the bytes of a URL stand for themselves");
    CHECK(escapes_to("/a b%?&=#", "/a%20b%25%3F%26%3D%23"),
          "others are escaped, the percent sign too");
    CHECK(escapes_to("/\xc3\xa4\x01", "/%C3%A4%01"), "bytes above 127 and control bytes too");
    CHECK(escapes_to("", ""), "nothing stays nothing");
}

static bool part_is(struct url_part part, const char *expected)
{
    return part.length == strlen(expected) && memcmp(part.start, expected, part.length) == 0;
}

static bool parts_are(const char *string, const char *scheme, const char *host, const char *port)
{
    struct url url;
    return url_parse(string, &url) && part_is(url.scheme, scheme) && part_is(url.host, host) &&
           part_is(url.port, port);
}

static void a_url_has_parts(void)
{
    CHECK(parts_are("http://host:3128/path:1", "http", "host", "3128"), "scheme, host and port");
    CHECK(parts_are("host:3128", "", "host", "3128"), "no scheme");
    CHECK(parts_are("https://host", "https", "host", ""), "no port");
    CHECK(parts_are("http://[::1]:80/", "http", "[::1]", "80"), "an IPv6 address in its brackets");
    CHECK(parts_are("http://user:word@host:1", "http", "host", "1"), "a user is passed over");
    CHECK(parts_are("host/cgi?u=http://x", "", "host", ""), "a URL in a path is no scheme");
}

static void what_is_no_url_is_refused(void)
{
    static const char *const bad[] = {
        "",       "http://",   "host:",        "host:0",    "host:x",  "host:65536", "host:1234567",
        "[::1]x", "file:///x", "http://:3128", "http:///x", "://host", "a b://host", "1a://host"};
    struct url url;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        CHECK(!url_parse(bad[i], &url), "'%s' is no URL", bad[i]);
}

static void schemes_are_compared_without_case(void)
{
    CHECK(url_has_scheme("HTTPS://x", "https") && url_has_scheme("file:///x", "file"),
          "a scheme is known in any case of letters");
    CHECK(!url_has_scheme("http://x", "https") && !url_has_scheme("https:x", "https") &&
              !url_has_scheme("", "http"),
          "others are not");
}

int main(void)
{
    bytes_are_escaped();
    a_url_has_parts();
    what_is_no_url_is_refused();
    schemes_are_compared_without_case();
    return tap_done();
}
