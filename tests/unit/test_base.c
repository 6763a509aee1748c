/* payload/base: errors collect their circumstances, texts grow, files are replaced whole. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "payload/base/error.h"
#include "payload/base/file.h"
#include "payload/base/scope.h"
#include "payload/base/text.h"
#include "tests/unit/tap.h"

static void an_error_collects_its_circumstances(void)
{
    struct error error = ERROR_INIT;
    int result = error_system(&error, -ENOENT, "opening %s", "x");
    result = result < 0 ? error_prefix(&error, "loading manifest") : 0;
    CHECK(result == -ENOENT, "a prefix keeps the code");
    CHECK(strcmp(error.message, "loading manifest: opening x: No such file or directory") == 0,
          "a prefix stands in front of the message");
}

static void a_long_error_is_cut(void)
{
    struct error error = ERROR_INIT;
    char words[4096];
    memset(words, 'w', sizeof words - 1);
    words[sizeof words - 1] = '\0';
    (void)error_set(&error, -EIO, "%s", words);
    (void)error_prefix(&error, "%s", words);
    CHECK(strlen(error.message) == sizeof error.message - 1, "a message is cut to its room");
}

static void a_text_grows(void)
{
    auto_text struct text text = TEXT_INIT;
    int result = 0;
    for (int number = 0; number < 1000 && result == 0; number++)
        result = text_printf(&text, "%03d,", number);
    CHECK(result == 0 && text.length == 4000 && text.bytes[4000] == '\0',
          "a thousand pieces make a text of 4000 bytes with a NUL behind it");
    CHECK(strncmp(text.bytes + 3996, "999,", 4) == 0, "the last piece stands at its end");
}

static void a_file_is_replaced_and_loaded(void)
{
    char directory[] = "/tmp/test_base.XXXXXX";
    if (!CHECK(mkdtemp(directory) != NULL, "a directory to work in"))
        return;
    auto_fd int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(directory_make(fd, "a/b/c", 0755) == 0 && directory_make(fd, "a/b/c", 0755) == 0,
          "a directory is made with its parents, twice without an error");
    CHECK(file_replace(fd, "a/b/c/file", "old", 3, 0644) == 0 &&
              file_replace(fd, "a/b/c/file", "newer", 5, 0644) == 0,
          "a file is written and replaced");
    auto_text struct text text = TEXT_INIT;
    CHECK(file_load(fd, "a/b/c/file", 100, &text) == 0 && strcmp(text.bytes, "newer") == 0,
          "what is loaded is the newer content");
    CHECK(file_load(fd, "a/b/c/file", 4, &text) == -EFBIG, "a file over the limit is refused");
    CHECK(file_load(fd, "a/b/nothing", 4, &text) == -ENOENT, "a missing file says so");
    CHECK(directory_make(fd, "a/b/c/file", 0755) == -ENOTDIR, "a file in the way says so");
    (void)unlinkat(fd, "a/b/c/file", 0);
    (void)unlinkat(fd, "a/b/c", AT_REMOVEDIR);
    (void)unlinkat(fd, "a/b", AT_REMOVEDIR);
    (void)unlinkat(fd, "a", AT_REMOVEDIR);
    (void)rmdir(directory);
}

int main(void)
{
    an_error_collects_its_circumstances();
    a_long_error_is_cut();
    a_text_grows();
    a_file_is_replaced_and_loaded();
    return tap_done();
}
