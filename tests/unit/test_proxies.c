/* payload/client/proxies: groups, fallbacks, which proxy is current (cvmfs-format.md 9.3, 9.5). */
#include <errno.h>

#include "payload/client/proxies.h"
#include "tests/unit/tap.h"

/* A name that no resolver is asked for: a label may have 63 bytes. */
#define UNKNOWN "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx.invalid"

static int parse(const char *list, const char *fallback, const char *automatic,
                 struct proxies *proxies)
{
    const struct proxy_configuration configuration = {
        .proxies = list, .fallback = fallback, .automatic = automatic, .reset_after = 300};
    return proxies_parse(&configuration, proxies, NULL);
}

/* Whether the groups are these, written as "a|b;c" with full URLs. */
static bool groups_are(const struct proxies *proxies, const char *expected)
{
    auto_text struct text text = TEXT_INIT;
    for (size_t i = 0; i < proxies->count; i++) {
        const char *separator = i == 0                                                   ? ""
                                : proxies->items[i].group == proxies->items[i - 1].group ? "|"
                                                                                         : ";";
        if (text_printf(&text, "%s%s", separator, proxies->items[i].url) < 0)
            return false;
    }
    return strcmp(text.bytes ? text.bytes : "", expected) == 0;
}

static void parses_to(const char *list, const char *fallback, const char *automatic,
                      const char *expected)
{
    struct proxies proxies;
    int result = parse(list, fallback, automatic, &proxies);
    CHECK(result == 0 && groups_are(&proxies, expected), "'%s' with fallback '%s' and auto '%s'",
          list, fallback ? fallback : "", automatic ? automatic : "");
    proxies_free(&proxies);
}

static void strings_become_groups(void)
{
    parses_to("DIRECT", NULL, NULL, "DIRECT");
    parses_to("http://a:1|b:2;DIRECT", NULL, NULL, "http://a:1|http://b:2;DIRECT");
    parses_to(" a:1 | b:2 ; ; |;c:3", NULL, NULL, "http://a:1|http://b:2;http://c:3");
    parses_to("https://a:1", NULL, NULL, "https://a:1");
}

static void members_that_are_no_proxies_are_left_out(void)
{
    parses_to("a:x|b:2;http://;c:3", NULL, NULL, "http://b:2;http://c:3");
    parses_to("a b:1|c:1", NULL, NULL, "http://c:1");
}

static void fallbacks_follow_and_drive_out_direct(void)
{
    parses_to("a:1", "f:1|g:1;h:1", NULL, "http://a:1;http://f:1|http://g:1;http://h:1");
    parses_to("a:1|DIRECT;DIRECT", "f:1", NULL, "http://a:1;http://f:1");
    parses_to("DIRECT", "f:1|DIRECT;DIRECT", NULL, "http://f:1");
    struct proxies proxies;
    CHECK(parse("a:1;b:1", "f:1", NULL, &proxies) == 0 && proxies.fallback == 2 &&
              proxies.groups == 3,
          "it is known which group is the first fallback");
    proxies_free(&proxies);
}

static void automatic_groups_take_what_the_environment_says(void)
{
    parses_to("auto;DIRECT", NULL, "http://e:3128", "http://e:3128;DIRECT");
    parses_to("auto;DIRECT", NULL, NULL, "DIRECT");
    parses_to("auto;DIRECT", NULL, "", "DIRECT");
    parses_to("auto;DIRECT", NULL, "auto", "DIRECT");
}

static void nothing_usable_is_an_error(void)
{
    static const char *const bad[] = {"", ";", "auto", "||;", "http://"};
    struct proxies proxies;
    CHECK(parse(NULL, NULL, NULL, &proxies) == -ENOENT, "undefined proxies are an error");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        CHECK(parse(bad[i], NULL, NULL, &proxies) == -ENOENT, "'%s' is an error", bad[i]);
    CHECK(parse("auto", "f:1", NULL, &proxies) == -ENOENT,
          "a fallback does not stand in for proxies that were not found");
    CHECK(parse("DIRECT", "DIRECT", NULL, &proxies) == -ENOENT, "nor does one that is only DIRECT");
}

static const char *current(const struct proxies *proxies)
{
    return proxies->items[proxies->current].url;
}

