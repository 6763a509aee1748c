/* The client's command line. */
#include <errno.h>

#include "payload/client/options.h"
#include "tests/unit/tap.h"

#define PARSE(options, error, ...)                                         \
    options_parse((int)(sizeof((char *[]){__VA_ARGS__}) / sizeof(char *)), \
                  (char *[]){__VA_ARGS__, NULL}, options, error)

static void options_may_follow_the_names(void)
{
    struct options options;
    CHECK(PARSE(&options, NULL, "cvmfs2", "a.example.org", "/mnt", "-f", "-o",
                "config=/a:/b,allow_other,uid=5,_netdev,fsname=x") == 0,
          "options behind the names are taken");
    CHECK(strcmp(options.fqrn, "a.example.org") == 0 && strcmp(options.mountpoint, "/mnt") == 0,
          "the names are found");
    CHECK(options.config && strcmp(options.config, "/a:/b") == 0, "config= is kept whole");
    CHECK(options.foreground && options.change_ids && options.uid == 5, "flags and ids are read");
    CHECK(strcmp(options.fuse.bytes, "allow_other,fsname=x") == 0,
          "what is not ours goes to FUSE, what means nothing is dropped");
    options_free(&options);
}

static void wrong_lines_are_refused(void)
{
    struct options options;
    struct error error = ERROR_INIT;
    CHECK(PARSE(&options, &error, "cvmfs2", "a.example.org") == -EINVAL, "a missing mountpoint");
    options_free(&options);
    CHECK(PARSE(&options, &error, "cvmfs2", "-x", "a", "/b") == -EINVAL &&
              strstr(error.message, "-x"),
          "an unknown letter is named");
    options_free(&options);
    CHECK(PARSE(&options, &error, "cvmfs2", "-o", "uid=me", "a", "/b") == -EINVAL,
          "an id that is no number");
    options_free(&options);
    CHECK(PARSE(&options, &error, "cvmfs2", "a", "/b", "c") == -EINVAL, "a third name");
    options_free(&options);
    CHECK(PARSE(&options, &error, "cvmfs2", "-k", "a") == 0 && options.print_parameters,
          "-k needs no mountpoint");
    options_free(&options);
}

int main(void)
{
    options_may_follow_the_names();
    wrong_lines_are_refused();
    return tap_done();
}
