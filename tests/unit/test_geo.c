/* payload/client/geo: the list that is asked about, and answers that are permutations of it. */
#include "payload/client/geo.h"

#include <errno.h>

#include "tests/unit/tap.h"

static struct servers servers;
static struct proxies proxies;
static struct geo_list list;

static int build(const char *server_list, const char *proxy_list, const char *fallback)
{
    const struct proxy_configuration configuration = {.proxies = proxy_list, .fallback = fallback};
    int result = servers_parse(server_list, 0, &servers);
    result = result ? result : proxies_parse(&configuration, &proxies, NULL);
    return result ? result : geo_list_build(&servers, &proxies, &list);
}

static void release(void)
{
    geo_list_free(&list);
    servers_free(&servers);
    proxies_free(&proxies);
}

static void names_are(const char *server_list, const char *proxy_list, const char *fallback,
                      const char *expected)
{
    int result = build(server_list, proxy_list, fallback);
    CHECK(result == 0 && strcmp(list.names.bytes, expected) == 0, "%s", expected);
    release();
}

static void names_of_servers_are_sorted_and_those_of_proxies_are_not(void)
{
    names_are("http://b:8000/cvmfs/r;http://a/cvmfs/r", "DIRECT", NULL, "a,b");
    names_are("http://ab/;http://a/;http://a.b/", "DIRECT", NULL, "a,a.b,ab");
    names_are("http://b;http://a", "http://p:1", "http://y:1|http://x:1;http://w:1", "a,b,y,w");
    names_are("http://b;http://a", "DIRECT", "http://y:1;http://w:1", "a,b,+PXYSEP+,y,w");
    names_are("http://a", "DIRECT", "http://y:1;http://w:1", "a,y,w");
    CHECK(build("file:///x;http://a", "DIRECT", NULL) == -EINVAL,
          "a server without a name is none");
    release();
}

static void an_order_needs_something_to_be_ordered(void)
{
    (void)build("http://a", "DIRECT", NULL);
    CHECK(!geo_is_useful(&servers, &proxies), "one server is in order");
    release();
    (void)build("http://a;http://b", "DIRECT", NULL);
    CHECK(geo_is_useful(&servers, &proxies), "two are not");
    release();
    (void)build("http://a", "DIRECT", "http://y:1;http://w:1");
    CHECK(geo_is_useful(&servers, &proxies), "nor are two groups of fallback proxies");
    release();
}

static void the_path_has_key_and_names(void)
{
    auto_text struct text path = TEXT_INIT;
    (void)build("http://a;http://b", "DIRECT", NULL);
    CHECK(geo_path(&list, "key", &path) == 0 && strcmp(path.bytes, "/api/v1.0/geo/key/a,b") == 0,
          "below the URL of a server");
    release();
}

static int read_answer(const char *answer, size_t order[3], size_t fallback[2])
{
    return geo_read(&list, answer, strlen(answer), order, fallback);
}

static void an_answer_is_a_permutation(void)
{
    size_t order[3] = {9, 9, 9};
    size_t fallback[2] = {9, 9};
    (void)build("http://b;http://c;http://a", "DIRECT", "http://y:1;http://w:1");
    CHECK(read_answer("6,3,4,1,5,2\n", order, fallback) == 0, "with numbers from 1 on");
    CHECK(order[0] == 1 && order[1] == 2 && order[2] == 0, "for servers by the order of names");
    CHECK(fallback[0] == 1 && fallback[1] == 0, "for groups behind the separator");
    CHECK(read_answer(" 1 , 2,3\n,4,5,6 \r\n", order, fallback) == 0, "blanks do not matter");
    static const char *const bad[] = {"",
                                      "1,2,3,4,5",
                                      "1,2,3,4,5,6,7",
                                      "1,2,3,4,5,7",
                                      "1,2,3,4,5,",
                                      ",1,2,3,4,5,6",
                                      "1,2,3,4,5,5",
                                      "0,1,2,3,4,5",
                                      "1 2 3 4 5 6",
                                      "1,2,3,4,5,6x",
                                      "1,,2,3,4,5,6",
                                      "<html>",
                                      "1,2,3,4,5,-6",
                                      "1,2,3,4,5,18446744073709551622"};
    for (size_t index = 0; index < sizeof bad / sizeof bad[0]; index++)
        CHECK(read_answer(bad[index], order, fallback) == -EINVAL, "'%s' is none", bad[index]);
    CHECK(geo_read(&list, "1,2,3,4,5,6\0", 12, order, fallback) == -EINVAL, "nor is a NUL");
    release();
}

int main(void)
{
    names_of_servers_are_sorted_and_those_of_proxies_are_not();
    an_order_needs_something_to_be_ordered();
    the_path_has_key_and_names();
    an_answer_is_a_permutation();
    return tap_done();
}
