/* Child processes of the evaluation. Each is waited for at once; none outlives the command. */
#include "payload/config/shell_process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "payload/base/file.h"
#include "payload/base/scope.h"
#include "payload/config/shell_parser.h"
#include "payload/config/shell_redirect.h"

enum { OUTPUT_LIMIT = 1 << 20 };

static int refuse_process(struct shell *shell, const char *what)
{
    shell_note(shell, "%s: no processes here", what);
    shell->status = 127;
    return 0;
}

static int fail_to_start(struct shell *shell, int code)
{
    return shell_fail(shell, code, "cannot start a process: %s", strerror(-code));
}

/* Waits for a child: its status as `$?` has it. */
static int wait_for(pid_t child)
{
    int status;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return 127; /* the caller's process ignores SIGCHLD: nobody knows */
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* In a child: runs the commands and ends. A failure of the evaluation ends it alone. */
__attribute__((noreturn)) static void run_and_exit(struct shell *shell, struct node *list)
{
    struct error error = ERROR_INIT;
    shell->error = &error;
    shell->loops = 0;
    int result = shell_run_list(shell, list);
    if (error.code && shell->descriptors[STDERR_FILENO] >= 0) {
        auto_text struct text line = TEXT_INIT;
        if (text_printf(&line, "%s\n", error.message) == 0)
            (void)file_write_full(shell->descriptors[STDERR_FILENO], line.bytes, line.length);
    }
    _exit(result < 0 ? 2 : shell->status);
}

static int make_pipe(int ends[2])
{
    int raw[2];
    if (pipe2(raw, O_CLOEXEC) < 0)
        return -errno;
    ends[0] = descriptor_move_up(raw[0]);
    ends[1] = descriptor_move_up(raw[1]);
    return ends[0] < 0 ? ends[0] : ends[1] < 0 ? ends[1] : 0;
}

/* Reads until the writers are gone; what is too long is read and dropped. */
static int read_output(int fd, struct text *output)
{
    char buffer[4096];
    for (;;) {
        ssize_t count = file_read_full(fd, buffer, sizeof buffer);
        if (count <= 0)
            return (int)count;
        if (output->length + (size_t)count <= OUTPUT_LIMIT) {
            int result = text_append(output, buffer, (size_t)count);
            if (result < 0)
                return result;
        }
    }
}

static int capture(struct shell *shell, struct node *list, struct text *output)
{
    int ends[2] = {-1, -1};
    int result = make_pipe(ends);
    auto_fd int reading = ends[0];
    auto_fd int writing = ends[1];
    if (result < 0)
        return fail_to_start(shell, result);
    pid_t child = fork();
    if (child < 0)
        return fail_to_start(shell, -errno);
    if (child == 0) {
        shell->descriptors[STDOUT_FILENO] = writing;
        run_and_exit(shell, list);
    }
    scope_close_fd(&writing);
    writing = -1;
    result = read_output(reading, output);
    shell->status = wait_for(child);
    return result < 0 ? fail_to_start(shell, result) : 0;
}

/* All commands of a text as one list. */
static int parse_all(struct shell *shell, const char *text, size_t length, struct node **list)
{
    struct parser parser;
    parser_begin(&parser, &shell->arena, shell->file, shell->line, text, length, shell->error);
    struct node **end = list;
    *list = NULL;
    for (;;) {
        int result = parser_next(&parser, end);
        if (result <= 0)
            return result;
        while (*end)
            end = &(*end)->next;
    }
}

int shell_substitute(struct shell *shell, const char *text, size_t length, unsigned mark,
                     struct expansion *expansion)
{
    struct node *list;
    shell->substituted = true;
    int result = shell_spend(shell, 256 + length);
    if (result == 0)
        result = parse_all(shell, text, length, &list);
    if (result < 0)
        return result;
    if (!list) {
        shell->status = 0;
        return 0;
    }
    if (shell->options.no_processes)
        return refuse_process(shell, "$(...)");
    auto_text struct text output = TEXT_INIT;
    result = capture(shell, list, &output);
    if (result < 0)
        return result;
    size_t kept = 0;
    for (size_t i = 0; i < output.length; i++)
        if (output.bytes[i]) /* no value holds a NUL */
            output.bytes[kept++] = output.bytes[i];
    while (kept && output.bytes[kept - 1] == '\n')
        kept--;
    return expansion_add(shell, expansion, output.bytes, kept,
                         MARK_FOREIGN | (mark & MARK_QUOTED ? MARK_QUOTED : MARK_SPLIT));
}

int shell_subshell(struct shell *shell, struct node *list)
{
    if (shell->options.no_processes)
        return refuse_process(shell, "( )");
    pid_t child = fork();
    if (child < 0)
        return fail_to_start(shell, -errno);
    if (child == 0)
        run_and_exit(shell, list);
    shell->status = wait_for(child);
    return 0;
}

/* In the child of a pipeline. */
__attribute__((noreturn)) static void run_member(struct shell *shell, struct node *member,
                                                 int input, int output)
{
    if (input >= 0)
        shell->descriptors[STDIN_FILENO] = input;
    if (output >= 0)
        shell->descriptors[STDOUT_FILENO] = output;
    member->next = NULL;
    run_and_exit(shell, member);
}

enum { PIPELINE_LIMIT = 32 };

int shell_pipeline(struct shell *shell, struct node *first)
{
    if (shell->options.no_processes)
        return refuse_process(shell, "|");
    pid_t children[PIPELINE_LIMIT];
    size_t count = 0;
    int result = 0;
    auto_fd int input = -1;
    for (struct node *member = first; result == 0 && member; member = member->next) {
        int ends[2] = {-1, -1};
        if (count == PIPELINE_LIMIT)
            result = -E2BIG;
        else if (member->next)
            result = make_pipe(ends);
        auto_fd int output = ends[1];
        pid_t child = result == 0 ? fork() : -1;
        if (child < 0) {
            result = result < 0 ? result : -errno;
            if (ends[0] >= 0)
                (void)close(ends[0]);
            break;
        }
        if (child == 0)
            run_member(shell, member, input, output);
        children[count++] = child;
        scope_close_fd(&input);
        input = ends[0];
    }
    scope_close_fd(&input);
    input = -1;
    for (size_t i = 0; i < count; i++)
        shell->status = wait_for(children[i]);
    return result < 0 ? fail_to_start(shell, result) : 0;
}

static bool is_program(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISREG(status.st_mode) && access(path, X_OK) == 0;
}

int shell_find_program(const struct shell *shell, const char *name, struct text *path)
{
    if (strchr(name, '/')) {
        int result = shell_path(shell, name, path);
        if (result < 0 || is_program(path->bytes))
            return result;
        return -ENOENT;
    }
    const char *search = shell_get(shell, "PATH");
    if (!search)
        search = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin";
    while (*name) {
        const size_t length = strcspn(search, ":");
        auto_text struct text candidate = TEXT_INIT;
        int result = text_append(&candidate, search, length);
        if (result == 0)
            result = text_printf(&candidate, "/%s", name);
        if (result < 0)
            return result;
        /* A relative one, or an empty one, would mean the process's directory. */
        if (search[0] == '/' && is_program(candidate.bytes))
            return text_append(path, candidate.bytes, candidate.length);
        if (search[length] == '\0')
            break;
        search += length + 1;
    }
    return -ENOENT;
}

/* The strings with a NULL behind them, as execve wants them. The caller frees the array alone. */
static char **make_vector(const struct strings *strings)
{
    char **vector = calloc(strings->count + 1, sizeof *vector);
    for (size_t i = 0; vector && i < strings->count; i++)
        vector[i] = strings->items[i];
    return vector;
}

/* In a child: descriptors, directory, exec. */
__attribute__((noreturn)) static void execute_program(const struct shell *shell, const char *path,
                                                      char *const *arguments,
                                                      char *const *environment)
{
    for (int i = 0; i < 3; i++) {
        int fd = shell->descriptors[i];
        if (fd < 0)
            fd = open("/dev/null", O_RDWR | O_CLOEXEC);
        if (fd == i)
            (void)fcntl(fd, F_SETFD, 0);
        else if (fd >= 0)
            (void)dup2(fd, i);
    }
    if (chdir(shell->directory) < 0 && chdir("/") < 0)
        _exit(126);
    (void)execve(path, arguments, environment);
    _exit(126);
}

int shell_execute(struct shell *shell, struct strings *arguments)
{
    const char *name = arguments->items[0];
    if (shell->options.no_processes)
        return refuse_process(shell, name);
    int result = shell_spend(shell, 4096);
    if (result < 0)
        return result;
    auto_text struct text path = TEXT_INIT;
    result = shell_find_program(shell, name, &path);
    if (result == -ENOENT) {
        shell_note(shell, "%s: not found", name);
        shell->status = 127;
        return 0;
    }
    auto_strings struct strings environment = STRINGS_INIT;
    if (result == 0)
        result = variables_environment(&shell->variables, &environment);
    auto_free char **argv = make_vector(arguments);
    auto_free char **envp = make_vector(&environment);
    if (result < 0 || !argv || !envp)
        return -ENOMEM;
    pid_t child = fork();
    if (child < 0)
        return fail_to_start(shell, -errno);
    if (child == 0)
        execute_program(shell, path.bytes, argv, envp);
    shell->status = wait_for(child);
    return 0;
}
