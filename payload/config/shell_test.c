/* Conditions, by the rules of POSIX for few arguments and by precedence (! -a -o and parentheses)
 * for more. */
#include "payload/config/shell_test.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "payload/config/shell_state.h"

struct condition {
    struct shell *shell;
    char *const *arguments;
    size_t count;
    size_t at;
    unsigned depth;
    bool failed;
    bool out_of_memory;
};

enum { NESTING = 100 };

static bool parse_or(struct condition *condition);

static size_t remaining(const struct condition *condition)
{
    return condition->count - condition->at;
}

static bool fail(struct condition *condition, const char *words, const char *argument)
{
    if (!condition->failed)
        shell_note(condition->shell, "test: %s: %s", argument, words);
    condition->failed = true;
    return false;
}

static bool is_at(const struct condition *condition, const char *text)
{
    return remaining(condition) > 0 && strcmp(condition->arguments[condition->at], text) == 0;
}

static const char *const binary_operators[] = {"=",   "==",  "!=",  "<",   ">",   "-eq", "-ne",
                                               "-lt", "-le", "-gt", "-ge", "-nt", "-ot", "-ef"};

static bool is_binary(const char *operator)
{
    for (size_t i = 0; i < sizeof binary_operators / sizeof *binary_operators; i++)
        if (strcmp(operator, binary_operators[i]) == 0)
            return true;
    return false;
}

static long long number(struct condition *condition, const char *text)
{
    char *end;
    long long value = strtoll(text, &end, 10);
    bool none = end == text;
    end += strspn(end, " \t\n");
    if (none || *end)
        (void)fail(condition, "is no number", *text ? text : "\"\"");
    return value;
}

/* The path as the process has to name it; false for an empty one, and without memory. */
static bool locate(struct condition *condition, const char *path, struct text *full)
{
    if (*path == '\0')
        return false;
    if (shell_path(condition->shell, path, full) == 0)
        return true;
    condition->out_of_memory = true;
    return false;
}

static bool find_file(struct condition *condition, const char *path, bool follow,
                      struct stat *status)
{
    auto_text struct text full = TEXT_INIT;
    if (!locate(condition, path, &full))
        return false;
    return (follow ? stat(full.bytes, status) : lstat(full.bytes, status)) == 0;
}

static bool may_access(struct condition *condition, const char *path, int how)
{
    auto_text struct text full = TEXT_INIT;
    return locate(condition, path, &full) && access(full.bytes, how) == 0;
}

static bool compare_files(struct condition *condition, const char *left, char operator,
                          const char * right)
{
    struct stat l;
    struct stat r;
    bool has_left = find_file(condition, left, true, &l);
    bool has_right = find_file(condition, right, true, &r);
    if (operator== 'e')
        return has_left && has_right && l.st_dev == r.st_dev && l.st_ino == r.st_ino;
    if (!has_left || !has_right)
        return operator== 'n' ? has_left : has_right;
    long long seconds = (long long)l.st_mtim.tv_sec - (long long)r.st_mtim.tv_sec;
    long long order = seconds ? seconds : l.st_mtim.tv_nsec - r.st_mtim.tv_nsec;
    return operator== 'n' ? order > 0 : order<0;
}

static bool binary(struct condition *condition, const char *left, const char *operator,
                   const char * right)
{
    if (operator[0] != '-') {
        int order = strcmp(left, right);
        switch (operator[0]) {
        case '=':
            return order == 0;
        case '!':
            return order != 0;
        case '<':
            return order < 0;
        default:
            return order > 0;
        }
    }
    if (strcmp(operator, "-nt") == 0 || strcmp(operator, "-ot") == 0 ||
        strcmp(operator, "-ef") == 0)
        return compare_files(condition, left, operator[1], right);
    long long l = number(condition, left);
    long long r = number(condition, right);
    switch (operator[1]) {
    case 'e':
        return l == r;
    case 'n':
        return l != r;
    case 'l':
        return operator[2] == 't' ? l < r : l <= r;
    default:
        return operator[2] == 't' ? l > r : l >= r;
    }
}

