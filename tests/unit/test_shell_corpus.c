/* Whole files in the manner of sites and packages, tests/fuzz/corpus/shell/NAME.conf: every
 * variable that one assigns has the value that it has in dash and in bash. */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "payload/base/file.h"
#include "payload/base/scope.h"
#include "payload/base/strings.h"
#include "payload/config/assignment_names.h"
#include "payload/config/shell.h"
#include "tests/unit/tap.h"

#define CORPUS "tests/fuzz/corpus/shell/*.conf"

static char path[] = "PATH=/usr/bin:/bin";
static char *const environment[] = {path, NULL};

static const char *const shells[] = {"/bin/dash", "/bin/bash"};

static int note_names(void *context, const char *file, const char *text, size_t length)
{
    (void)file;
    struct strings *names = context;
    size_t at = 0;
    struct assignment_line line;
    int result = 0;
    while (result == 0 && assignment_next(text, length, &at, &line)) {
        auto_free char *name = strndup(line.name, line.name_length);
        if (!name || !strings_contain(names, name))
            result = strings_take(names, steal_pointer(name));
    }
    return result;
}

/* "NAME=<value>" lines of what our shell makes of the file. */
static int ask_ours(const char *file, struct strings *names, struct text *answer)
{
    auto_shell struct shell *shell = NULL;
    struct error error = ERROR_INIT;
    const struct shell_options options = {
        .environment = environment, .file_seen = note_names, .context = names};
    int result = shell_create(&shell, &options);
    if (result == 0)
        result = shell_run_file(shell, file, &error);
    if (result < 0 || shell_problem(shell)->code)
        printf("# %s\n", result < 0 ? error.message : shell_problem(shell)->message);
    for (size_t i = 0; result == 0 && i < names->count; i++) {
        const char *value = shell_get(shell, names->items[i]);
        result = text_printf(answer, "%s=<%s>\n", names->items[i], value ? value : "");
    }
    return result < 0 ? result : shell_problem(shell)->code;
}

static void execute(const char *program, const char *script, int out)
{
    int nothing = open("/dev/null", O_RDWR);
    (void)dup2(nothing, STDIN_FILENO);
    (void)dup2(nothing, STDOUT_FILENO);
    (void)dup2(out, 3);
    char *const arguments[] = {strdup(program), strdup("-c"), strdup(script), NULL};
    (void)execve(program, arguments, environment);
    _exit(127);
}

static int ask_other(const char *program, const char *file, const struct strings *names,
                     struct text *answer)
{
    auto_text struct text script = TEXT_INIT;
    int result = text_printf(&script, ". ./%s\n", file);
    for (size_t i = 0; result == 0 && i < names->count; i++)
        result = text_printf(&script, "printf '%%s=<%%s>\\n' %s \"$%s\" >&3\n", names->items[i],
                             names->items[i]);
    int ends[2];
    if (result < 0 || pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    pid_t child = fork();
    if (child == 0)
        execute(program, script.bytes, ends[1]);
    (void)close(ends[1]);
    result = file_load_fd(ends[0], 1 << 20, answer);
    (void)close(ends[0]);
    int status;
    return waitpid(child, &status, 0) < 0 || result < 0 ? -EIO : status;
}

static bool is_for(const char *program, const char *file)
{
    return !strstr(file, "bash-only") || strstr(program, "bash");
}

static void compare(const char *program, const char *file, const struct strings *names,
                    const struct text *ours)
{
    auto_text struct text theirs = TEXT_INIT;
    if (access(program, X_OK) < 0) {
        tap_skip("a shell of the system agrees about the corpus", program);
        return;
    }
    int status = ask_other(program, file, names, &theirs);
    const bool same = status == 0 && theirs.length && strcmp(theirs.bytes, ours->bytes) == 0;
    if (!CHECK(same, "%s agrees about %s", program, file))
        printf("# status %d\n# ours:\n%s# its:\n%s", status, ours->bytes,
               theirs.length ? theirs.bytes : "");
}

int main(void)
{
    glob_t files;
    if (!CHECK(glob(CORPUS, 0, NULL, &files) == 0 && files.gl_pathc >= 5, "there is a corpus"))
        return tap_done();
    for (size_t i = 0; i < files.gl_pathc; i++) {
        auto_strings struct strings names = STRINGS_INIT;
        auto_text struct text ours = TEXT_INIT;
        if (!CHECK(ask_ours(files.gl_pathv[i], &names, &ours) == 0 && names.count >= 5,
                   "%s evaluates without a problem", files.gl_pathv[i]))
            continue;
        for (size_t shell = 0; shell < sizeof shells / sizeof *shells; shell++)
            if (is_for(shells[shell], files.gl_pathv[i]))
                compare(shells[shell], files.gl_pathv[i], &names, &ours);
    }
    globfree(&files);
    return tap_done();
}
