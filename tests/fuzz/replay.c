/* Runs a fuzz target over its kept corpus, once, without a fuzzer: the regression of `make check`.
 * REPLAY_CORPUS is the directory, relative to the root of the sources. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>

#include "payload/base/file.h"
#include "payload/base/scope.h"
#include "tests/unit/tap.h"

#define LARGEST_INPUT (16u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void replay_file(int directory, const char *name)
{
    auto_text struct text input = TEXT_INIT;
    int result = file_load(directory, name, LARGEST_INPUT, &input);
    if (!CHECK(result == 0, "%s is read", name))
        return;
    /* In a block of just its size, so that a sanitizer sees one byte too many. */
    auto_free uint8_t *bytes = malloc(input.length ? input.length : 1);
    if (!CHECK(bytes != NULL, "%s has room", name))
        return;
    if (input.length)
        memcpy(bytes, input.bytes, input.length);
    CHECK(LLVMFuzzerTestOneInput(bytes, input.length) == 0, "%s is survived", name);
}

int main(void)
{
    auto_directory DIR *corpus = opendir(REPLAY_CORPUS);
    if (!CHECK(corpus != NULL, "the corpus " REPLAY_CORPUS " is there"))
        return tap_done();
    int files = 0;
    const struct dirent *entry = NULL;
    while ((entry = readdir(corpus)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        replay_file(dirfd(corpus), entry->d_name);
        files++;
    }
    CHECK(files > 0, "the corpus holds %d files", files);
    return tap_done();
}
