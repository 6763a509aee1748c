/* payload/base: lists of strings grow and own, directories are removed whole and nothing else is.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "payload/base/file.h"
#include "payload/base/remove.h"
#include "payload/base/scope.h"
#include "payload/base/strings.h"
#include "tests/unit/tap.h"

static void a_list_of_strings_grows(void)
{
    auto_strings struct strings strings = STRINGS_INIT;
    int result = 0;
    for (int number = 0; number < 100 && result == 0; number++) {
        char text[16];
        (void)snprintf(text, sizeof text, "%d", number);
        result = strings_add(&strings, text);
    }
    CHECK(result == 0 && strings.count == 100 && strcmp(strings.items[99], "99") == 0,
          "a hundred strings are kept in their order");
    CHECK(strings_contain(&strings, "42") && !strings_contain(&strings, "100"),
          "and found by what they say");
    CHECK(strings_take(&strings, NULL) == -ENOMEM && strings.count == 100,
          "an allocation that failed is refused");
    strings_free(&strings);
    CHECK(strings.count == 0 && strings_take(&strings, strdup("again")) == 0,
          "a freed list can be used again");
}

static void a_directory_is_removed_without_following_links(void)
{
    char place[] = "/tmp/test_base.XXXXXX";
    if (!CHECK(mkdtemp(place) != NULL, "a directory to work in"))
        return;
    auto_fd int fd = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(directory_make(fd, "gone/a/b", 0755) == 0 && directory_make(fd, "kept", 0755) == 0 &&
              file_replace(fd, "gone/a/file", "x", 1, 0644) == 0 &&
              file_replace(fd, "kept/file", "x", 1, 0644) == 0 &&
              symlinkat("../kept", fd, "gone/link") == 0,
          "a tree with a link that leads out of it");
    CHECK(directory_remove(fd, "gone") == 0 && faccessat(fd, "gone", F_OK, 0) < 0,
          "the tree is removed");
    CHECK(faccessat(fd, "kept/file", F_OK, 0) == 0, "what the link leads to is not");
    CHECK(directory_remove(fd, "gone") == 0, "removing nothing is no error");
    CHECK(directory_remove(fd, "kept/file") == 0 && faccessat(fd, "kept/file", F_OK, 0) < 0,
          "a file is removed as well");
    CHECK(directory_remove(AT_FDCWD, place) == 0, "and by its path");
}

int main(void)
{
    a_list_of_strings_grows();
    a_directory_is_removed_without_following_links();
    return tap_done();
}
