/* Directory listings as servers write them, and the order of the packages in them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "packer/listing.h"
#include "packer/listing_page.h"
#include "tests/unit/tap.h"

#define DIRECTORY "https://repo.example.org/yum/EL/9/x86_64"

/* What Apache, nginx and others make of one directory; each has to give the same two packages. */
static const struct {
    const char *server;
    const char *page;
} pages[] = {
    {"Apache's table",
     "<!DOCTYPE HTML PUBLIC \"-//W3C//DTD HTML 3.2 Final//EN\">\n<html><head><title>Index of "
     "/yum</title></head><body><h1>Index</h1><table><tr><th><a href=\"?C=N;O=D\">Name</a></th>"
     "</tr><tr><td><a href=\"/yum/EL/9/\">Parent Directory</a></td></tr><tr><td "
     "valign=\"top\"><img "
     "src=\"/icons/rpm.png\" alt=\"[ ]\"></td><td><a "
     "href=\"demo-1.9-1.el9.x86_64.rpm\">demo-1.9-1.el"
     "9.x..&gt;</a></td></tr><tr><td><a href=\"demo-1.10-1.el9.x86_64.rpm\">demo-1.10-1.el9."
     "x..&gt;</a></td></tr></table></body></html>"},
    {"Apache's plain list",
     "<ul><li><a href=\"demo-1.9-1.el9.x86_64.rpm\"> demo-1.9-1.el9.x86_64.rpm</a></li>\n"
     "<li><a href=\"demo-1.10-1.el9.x86_64.rpm\"> demo</a></li></ul>"},
    {"nginx",
     "<html>\r\n<head><title>Index of /</title></head>\r\n<body>\r\n<h1>Index of /</h1><hr><pre>"
     "<a href=\"../\">../</a>\r\n<a href=\"demo-1.9-1.el9.x86_64.rpm\">demo-1.9-1.el9..&gt;</a>   "
     "01-Jan-2026 10:00   12345\r\n<a href=\"demo-1.10-1.el9.x86_64.rpm\">demo-1.10</a>\r\n</pre>"},
    {"S3's website",
     "<pre><a href=\"/\">..</a>\n<a class='file' "
     "href='/bucket/yum/EL/9/x86_64/demo-1.9-1.el9.x86_64.rpm'"
     " download>demo</a> <A "
     "HREF=https://bucket.s3.example.org/yum/EL/9/x86_64/demo-1.10-1.el9.x86_64.rpm>x</A>"},
    {"a server with marks and escapes",
     "<div><span><a title=\"x\" href=\"./demo-1.9-1%2Eel9.x86_64.rpm?versionId=1&amp;x=2#top\">"
     "<b>demo</b></a></span><a href=\"demo-1.10-1.el9.x86&#95;64.rpm\n\">demo</a>"
     "<a href=\"../x86_64/demo-1.9-1.el9.x86_64.rpm\">again</a>"},
    {"S3's XML",
     "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult "
     "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>bucket</Name><Prefix></Prefix>"
     "<IsTruncated>false</IsTruncated><Contents><Key>yum/EL/9/x86_64/demo-1.9-1.el9.x86_64.rpm"
     "</Key><Size>5</Size></Contents><Contents><Key>yum/EL/9/x86_64/demo-1.10-1.el9.x86_64.rpm"
     "</Key></Contents><Contents><Key>yum/EL/8/x86_64/demo-3-1.el8.x86_64.rpm</Key></Contents>"
     "</ListBucketResult>"},
};

static int parse(const char *page, const char *url, struct listing *listing, struct error *error)
{
    return listing_parse(page, strlen(page), url, listing, error);
}

static void test_servers(void)
{
    for (size_t index = 0; index < sizeof pages / sizeof pages[0]; index++) {
        auto_listing struct listing listing = LISTING_INIT;
        struct error error = ERROR_INIT;
        const struct listing_package *package = NULL;
        int result = parse(pages[index].page, DIRECTORY "/", &listing, &error);
        if (result == 0)
            result = listing_find(&listing, "demo", "x86_64", NULL, &package, &error);
        CHECK(result == 0 && listing.count == 2 &&
                  strcmp(package->file, "demo-1.10-1.el9.x86_64.rpm") == 0,
              "the listing of %s gives both packages, and the newer one (%zu, %s)",
              pages[index].server, listing.count, error.message);
    }
}

static size_t count_of(const char *link, const char *url)
{
    auto_strings struct strings files = STRINGS_INIT;
    auto_text struct text page = TEXT_INIT;
    if (text_printf(&page, "<a href=\"%s\">x</a>", link) < 0 ||
        listing_page_files(page.bytes, page.length, url, &files, NULL) < 0)
        return 99;
    return files.count;
}

static void test_other_directories(void)
{
    static const char *const elsewhere[] = {
        "sub/demo-1-1.x86_64.rpm",    "../demo-1-1.x86_64.rpm",
        "/demo-1-1.x86_64.rpm",       "https://other.example.org/demo-1-1.x86_64.rpm",
        "/other/demo-1-1.x86_64.rpm", "../../../../../../../demo-1-1.x86_64.rpm",
        "sub%2Fdemo-1-1.x86_64.rpm",  "javascript:demo-1-1.x86_64.rpm",
        "mailto:demo-1-1.x86_64.rpm", "?file=demo-1-1.x86_64.rpm",
        "#demo-1-1.x86_64.rpm",       "demo%00-1-1.x86_64.rpm",
    };
    for (size_t index = 0; index < sizeof elsewhere / sizeof elsewhere[0]; index++)
        CHECK(count_of(elsewhere[index], DIRECTORY) == 0, "%s is no file of the directory",
              elsewhere[index]);
    CHECK(count_of("//other.example.org/yum/EL/9/x86_64/demo-1-1.x86_64.rpm", DIRECTORY) == 1,
          "the host of a link does not matter");
    CHECK(count_of("demo-1-1.x86_64.rpm", DIRECTORY "/index.html") == 1,
          "an index.html shows its directory");
}

