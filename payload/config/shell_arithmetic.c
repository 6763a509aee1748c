/* Formulas by precedence climbing over their text. Numbers wrap, as they do in every shell. */
#include "payload/config/shell_arithmetic.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "payload/base/scope.h"
#include "payload/config/shell_state.h"

struct formula {
    struct shell *shell;
    const char *at;
    unsigned skipped; /* > 0: in the part of && || ?: that does not count */
};

enum operation {
    OR_ELSE,
    AND_ALSO,
    OR,
    XOR,
    AND,
    EQUAL,
    UNEQUAL,
    LESS_EQUAL,
    GREATER_EQUAL,
    SHIFT_LEFT,
    SHIFT_RIGHT,
    LESS,
    GREATER,
    ADD,
    SUBTRACT,
    MULTIPLY,
    DIVIDE,
    REMAINDER,
};

static const struct {
    const char *text;
    enum operation operation;
    unsigned precedence; /* 1 binds least */
} operators[] = {
    /* longer ones first */
    {"||", OR_ELSE, 1},    {"&&", AND_ALSO, 2},    {"==", EQUAL, 6},      {"!=", UNEQUAL, 6},
    {"<<", SHIFT_LEFT, 8}, {">>", SHIFT_RIGHT, 8}, {"<=", LESS_EQUAL, 7}, {">=", GREATER_EQUAL, 7},
    {"|", OR, 3},          {"^", XOR, 4},          {"&", AND, 5},         {"<", LESS, 7},
    {">", GREATER, 7},     {"+", ADD, 9},          {"-", SUBTRACT, 9},    {"*", MULTIPLY, 10},
    {"/", DIVIDE, 10},     {"%", REMAINDER, 10},
};

enum { OPERATORS = sizeof operators / sizeof *operators };

static int parse_assignment(struct formula *formula, long long *value);

static int fail(struct formula *formula, const char *words)
{
    return shell_fail(formula->shell, -EINVAL, "arithmetic: %s near \"%.40s\"", words, formula->at);
}

static void skip_blanks(struct formula *formula)
{
    formula->at += strspn(formula->at, " \t\n\r");
}

static bool take(struct formula *formula, const char *text)
{
    skip_blanks(formula);
    if (!string_starts_with(formula->at, text))
        return false;
    formula->at += strlen(text);
    return true;
}

static int variable_value(struct formula *formula, const char *name, long long *value)
{
    const char *text = shell_get(formula->shell, name);
    *value = 0;
    if (!text && strcmp(name, "RANDOM") == 0) {
        *value = shell_random(formula->shell);
        return 0;
    }
    if (!text)
        return 0;
    char *end;
    *value = strtoll(text, &end, 0);
    end += strspn(end, " \t\n");
    return *end ? fail(formula, "a variable that is no number") : 0;
}

static int apply(struct formula *formula, enum operation operation, long long left, long long right,
                 long long *value)
{
    const unsigned long long l = (unsigned long long)left;
    const unsigned long long r = (unsigned long long)right;
    switch (operation) {
    case OR_ELSE:
        *value = left || right;
        return 0;
    case AND_ALSO:
        *value = left && right;
        return 0;
    case OR:
        *value = left | right;
        return 0;
    case XOR:
        *value = left ^ right;
        return 0;
    case AND:
        *value = left & right;
        return 0;
    case EQUAL:
        *value = left == right;
        return 0;
    case UNEQUAL:
        *value = left != right;
        return 0;
    case LESS_EQUAL:
        *value = left <= right;
        return 0;
    case GREATER_EQUAL:
        *value = left >= right;
        return 0;
    case SHIFT_LEFT:
        *value = (long long)(l << (r & 63));
        return 0;
    case SHIFT_RIGHT:
        *value = left >> (r & 63);
        return 0;
    case LESS:
        *value = left < right;
        return 0;
    case GREATER:
        *value = left > right;
        return 0;
    case ADD:
        *value = (long long)(l + r);
        return 0;
    case SUBTRACT:
        *value = (long long)(l - r);
        return 0;
    case MULTIPLY:
        *value = (long long)(l * r);
        return 0;
    case DIVIDE:
    case REMAINDER:
        break;
    }
    *value = 0;
    if (formula->skipped)
        return 0;
    if (right == 0)
        return fail(formula, "division by zero");
    if (right == -1) /* the least number has no counterpart */
        *value = operation == DIVIDE ? (long long)(0 - l) : 0;
    else
        *value = operation == DIVIDE ? left / right : left % right;
    return 0;
}

static int parse_number(struct formula *formula, long long *value)
{
    char *end;
    *value = (long long)strtoull(formula->at, &end, 0);
    if (end == formula->at)
        return fail(formula, "a number expected");
    formula->at = end;
    if (name_length(end, strlen(end)) || (*end >= '0' && *end <= '9'))
        return fail(formula, "no number");
    return 0;
}

