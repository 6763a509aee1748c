/* The shell of the configuration gives what the system's sh gives, and what it does differently is
 * tested here too. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "payload/base/file.h"
#include "payload/base/remove.h"
#include "payload/base/scope.h"
#include "payload/config/shell.h"
#include "tests/unit/shell_snippets.h"
#include "tests/unit/tap.h"

static char directory[] = "/tmp/test_shell.XXXXXX";

static void write_file(const char *name, const char *text)
{
    auto_text struct text path = TEXT_INIT;
    int result = text_printf(&path, "%s/%s", directory, name);
    if (result == 0)
        result = file_replace(AT_FDCWD, path.bytes, text, strlen(text), 0644);
    if (result < 0)
        printf("Bail out! cannot write %s\n", name);
}

static void make_files(void)
{
    if (!mkdtemp(directory))
        printf("Bail out! no directory to work in\n");
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    (void)mkdirat(fd, "sub", 0755);
    if (symlinkat("common.conf", fd, "link") < 0)
        printf("Bail out! cannot make a link\n");
    (void)close(fd);
    write_file("common.conf", "COMMON='from common'\n");
    write_file("returns.conf", "B=before\nreturn 0\nB=behind\n");
    write_file("empty", "");
    write_file("sub/1.conf", "ONE=1\n");
    write_file("sub/2.conf", "TWO=2\n. ../common.conf\n. ./1.conf\n");
}

struct outcome {
    int result;
    struct error error;
    struct error problem;
    struct text a;
};

/* Evaluates `text` as the file `file.conf` of the test directory. */
static struct outcome evaluate_with(const struct shell_options *options, const char *text)
{
    struct outcome outcome = {.error = ERROR_INIT, .a = TEXT_INIT};
    auto_text struct text file = TEXT_INIT;
    auto_shell struct shell *shell = NULL;
    outcome.result = text_printf(&file, "%s/file.conf", directory);
    if (outcome.result == 0)
        outcome.result = shell_create(&shell, options);
    if (outcome.result < 0)
        return outcome;
    outcome.result = shell_run_text(shell, file.bytes, text, strlen(text), &outcome.error);
    outcome.problem = *shell_problem(shell);
    const char *a = shell_get(shell, "A");
    (void)text_append_string(&outcome.a, a ? a : "(unset)");
    return outcome;
}

static struct outcome evaluate(const char *text)
{
    const struct shell_options options = {.environment = environ};
    return evaluate_with(&options, text);
}

/* What /bin/sh leaves in A, or NULL. The caller frees it. */
static char *ask_system_shell(const char *text)
{
    auto_text struct text program = TEXT_INIT;
    if (text_printf(&program, "%s\nprintf '%%s' \"${A-(unset)}\" >&3", text) < 0)
        return NULL;
    int ends[2];
    if (pipe(ends) < 0)
        return NULL;
    pid_t child = fork();
    if (child == 0) {
        (void)dup2(ends[1], 3);
        int nothing = open("/dev/null", O_RDWR);
        for (int i = 0; i < 3; i++)
            (void)dup2(nothing, i);
        if (chdir(directory) == 0)
            (void)execl("/bin/sh", "sh", "-c", program.bytes, (char *)NULL);
        _exit(127);
    }
    (void)close(ends[1]);
    char *answer = calloc(1, 4096);
    if (answer)
        (void)file_read_full(ends[0], answer, 4095);
    (void)close(ends[0]);
    (void)waitpid(child, NULL, 0);
    return answer;
}

static void every_snippet_means_what_it_should(void)
{
    const bool has_shell = access("/bin/sh", X_OK) == 0;
    for (size_t i = 0; i < sizeof snippets / sizeof *snippets; i++) {
        struct outcome outcome = evaluate(snippets[i].text);
        const bool same = outcome.result == 0 && strcmp(outcome.a.bytes, snippets[i].a) == 0;
        CHECK(same, "snippet %zu leaves what it should", i);
        if (!same)
            printf("# %s\n# gives \"%s\" instead of \"%s\" (%s)\n", snippets[i].text,
                   outcome.a.bytes, snippets[i].a, outcome.error.message);
        text_free(&outcome.a);
        if (!has_shell)
            continue;
        auto_free char *expected = ask_system_shell(snippets[i].text);
        if (!expected || strcmp(expected, snippets[i].a) != 0) {
            CHECK(false, "the system's sh agrees about snippet %zu", i);
            printf("# %s\n# sh gives \"%s\"\n", snippets[i].text, expected ? expected : "");
        }
    }
    if (!has_shell)
        tap_skip("the system's sh agrees about all snippets", "no /bin/sh here");
}

