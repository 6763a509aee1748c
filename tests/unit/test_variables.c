/* Variant symlinks: the table of cvmfs-format.md 10.5. */
#include <stdlib.h>

#include "payload/client/variables.h"
#include "tests/unit/tap.h"

int main(void)
{
    static const struct {
        const char *link;
        const char *target;
    } rows[] = {
        {"plain/target", "plain/target"},
        {"$(TEST_SET)", "value"},
        {"$(TEST_UNSET)", ""},
        {"$(TEST_SET:-default)", "value"},
        {"$(TEST_EMPTY:-default)", ""},
        {"$(TEST_UNSET:-default)", "default"},
        {"$(TEST_UNSET:-a:-b)", "a:-b"},
        {"a$(TEST_SET)b$(TEST_SET)c", "avaluebvaluec"},
        {"$()", ""},
        {"$(:-d)", "d"},
        {"$(A$(TEST_SET)", ""},
        {"$V1", "$V1"},
        {"$$", "$$"},
        {"$(abc", "$(abc"},
        {"trailing x$(", "trailing x$("},
        {"", ""},
    };
    (void)setenv("TEST_SET", "value", 1);
    (void)setenv("TEST_EMPTY", "", 1);
    (void)unsetenv("TEST_UNSET");
    for (size_t index = 0; index < sizeof rows / sizeof rows[0]; index++) {
        auto_text struct text target = TEXT_INIT;
        int result = variables_expand(rows[index].link, strlen(rows[index].link), &target);
        CHECK(result == 0 && strcmp(target.bytes, rows[index].target) == 0, "\"%s\" is \"%s\"",
              rows[index].link, rows[index].target);
    }
    return tap_done();
}