/* NAME, NAME = formula, NAME += formula and so on. */
static int parse_variable(struct formula *formula, size_t length, long long *value)
{
    auto_free char *name = strndup(formula->at, length);
    if (!name)
        return -ENOMEM;
    formula->at += length;
    skip_blanks(formula);
    int found = -1;
    size_t operator_length = 0;
    for (int i = 0; i < OPERATORS && found < 0; i++) {
        operator_length = strlen(operators[i].text);
        if (operators[i].precedence >= 3 && operators[i].precedence != 6 &&
            operators[i].precedence != 7 && string_starts_with(formula->at, operators[i].text) &&
            formula->at[operator_length] == '=' && formula->at[operator_length + 1] != '=')
            found = i;
    }
    const bool plain = formula->at[0] == '=' && formula->at[1] != '=';
    int result = variable_value(formula, name, value);
    if ((found < 0 && !plain) || result < 0)
        return result;

    formula->at += plain ? 1 : operator_length + 1;
    long long right;
    result = parse_assignment(formula, &right);
    if (result == 0 && found >= 0)
        result = apply(formula, operators[found].operation, *value, right, value);
    else
        *value = right;
    if (result < 0 || formula->skipped)
        return result;
    char digits[32];
    (void)snprintf(digits, sizeof digits, "%lld", *value);
    return shell_assign(formula->shell, name, digits);
}

static int parse_operand(struct formula *formula, long long *value)
{
    int result = shell_enter(formula->shell);
    if (result < 0)
        return result;
    skip_blanks(formula);
    const size_t name = name_length(formula->at, strlen(formula->at));
    if (name) {
        result = parse_variable(formula, name, value);
    } else if (take(formula, "(")) {
        result = parse_assignment(formula, value);
        if (result == 0 && !take(formula, ")"))
            result = fail(formula, "\")\" expected");
    } else if (take(formula, "+")) {
        result = parse_operand(formula, value);
    } else if (take(formula, "-")) {
        result = parse_operand(formula, value);
        if (result == 0)
            *value = (long long)(0 - (unsigned long long)*value);
    } else if (take(formula, "!")) {
        result = parse_operand(formula, value);
        if (result == 0)
            *value = !*value;
    } else if (take(formula, "~")) {
        result = parse_operand(formula, value);
        if (result == 0)
            *value = ~*value;
    } else {
        result = parse_number(formula, value);
    }
    shell_leave(formula->shell);
    return result;
}

static int find_operator(struct formula *formula, unsigned least)
{
    skip_blanks(formula);
    for (int i = 0; i < OPERATORS; i++)
        if (string_starts_with(formula->at, operators[i].text))
            return operators[i].precedence >= least ? i : -1;
    return -1;
}

/* Operands joined by operators that bind as strongly as `least` or more. */
static int parse_binary(struct formula *formula, unsigned least, long long *value)
{
    int result = parse_operand(formula, value);
    for (;;) {
        const int found = result == 0 ? find_operator(formula, least) : -1;
        if (found < 0)
            return result;
        formula->at += strlen(operators[found].text);
        const enum operation operation = operators[found].operation;
        const bool decided = (operation == OR_ELSE && *value) || (operation == AND_ALSO && !*value);
        long long right;
        formula->skipped += decided;
        result = parse_binary(formula, operators[found].precedence + 1, &right);
        formula->skipped -= decided;
        if (result == 0)
            result = apply(formula, operation, *value, right, value);
    }
}

static int parse_assignment(struct formula *formula, long long *value)
{
    int result = shell_enter(formula->shell);
    if (result < 0)
        return result;
    result = parse_binary(formula, 1, value);
    if (result == 0 && take(formula, "?")) {
        const bool condition = *value != 0;
        long long first = 0;
        long long second = 0;
        formula->skipped += !condition;
        result = parse_assignment(formula, &first);
        formula->skipped -= !condition;
        if (result == 0 && !take(formula, ":"))
            result = fail(formula, "\":\" expected");
        formula->skipped += condition;
        if (result == 0)
            result = parse_assignment(formula, &second);
        formula->skipped -= condition;
        *value = condition ? first : second;
    }
    shell_leave(formula->shell);
    return result;
}

int shell_arithmetic(struct shell *shell, const char *formula_text, long long *value)
{
    struct formula formula = {.shell = shell, .at = formula_text, .skipped = 0};
    *value = 0;
    int result = shell_spend(shell, strlen(formula_text));
    skip_blanks(&formula);
    if (result < 0 || *formula.at == '\0')
        return result;
    result = parse_assignment(&formula, value);
    skip_blanks(&formula);
    if (result == 0 && *formula.at)
        result = fail(&formula, "end expected");
    return result;
}