static void leaves(const char *text, const char *a, const char *sentence)
{
    struct outcome outcome = evaluate(text);
    if (!CHECK(outcome.result == 0 && strcmp(outcome.a.bytes, a) == 0, "%s", sentence))
        printf("# gives \"%s\" (%s)\n", outcome.a.bytes, outcome.error.message);
    text_free(&outcome.a);
}

/* The evaluation ends at that line with these words in its message, and A is what it was then. */
static void ends_at(const char *text, const char *line, const char *words, const char *a)
{
    struct outcome outcome = evaluate(text);
    bool named = strstr(outcome.error.message, line) && strstr(outcome.error.message, words);
    if (!CHECK(outcome.result < 0 && named && strcmp(outcome.a.bytes, a) == 0,
               "an evaluation ends and says \"%s %s\"", line, words))
        printf("# %d %s, A is %s\n", outcome.result, outcome.error.message, outcome.a.bytes);
    text_free(&outcome.a);
}

static void a_file_that_is_no_shell_is_named_with_its_line(void)
{
    ends_at("A=1\nif [ x ]; then\nA=2\n", "file.conf:4:", "the file ends", "1");
    ends_at("A=1\n\nfi\nA=2\n", "file.conf:3:", "\"fi\" unexpected", "1");
    ends_at("A=1\nB=\"open\nA=3\n", "file.conf:2:", "do not end", "1");
    ends_at("A=1\nB=$(echo x\n", "file.conf:2:", "do not end", "1");
    ends_at("A=1\nA=2 )\n", "file.conf:2:", "\")\" unexpected", "1");
    ends_at("A=1\ncase x in\ny) A=2\n", "file.conf:4:", "the file ends", "1");
    ends_at("A=1\nfor 1x in a; do :; done\n", "file.conf:2:", "unexpected", "1");
    ends_at("A=1\n[[ a = b\nA=2\n", "file.conf:3:", "\"A=2\" unexpected", "1");
    ends_at("A=1\n[[ a =~ b ]]\n", "file.conf:2:", "=~", "1");
    ends_at("A=1\nfunction 1x { :; }\n", "file.conf:2:", "unexpected", "1");
    ends_at("A=1\nsleep 1 &\n", "file.conf:2:", "background", "1");
    ends_at("A=1\ncat <<X\nX\n", "file.conf:2:", "here-documents", "1");
    ends_at("A=1\n{ A=2; \n", "file.conf:3:", "the file ends", "1");
    ends_at("A=1\n;;\n", "file.conf:2:", "\";;\" unexpected", "1");
    ends_at("A=1\n&& A=2\n", "file.conf:2:", "\"&&\" unexpected", "1");
    ends_at("A=1\nif true; then fi\n", "file.conf:2:", "\"fi\" unexpected", "1");
}

static void a_command_that_cannot_go_on_is_named_with_its_line(void)
{
    ends_at("A=1\nB=${C:?is missing}\nA=2", "file.conf:2:", "C: is missing", "1");
    ends_at("A=1\n\nB=$((1 / 0))", "file.conf:3:", "division by zero", "1");
    ends_at("A=1\nB=$((1 +))", "file.conf:2:", "number expected", "1");
    ends_at("A=1\nC=x; B=$((C + 1))", "file.conf:2:", "no number", "1");
    ends_at("A=1\nB=${A//x/y}", "file.conf:2:", "bad substitution", "1");
    ends_at("A=1\nf() {\n B=${C?gone}\n}\nf\n", "file.conf:3:", "C: gone", "1");
}