static void failing_proxies_are_burned(void)
{
    struct proxies proxies;
    (void)parse("a:1|b:1;c:1", NULL, NULL, &proxies);
    proxies_reset(&proxies, 1);
    CHECK(strcmp(current(&proxies), "http://b:1") == 0, "any member of the first group may begin");
    CHECK(proxies_leave(&proxies, 1, 100, 7) && strcmp(current(&proxies), "http://a:1") == 0,
          "when it fails the other one is current");
    CHECK(!proxies_leave(&proxies, 1, 101, 7) && strcmp(current(&proxies), "http://a:1") == 0,
          "who is late with the same news changes nothing");
    CHECK(proxies_leave(&proxies, 0, 102, 7) && strcmp(current(&proxies), "http://c:1") == 0,
          "with all burned the next group is current");
    CHECK(proxies_leave(&proxies, 2, 103, 2) && strcmp(current(&proxies), "http://a:1") == 0,
          "after the last group comes the first, with nobody burned");
    proxies_free(&proxies);
}

static void the_first_group_comes_back_after_a_while(void)
{
    struct proxies proxies;
    (void)parse("a:1;b:1", NULL, NULL, &proxies);
    proxies_reset(&proxies, 0);
    CHECK(!proxies_is_reset_due(&proxies, 100000), "nothing to come back to at the beginning");
    (void)proxies_leave(&proxies, 0, 1000, 0);
    CHECK(!proxies_is_reset_due(&proxies, 1299) && proxies_is_reset_due(&proxies, 1300),
          "300 s after it was left");
    (void)proxies_leave(&proxies, 1, 1100, 0);
    (void)proxies_leave(&proxies, 0, 1200, 0);
    CHECK(!proxies_is_reset_due(&proxies, 1499), "counted from the last time");
    proxies.reset_after = 0;
    CHECK(!proxies_is_reset_due(&proxies, 100000), "never, when no time is configured");
    proxies_free(&proxies);
}

static void a_lonely_proxy_stays(void)
{
    struct proxies proxies;
    (void)parse("a:1", NULL, NULL, &proxies);
    proxies_reset(&proxies, 0);
    CHECK(!proxies_leave(&proxies, 0, 1, 0) && strcmp(current(&proxies), "http://a:1") == 0,
          "there is nothing else");
    proxies_free(&proxies);
}

static void names_become_addresses(void)
{
    struct proxies proxies;
    struct proxies resolved;
    (void)parse("127.0.0.1:1|http://[::1]:2;https://secure:3;" UNKNOWN ":4;DIRECT", NULL, NULL,
                &proxies);
    CHECK(proxies_resolve(&proxies, 4, 0, &resolved) == 0 &&
              groups_are(&resolved, "http://127.0.0.1:1|http://[::1]:2;https://secure:3;"
                                    "http://" UNKNOWN ":4;DIRECT"),
          "addresses, https, what cannot be resolved and DIRECT stay as they are");
    proxies_free(&resolved);
    proxies_free(&proxies);
    (void)parse("http://localhost:3128", NULL, NULL, &proxies);
    if (proxies_resolve(&proxies, 4, 1, &resolved) == 0 && resolved.count == 1 &&
        strcmp(resolved.items[0].url, "http://localhost:3128") == 0)
        tap_skip("a name becomes an address", "localhost cannot be resolved");
    else
        CHECK(resolved.count == 1 && groups_are(&resolved, "http://127.0.0.1:3128"),
              "a name becomes an address of the preferred family");
    proxies_free(&resolved);
    proxies_free(&proxies);
}

static void fallback_groups_can_be_put_in_order(void)
{
    struct proxies proxies;
    (void)parse("a:1", "f:1;g:1|h:1;i:1", NULL, &proxies);
    const size_t order[] = {2, 0, 1};
    CHECK(proxies_order_fallback(&proxies, order) == 0 &&
              groups_are(&proxies, "http://a:1;http://i:1;http://f:1;http://g:1|http://h:1"),
          "the regular ones stay where they are");
    proxies_free(&proxies);
}

static void all_proxies_are_listed(void)
{
    struct proxies proxies;
    (void)parse("a:1;DIRECT", NULL, NULL, &proxies);
    auto_text struct text text = TEXT_INIT;
    CHECK(proxies_list(&proxies, &text) == 0 && strcmp(text.bytes, "http://a:1\nDIRECT\n") == 0,
          "a line each");
    proxies_free(&proxies);
}

int main(void)
{
    strings_become_groups();
    members_that_are_no_proxies_are_left_out();
    fallbacks_follow_and_drive_out_direct();
    automatic_groups_take_what_the_environment_says();
    nothing_usable_is_an_error();
    failing_proxies_are_burned();
    the_first_group_comes_back_after_a_while();
    a_lonely_proxy_stays();
    names_become_addresses();
    fallback_groups_can_be_put_in_order();
    all_proxies_are_listed();
    return tap_done();
}