static bool is_unary(const char *operator)
{
    return operator[0] == '-' && operator[1] && !operator[2] &&
        strchr("znfdershwxLpSbcugkt", operator[1]);
}

static bool has_mode(struct condition *condition, char operator, const char * path)
{
    struct stat status;
    if (!find_file(condition, path, operator!= 'L' && operator!= 'h', &status))
        return false;
    switch (operator) {
    case 'e':
        return true;
    case 'f':
        return S_ISREG(status.st_mode);
    case 'd':
        return S_ISDIR(status.st_mode);
    case 's':
        return status.st_size > 0;
    case 'L':
    case 'h':
        return S_ISLNK(status.st_mode);
    case 'p':
        return S_ISFIFO(status.st_mode);
    case 'S':
        return S_ISSOCK(status.st_mode);
    case 'b':
        return S_ISBLK(status.st_mode);
    case 'c':
        return S_ISCHR(status.st_mode);
    case 'u':
        return status.st_mode & S_ISUID;
    case 'g':
        return status.st_mode & S_ISGID;
    default:
        return status.st_mode & S_ISVTX;
    }
}

static bool unary(struct condition *condition, char operator, const char * operand)
{
    switch (operator) {
    case 'z':
        return *operand == '\0';
    case 'n':
        return *operand != '\0';
    case 'r':
        return may_access(condition, operand, R_OK);
    case 'w':
        return may_access(condition, operand, W_OK);
    case 'x':
        return may_access(condition, operand, X_OK);
    case 't':
        (void)number(condition, operand);
        return false; /* the standard streams of a configuration are no terminal */
    default:
        return has_mode(condition, operator, operand);
    }
}

static bool parse_primary(struct condition *condition)
{
    char *const *arguments = condition->arguments + condition->at;
    const size_t left = remaining(condition);
    if (left == 0)
        return fail(condition, "an operand is missing behind it",
                    condition->at ? condition->arguments[condition->at - 1] : "test");
    if (left >= 3 && is_binary(arguments[1])) {
        condition->at += 3;
        return binary(condition, arguments[0], arguments[1], arguments[2]);
    }
    if (left >= 2 && strcmp(arguments[0], "(") == 0) {
        condition->at++;
        bool value = parse_or(condition);
        if (!is_at(condition, ")"))
            return fail(condition, "no \")\" for it", "(");
        condition->at++;
        return value;
    }
    if (left >= 2 && is_unary(arguments[0])) {
        condition->at += 2;
        return unary(condition, arguments[0][1], arguments[1]);
    }
    condition->at++;
    return arguments[0][0] != '\0';
}

static bool parse_not(struct condition *condition)
{
    bool inverted = false;
    while (is_at(condition, "!") && remaining(condition) >= 2 &&
           !(remaining(condition) >= 3 && is_binary(condition->arguments[condition->at + 1]))) {
        inverted = !inverted;
        condition->at++;
    }
    return parse_primary(condition) != inverted;
}

static bool parse_and(struct condition *condition)
{
    bool value = parse_not(condition);
    while (!condition->failed && is_at(condition, "-a")) {
        condition->at++;
        bool right = parse_not(condition);
        value = value && right;
    }
    return value;
}

static bool parse_or(struct condition *condition)
{
    if (++condition->depth > NESTING)
        return fail(condition, "nested too deeply", "(");
    bool value = parse_and(condition);
    while (!condition->failed && is_at(condition, "-o")) {
        condition->at++;
        bool right = parse_and(condition);
        value = value || right;
    }
    condition->depth--;
    return value;
}

int shell_test(struct shell *shell, char *const *arguments, size_t count)
{
    if (count == 0)
        return 1;
    struct condition condition = {.shell = shell, .arguments = arguments, .count = count};
    bool value = parse_or(&condition);
    if (!condition.failed && remaining(&condition))
        (void)fail(&condition, "unexpected", arguments[condition.at]);
    if (condition.out_of_memory)
        return -ENOMEM;
    return condition.failed ? 2 : !value;
}