static void an_endless_evaluation_comes_to_an_end(void)
{
    ends_at("A=1\nwhile true; do :; done", "file.conf:2:", "does not come to an end", "1");
    ends_at("A=1\nf() { f; }\nf", "file.conf:2:", "nested too deeply", "1");
    ends_at("A=1\n. ./file.conf; eval 'eval \"$0\"'\nB=x\nwhile :; do B=$B$B; done",
            "file.conf:4:", "longer than", "1");
    write_file("loop.conf", "LOOP=1\n. ./loop.conf\n");
    ends_at("A=1\n. ./loop.conf", "loop.conf:", "nested too deeply", "1");

    auto_text struct text deep = TEXT_INIT;
    (void)text_append_string(&deep, "A=1\n");
    for (int i = 0; i < 5000; i++)
        (void)text_append_string(&deep, "if ");
    ends_at(deep.bytes, "file.conf:2:", "nested too deeply", "1");
    text_free(&deep);
    (void)text_append_string(&deep, "A=1\n[[ ");
    for (int i = 0; i < 5000; i++)
        (void)text_append_string(&deep, "( ! ");
    ends_at(deep.bytes, "file.conf:2:", "nested too deeply", "1");
    text_free(&deep);
    (void)text_append_string(&deep, "A=1\nB=");
    for (int i = 0; i < 5000; i++)
        (void)text_append_string(&deep, "${B:-");
    ends_at(deep.bytes, "file.conf:2:", "nested too deeply", "1");
    text_free(&deep);
    (void)text_append_string(&deep, "A=1\nB=$((");
    for (int i = 0; i < 5000; i++)
        (void)text_append_string(&deep, "(");
    for (int i = 0; i < 5000; i++)
        (void)text_append_string(&deep, ")");
    (void)text_append_string(&deep, "))");
    ends_at(deep.bytes, "file.conf:2:", "nested too deeply", "1");
}

static void a_long_chain_of_elif_is_no_nesting(void)
{
    auto_text struct text chain = TEXT_INIT;
    (void)text_append_string(&chain, "if false; then :\n");
    for (int i = 0; i < 2000; i++)
        (void)text_append_string(&chain, "elif false; then :\n");
    (void)text_append_string(&chain, "else A=last; fi\n");
    leaves(chain.bytes, "last", "the last of 2000 branches is reached");
}

static void a_problem_does_not_end_the_file(void)
{
    struct outcome outcome = evaluate("A=1\n. ./nothing.conf\nA=2\n");
    CHECK(outcome.result == 0 && strcmp(outcome.a.bytes, "2") == 0 &&
              strstr(outcome.problem.message, "file.conf:2: cannot read"),
          "a missing file behind . is a problem with its line");
    text_free(&outcome.a);
    outcome = evaluate("readonly A=1\nA=2\nB=3");
    CHECK(outcome.result == 0 && strcmp(outcome.a.bytes, "1") == 0 &&
              strstr(outcome.problem.message, "file.conf:2: A is readonly"),
          "an assignment to a readonly name is a problem with its line");
    text_free(&outcome.a);
    outcome = evaluate("no-such-program-here\nA=$?");
    CHECK(outcome.result == 0 && strcmp(outcome.a.bytes, "127") == 0 &&
              strstr(outcome.problem.message, "file.conf:1: no-such-program-here: not found"),
          "a missing program is a problem with its line");
    text_free(&outcome.a);
    outcome = evaluate("[ 1 -eq x ]\nA=$?");
    CHECK(outcome.result == 0 && strcmp(outcome.a.bytes, "2") == 0 && outcome.problem.code,
          "a condition that is none is a problem");
    text_free(&outcome.a);
}

