/* When memory runs out, at whatever point, an evaluation fails cleanly or comes out right. */
#include <errno.h>

#include "payload/base/scope.h"
#include "payload/config/parameters.h"
#include "payload/config/shell.h"
#include "tests/unit/failing_memory.h"
#include "tests/unit/tap.h"

static const char program[] =
    "f() { local B; B=${1#x}; set -- \"$@\" y; A=\"$A$B$#\"; return 1; }\n"
    "for C in a 'b c' /etc/passw[d]; do f \"x$C\" || A=$A,; done\n"
    "case $A in *b\\ c*) A=\"$A;\";; esac\n"
    "if [ -f /etc/passwd ] && [ ! -d ./none ] && command -v sh >/dev/null; then\n"
    "    D=$(echo \"$(echo inner) $((1 + ${E:=2}))\" | cat) ; export D\n"
    "fi\n"
    "K=/etc/x:/etc/y; G=1 eval 'H=$G'; readonly H; H=2; unset F\n"
    "A=\"$A$D$K$H$(sh -c 'echo $D')\"\n";

static const char expected[] = "a2,b c2,/etc/passwd2,;inner 3/dist/etc/x:/dist/etc/y1inner 3";

static int evaluate(struct text *value)
{
    static char path[] = "PATH=/usr/bin:/bin";
    static char home[] = "HOME=/";
    static char *const environment[] = {path, home, NULL};
    static const struct shell_relocation relocations[] = {{"/etc", "/dist/etc", NULL}};
    const struct shell_options options = {
        .environment = environment, .relocations = relocations, .relocation_count = 1};
    auto_shell struct shell *shell = NULL;
    struct error error = ERROR_INIT;
    int result = shell_create(&shell, &options);
    if (result == 0)
        result = shell_run_text(shell, "/tmp/x.conf", program, sizeof program - 1, &error);
    if (result == 0)
        result = shell_echo(shell, "A", value);
    return result;
}

static void an_evaluation_survives_each_failure_of_memory(void)
{
    if (!memory_can_fail) {
        tap_skip("an evaluation survives each failure of memory",
                 "sanitizers have their own memory");
        return;
    }
    auto_text struct text value = TEXT_INIT;
    if (!CHECK(evaluate(&value) == 0 && strcmp(value.bytes, expected) == 0,
               "with memory it comes out right")) {
        printf("# %s\n", value.bytes ? value.bytes : "");
        return;
    }
    /* A child of ours that runs out of memory is a failed command, nothing more: the evaluation may
     * come to its end then with another value. */
    long allocations = 0;
    bool right = true;
    bool done = false;
    for (; !done && right && allocations < 5000; allocations++) {
        text_free(&value);
        memory_fail_after(allocations);
        int result = evaluate(&value);
        bool failed = memory_has_failed();
        right = result == -ENOMEM || (result == 0 && !failed);
        done = right && result == 0 && strcmp(value.bytes, expected) == 0;
        if (!right)
            printf("# allocation %ld: %d %s\n", allocations, result,
                   value.bytes ? value.bytes : "");
    }
    CHECK(right && done && allocations > 100, "without, it fails (%ld allocations)", allocations);
}

static void parameters_survive_each_failure_of_memory(void)
{
    if (!memory_can_fail) {
        tap_skip("parameters survive each failure of memory", "sanitizers have their own memory");
        return;
    }
    bool failed = true;
    bool right = true;
    for (long allocations = 0; failed && right; allocations++) {
        auto_parameters struct parameters set = PARAMETERS_INIT;
        auto_text struct text text = TEXT_INIT;
        memory_fail_after(allocations);
        int result = parameters_set(&set, "A", "a;b", "f");
        if (result == 0)
            result = parameters_set(&set, "A", "c;d", "g");
        if (result == 0)
            result = parameters_format(&set, &text);
        if (result == 0)
            result = parameters_print(&set, &text);
        auto_free char **parts = parameters_split(parameters_get(&set, "A"), ';', NULL);
        failed = memory_has_failed();
        right = failed ? result == -ENOMEM || !parts : result == 0 && parts;
    }
    CHECK(right, "parameters survive each failure of memory");
}

int main(void)
{
    an_evaluation_survives_each_failure_of_memory();
    parameters_survive_each_failure_of_memory();
    return tap_done();
}