static void test_order(void)
{
    static const char page[] =
        "<a href=demo-1.2-1.x86_64.rpm></a><a href=demo-1.10~rc1-1.x86_64.rpm></a>"
        "<a href=demo-1.10-2.x86_64.rpm></a><a href=demo-1.10-10.x86_64.rpm></a>"
        "<a href=demo-1.10^git1-1.x86_64.rpm></a><a href=demo-2-1.aarch64.rpm></a>"
        "<a href=demo-2-1.src.rpm></a><a href=demo-libs-9-1.x86_64.rpm></a>"
        "<a href=demo-0.1-1.noarch.rpm></a><a href=demo-latest.noarch.rpm></a>";
    auto_listing struct listing listing = LISTING_INIT;
    auto_strings struct strings versions = STRINGS_INIT;
    struct error error = ERROR_INIT;
    const struct listing_package *package = NULL;
    CHECK(parse(page, DIRECTORY, &listing, &error) == 0, "a page is read");
    CHECK(listing_find(&listing, "demo", "x86_64", "1.10", &package, &error) == 0 &&
              strcmp(package->release, "10") == 0,
          "of one version the newest release is found");
    CHECK(listing_versions(&listing, "demo", "x86_64", &versions) == 0 && versions.count == 5 &&
              strcmp(versions.items[0], "1.10^git1") == 0 &&
              strcmp(versions.items[1], "1.10") == 0 &&
              strcmp(versions.items[2], "1.10~rc1") == 0 && strcmp(versions.items[3], "1.2") == 0 &&
              strcmp(versions.items[4], "0.1") == 0,
          "versions are in the order of rpm, those for all architectures among them");
    CHECK(listing_find(&listing, "demo", "x86_64", "7", &package, &error) == -ENOENT &&
              strstr(error.message, "1.10^git1, 1.10, 1.10~rc1, 1.2, 0.1"),
          "who asks for a version that is not there hears which are: %s", error.message);
    CHECK(listing_find(&listing, "none", "x86_64", NULL, &package, &error) == -ENOENT,
          "a package that is not there is not found");
}

static void test_names(void)
{
    static const char *const bad[] = {
        "",
        ".rpm",
        "demo.rpm",
        "demo-1.rpm",
        "demo-1-1.rpm",
        "-1-1.x.rpm",
        "demo--1.x.rpm",
        "demo-1-.x.rpm",
        "demo-1-1..rpm",
        "demo-1-1.x.rpm.sig",
        "de mo-1-1.x.rpm",
        "demo-1-1.x/y.rpm",
        ".demo-1-1.x.rpm",
        "d\xc3\xa9mo-1-1.x.rpm",
    };
    struct listing_package package;
    for (size_t index = 0; index < sizeof bad / sizeof bad[0]; index++)
        CHECK(listing_package_parse(bad[index], &package) == -EINVAL, "'%s' is no package",
              bad[index]);
    const int result =
        listing_package_parse("libstdc++-devel-11.5.0-2.el9_4.alma.1.x86_64.rpm", &package);
    CHECK(result == 0 && strcmp(package.name, "libstdc++-devel") == 0 &&
              strcmp(package.version, "11.5.0") == 0 &&
              strcmp(package.release, "2.el9_4.alma.1") == 0 &&
              strcmp(package.architecture, "x86_64") == 0,
          "a name is taken apart from its end");
    auto_strings struct strings urls = STRINGS_INIT;
    CHECK(listing_url(DIRECTORY "//", &package, &urls) == 0 &&
              strcmp(urls.items[0],
                     DIRECTORY "/libstdc%2B%2B-devel-11.5.0-2.el9_4.alma.1.x86_64.rpm") == 0,
          "plus signs are escaped in URLs");
    if (result == 0)
        listing_package_free(&package);
}

static void test_what_is_no_listing(void)
{
    auto_listing struct listing listing = LISTING_INIT;
    struct error error = ERROR_INIT;
    CHECK(listing_parse("a\0b", 3, DIRECTORY, &listing, &error) == -EBADMSG,
          "what is no text is refused");
    CHECK(parse("", DIRECTORY, &listing, &error) == 0 && listing.count == 0,
          "an empty page has no packages");
    CHECK(parse("<html><body>sorry", DIRECTORY, &listing, &error) == 0 && listing.count == 0,
          "a page without links has no packages");
    CHECK(parse("<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>", DIRECTORY,
                &listing, &error) == -EBADMSG &&
              strstr(error.message, "a part"),
          "half a listing is refused: %s", error.message);
    CHECK(parse("<ListBucketResult><Key>x", DIRECTORY, &listing, &error) == -EBADMSG,
          "broken XML is refused");
    auto_text struct text deep = TEXT_INIT;
    bool made = true;
    for (int depth = 0; depth < 20000; depth++)
        made = made && text_append_string(&deep, "<div>") == 0;
    made = made && text_append_string(&deep, "<a href=demo-1-1.x86_64.rpm>") == 0;
    CHECK(made && listing_parse(deep.bytes, deep.length, DIRECTORY, &listing, &error) <= 0,
          "a page of 20,000 levels is survived");
}

int main(void)
{
    test_servers();
    test_other_directories();
    test_order();
    test_names();
    test_what_is_no_listing();
    return tap_done();
}