static void what_sh_on_other_systems_knows_works_too(void)
{
    leaves("A=1; exit; A=2", "1", "exit ends a file and not its caller");
    leaves("source ./common.conf; A=$COMMON", "from common", "source is another word for .");
    leaves("A=x; A+=y", "xy", "+= appends");
    leaves("[ a == a ] && A=equal", "equal", "== compares");
    leaves("[ \"$UID\" = \"$(id -u)\" ] && A=same", "same", "UID is the user's");
    leaves("[ \"$HOSTNAME\" = \"$(uname -n)\" ] && A=same", "same", "HOSTNAME is the host's");
    leaves("B='a b'; [[ $B == a* && $B != \"a*\" ]] && A=pattern", "pattern",
           "[[ ]] compares with patterns, unless they are quoted, and splits nothing");
    leaves("[[ -n x || -n '' && -z x ]] && A=or", "or", "in [[ ]] && binds more than ||");
    leaves("if [[ ! ( -f nothing || 2 -gt 3 ) ]]; then A=not; fi", "not", "it has ! and groups");
    leaves("[[ a < b ]] && [[ 'b' > a ]] && A=order", "order", "it has an order of words");
    leaves("[[ $NOTHING ]] || A=empty", "empty", "one word alone holds when it is not empty");
    leaves("function f { A=$1; }; f x; function g() { A=${A}y; }; g", "xy", "function declares");
    leaves("A=0; for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 "
           "28 29 30 31 32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55; "
           "do A=$((A | (1 << (RANDOM % 2)))); done",
           "3", "RANDOM spreads over both of two servers");
    leaves("RANDOM=4; A=$((RANDOM % 3))$RANDOM", "14", "RANDOM can be assigned");
}

static void a_sourced_file_finds_its_neighbours(void)
{
    write_file("1.conf", "ONE=outer\n");
    leaves(". ./sub/2.conf; A=$ONE", "outer",
           "a name is looked up from the directory of the outermost file");
    leaves(". ./sub/2.conf; A=$COMMON", "from common", "and from that of the file which sources");
}

static void standard_output_is_closed_to_a_file(void)
{
    int ends[2];
    if (!CHECK(pipe(ends) == 0, "a pipe"))
        return;
    (void)fflush(stdout);
    int saved = dup(STDOUT_FILENO);
    (void)dup2(ends[1], STDOUT_FILENO);
    struct outcome outcome = evaluate("echo loud; uname; printf x | cat; A=$(cat)");
    (void)dup2(saved, STDOUT_FILENO);
    (void)close(saved);
    (void)close(ends[1]);
    char byte;
    CHECK(read(ends[0], &byte, 1) == 0, "neither builtins nor programs reach stdout");
    CHECK(strcmp(outcome.a.bytes, "") == 0, "and stdin is empty");
    (void)close(ends[0]);
    text_free(&outcome.a);
}

static void literal_paths_are_relocated(void)
{
    static const struct shell_relocation relocations[] = {{"/etc", "/d/etc", NULL},
                                                          {"/cvmfs", "/d/cvmfs", "KEPT"}};
    const struct shell_options options = {.environment = environ,
                                          .relocations = relocations,
                                          .relocation_count = 2,
                                          .relocated = "/d"};
    static const struct {
        const char *text;
        const char *a;
    } cases[] = {
        {"A=/etc/x", "/d/etc/x"},
        {"A=/etc", "/d/etc"},
        {"A=\"/etc/x y\"", "/d/etc/x y"},
        {"A='/etc'/x", "/d/etc/x"},
        {"A=/etcetera", "/etcetera"},
        {"A=/cvmfsexec-other", "/cvmfsexec-other"},
        {"A=x/etc", "x/etc"},
        {"A=http://h/etc", "http://h/etc"},
        {"A=file:///etc/x", "file:///etc/x"},
        {"A=/etc/a:/etc/b:/x", "/d/etc/a:/d/etc/b:/x"},
        {"B=/cvmfs; A=$B/x", "/d/cvmfs/x"},
        {"B=/e; A=${B}tc/x", "/etc/x"},
        {"export A=/cvmfs/x", "/d/cvmfs/x"},
        {"readonly A=\"/cvmfs\"", "/d/cvmfs"},
        {": ${A:=/etc/x}", "/d/etc/x"},
        {": ${A=\"/etc/x\"}", "/d/etc/x"},
        {"A=${B:-/etc/x}", "/d/etc/x"},
        {"A=/d/etc/x", "/d/etc/x"},
        {"KEPT=/cvmfs/x; A=$KEPT", "/cvmfs/x"},
        {"KEPT=/etc/x; A=$KEPT", "/d/etc/x"},
        {"[ /etc/passwd = /etc/passwd ] && A=same", "same"},
        {"A=x; A=\"$A:/etc\"", "x:/etc"},
        {"eval 'A=/etc/x'", "/d/etc/x"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct outcome outcome = evaluate_with(&options, cases[i].text);
        if (!CHECK(strcmp(outcome.a.bytes, cases[i].a) == 0, "%s relocates to %s", cases[i].text,
                   cases[i].a))
            printf("# gives %s\n", outcome.a.bytes);
        text_free(&outcome.a);
    }
}

static void a_path_of_a_command_is_that_of_the_dist_tree_where_it_is_there(void)
{
    auto_text struct text etc = TEXT_INIT;
    (void)text_printf(&etc, "%s/sub", directory);
    const struct shell_relocation relocations[] = {{"/etc", etc.bytes, NULL}};
    const struct shell_options options = {.environment = environ,
                                          .relocations = relocations,
                                          .relocation_count = 1,
                                          .relocated = directory};
    struct outcome outcome = evaluate_with(&options, ". /etc/1.conf; A=$ONE");
    CHECK(strcmp(outcome.a.bytes, "1") == 0, "a file is sourced from the tree");
    text_free(&outcome.a);
    outcome = evaluate_with(&options, "[ -f /etc/1.conf ] && [ ! -f /etc/3.conf ] && A=yes");
    CHECK(strcmp(outcome.a.bytes, "yes") == 0, "a file of the tree exists");
    text_free(&outcome.a);
    outcome = evaluate_with(&options, "[ -d /etc/.. ] && [ -f /etc/passwd ] && A=yes");
    CHECK(strcmp(outcome.a.bytes, "yes") == 0, "and so does one of the system");
    text_free(&outcome.a);
}

static void echo_prints_what_a_client_will_read(void)
{
    const struct shell_options options = {.environment = environ};
    auto_shell struct shell *shell = NULL;
    auto_text struct text file = TEXT_INIT;
    auto_text struct text value = TEXT_INIT;
    (void)text_printf(&file, "%s/file.conf", directory);
    static const char program[] = "A='  a   b\n c '; B='sub/*'; C='no*thing'";
    if (!CHECK(shell_create(&shell, &options) == 0 &&
                   shell_run_text(shell, file.bytes, program, strlen(program), NULL) == 0,
               "a shell evaluates"))
        return;
    CHECK(shell_echo(shell, "A", &value) == 0 && strcmp(value.bytes, "a b c") == 0,
          "blanks are folded");
    text_free(&value);
    CHECK(shell_echo(shell, "B", &value) == 0 && strcmp(value.bytes, "sub/1.conf sub/2.conf") == 0,
          "patterns are names of files");
    text_free(&value);
    CHECK(shell_echo(shell, "C", &value) == 0 && strcmp(value.bytes, "no*thing") == 0,
          "where there are any");
    text_free(&value);
    CHECK(shell_echo(shell, "D", &value) == 0 && value.length == 0, "nothing is nothing");
}

static void without_processes_everything_else_works(void)
{
    const struct shell_options options = {.no_processes = true};
    struct outcome outcome =
        evaluate_with(&options, "A=$(echo x); uname; B=${A:-none}; (B=y); echo z >written2; "
                                "[ -e written2 ] || A=$B");
    CHECK(outcome.result == 0 && strcmp(outcome.a.bytes, "none") == 0,
          "what needs a process has no output and nothing is written");
    text_free(&outcome.a);
}

int main(void)
{
    make_files();
    every_snippet_means_what_it_should();
    a_file_that_is_no_shell_is_named_with_its_line();
    a_command_that_cannot_go_on_is_named_with_its_line();
    an_endless_evaluation_comes_to_an_end();
    a_long_chain_of_elif_is_no_nesting();
    a_problem_does_not_end_the_file();
    what_sh_on_other_systems_knows_works_too();
    a_sourced_file_finds_its_neighbours();
    standard_output_is_closed_to_a_file();
    literal_paths_are_relocated();
    a_path_of_a_command_is_that_of_the_dist_tree_where_it_is_there();
    echo_prints_what_a_client_will_read();
    without_processes_everything_else_works();
    (void)directory_remove(AT_FDCWD, directory);
    return tap_done();
}
