/* The grammar of the POSIX shell by recursive descent, without background commands and
 * here-documents, which a configuration file has no use for. Expands and runs nothing. */
#include "payload/config/shell_parser.h"

#include <errno.h>

#include "payload/config/shell_parser_condition.h"
#include "payload/config/shell_parser_tokens.h"

static int parse_list(struct parser *parser, struct node **list);
static int parse_command(struct parser *parser, struct node **command);

static bool at_redirection(const struct parser *parser)
{
    return parser->token.kind == TOKEN_DESCRIPTOR || parser->token.kind >= TOKEN_INPUT;
}

static int parse_redirection(struct parser *parser, struct redirection **made)
{
    struct redirection *redirection = parser_take(parser, sizeof *redirection);
    if (!redirection)
        return -ENOMEM;
    redirection->descriptor = -1;
    int result = 0;
    if (parser->token.kind == TOKEN_DESCRIPTOR) {
        redirection->descriptor = parser->token.length == 1 ? parser->token.text[0] - '0' : 10;
        result = parser_advance(parser);
        if (result < 0)
            return result;
    }
    static const struct {
        enum redirection_kind kind;
        int descriptor;
    } kinds[] = {
        [TOKEN_INPUT] = {REDIRECT_INPUT, 0},
        [TOKEN_OUTPUT] = {REDIRECT_OUTPUT, 1},
        [TOKEN_CLOBBER] = {REDIRECT_OUTPUT, 1},
        [TOKEN_APPEND] = {REDIRECT_APPEND, 1},
        [TOKEN_DUPLICATE_INPUT] = {REDIRECT_DUPLICATE, 0},
        [TOKEN_DUPLICATE_OUTPUT] = {REDIRECT_DUPLICATE, 1},
    };
    if (parser->token.kind >= sizeof kinds / sizeof *kinds)
        return parser_fail(parser, "here-documents and <> are not supported");
    redirection->kind = kinds[parser->token.kind].kind;
    if (redirection->descriptor < 0)
        redirection->descriptor = kinds[parser->token.kind].descriptor;
    result = parser_advance(parser);
    if (result < 0)
        return result;
    if (parser->token.kind != TOKEN_WORD)
        return parser_fail_at_token(parser);
    redirection->target =
        (struct word){.text = parser->token.text, .length = parser->token.length, .next = NULL};
    *made = redirection;
    return parser_advance(parser);
}

static int parse_redirections(struct parser *parser, struct redirection **list)
{
    while (*list)
        list = &(*list)->next;
    int result = 0;
    while (result == 0 && at_redirection(parser)) {
        result = parse_redirection(parser, list);
        if (result == 0)
            list = &(*list)->next;
    }
    return result;
}

static int take_parentheses(struct parser *parser)
{
    int result = parser_advance(parser);
    if (result == 0 && parser->token.kind != TOKEN_CLOSE)
        result = parser_fail_at_token(parser);
    return result < 0 ? result : parser_advance(parser);
}

/* What is behind NAME, which is taken: ( ) command. Behind "function" it may do without the
 * parentheses. */
static int parse_function(struct parser *parser, const struct word *name, struct node **made)
{
    if (name_length(name->text, name->length) != name->length)
        return parser_fail_at_token(parser);
    int result = parser_make_node(parser, NODE_FUNCTION, made);
    if (result == 0 && parser->token.kind == TOKEN_OPEN)
        result = take_parentheses(parser);
    if (result == 0)
        result = parser_skip_newlines(parser);
    if (result < 0)
        return result;
    (*made)->name = arena_copy(parser->arena, name->text, name->length);
    if (!(*made)->name)
        return -ENOMEM;
    return parse_command(parser, &(*made)->first);
}

static int parse_named_function(struct parser *parser, struct node **made)
{
    int result = parser_advance(parser);
    if (result < 0)
        return result;
    if (parser->token.kind != TOKEN_WORD)
        return parser_fail_at_token(parser);
    const struct word name = {.text = parser->token.text, .length = parser->token.length};
    result = parser_advance(parser);
    return result < 0 ? result : parse_function(parser, &name, made);
}

static int parse_simple(struct parser *parser, struct node **made)
{
    int result = parser_make_node(parser, NODE_COMMAND, made);
    if (result < 0)
        return result;
    struct node *node = *made;
    struct word **assignments = &node->assignments;
    struct word **words = &node->words;
    while (result == 0) {
        const struct token *token = &parser->token;
        if (at_redirection(parser))
            result = parse_redirections(parser, &node->redirections);
        else if (token->kind == TOKEN_WORD && !node->words &&
                 assignment_length(token->text, token->length))
            result = parser_take_word(parser, &assignments);
        else if (token->kind == TOKEN_WORD)
            result = parser_take_word(parser, &words);
        else
            break;
    }
    if (result < 0)
        return result;
    if (parser->token.kind == TOKEN_OPEN && node->words && !node->words->next &&
        !node->assignments && !node->redirections)
        return parse_function(parser, node->words, made);
    if (!node->words && !node->assignments && !node->redirections)
        return parser_fail_at_token(parser);
    return 0;
}

/* A list that must not be empty. */
static int parse_body(struct parser *parser, struct node **list)
{
    int result = parse_list(parser, list);
    return result == 0 && !*list ? parser_fail_at_token(parser) : result;
}

/* if ... then ... {elif ... then ...} [else ...] fi. An elif is an if in the else branch. */
static int parse_if(struct parser *parser, struct node **made)
{
    for (;;) {
        int result = parser_make_node(parser, NODE_IF, made);
        if (result == 0)
            result = parser_advance(parser);
        if (result == 0)
            result = parse_body(parser, &(*made)->first);
        if (result == 0)
            result = parser_expect_word(parser, "then");
        if (result == 0)
            result = parse_body(parser, &(*made)->second);
        if (result < 0)
            return result;
        if (parser_at_word(parser, "elif")) {
            made = &(*made)->third;
            continue;
        }
        if (parser_at_word(parser, "else")) {
            result = parser_advance(parser);
            if (result == 0)
                result = parse_body(parser, &(*made)->third);
        }
        return result < 0 ? result : parser_expect_word(parser, "fi");
    }
}

static int parse_do_done(struct parser *parser, struct node **body)
{
    int result = parser_expect_word(parser, "do");
    if (result == 0)
        result = parse_body(parser, body);
    return result < 0 ? result : parser_expect_word(parser, "done");
}

static int parse_while(struct parser *parser, struct node **made)
{
    int result =
        parser_make_node(parser, parser_at_word(parser, "while") ? NODE_WHILE : NODE_UNTIL, made);
    if (result == 0)
        result = parser_advance(parser);
    if (result == 0)
        result = parse_body(parser, &(*made)->first);
    return result < 0 ? result : parse_do_done(parser, &(*made)->second);
}

static int parse_for(struct parser *parser, struct node **made)
{
    int result = parser_make_node(parser, NODE_FOR, made);
    if (result == 0)
        result = parser_advance(parser);
    if (result < 0)
        return result;
    const struct token *token = &parser->token;
    if (token->kind != TOKEN_WORD || name_length(token->text, token->length) != token->length)
        return parser_fail_at_token(parser);
    (*made)->name = arena_copy(parser->arena, token->text, token->length);
    if (!(*made)->name)
        return -ENOMEM;
    result = parser_advance(parser);
    if (result == 0)
        result = parser_skip_newlines(parser);
    if (result == 0 && parser_at_word(parser, "in")) {
        (*made)->has_words = true;
        result = parser_advance(parser);
        struct word **end = &(*made)->words;
        while (result == 0 && parser->token.kind == TOKEN_WORD)
            result = parser_take_word(parser, &end);
        if (result == 0 && parser->token.kind != TOKEN_SEMICOLON &&
            parser->token.kind != TOKEN_NEWLINE)
            result = parser_fail_at_token(parser);
    }
    if (result == 0 && parser->token.kind == TOKEN_SEMICOLON)
        result = parser_advance(parser);
    if (result == 0)
        result = parser_skip_newlines(parser);
    return result < 0 ? result : parse_do_done(parser, &(*made)->first);
}

/* [(] pattern {| pattern} ) list [;;] */
static int parse_case_item(struct parser *parser, struct case_item **made)
{
    *made = parser_take(parser, sizeof **made);
    if (!*made)
        return -ENOMEM;
    int result = parser->token.kind == TOKEN_OPEN ? parser_advance(parser) : 0;
    struct word **end = &(*made)->patterns;
    while (result == 0) {
        if (parser->token.kind != TOKEN_WORD)
            return parser_fail_at_token(parser);
        result = parser_take_word(parser, &end);
        if (result < 0 || parser->token.kind != TOKEN_PIPE)
            break;
        result = parser_advance(parser);
    }
    if (result == 0 && parser->token.kind != TOKEN_CLOSE)
        result = parser_fail_at_token(parser);
    if (result == 0)
        result = parser_advance(parser);
    if (result == 0)
        result = parse_list(parser, &(*made)->body);
    if (result == 0 && parser->token.kind == TOKEN_CASE_END)
        result = parser_advance(parser);
    else if (result == 0 && !parser_at_word(parser, "esac"))
        result = parser_fail_at_token(parser);
    return result < 0 ? result : parser_skip_newlines(parser);
}

static int parse_case(struct parser *parser, struct node **made)
{
    int result = parser_make_node(parser, NODE_CASE, made);
    if (result == 0)
        result = parser_advance(parser);
    if (result < 0)
        return result;
    if (parser->token.kind != TOKEN_WORD)
        return parser_fail_at_token(parser);
    struct word **end = &(*made)->words;
    result = parser_take_word(parser, &end);
    if (result == 0)
        result = parser_skip_newlines(parser);
    if (result == 0)
        result = parser_expect_word(parser, "in");
    if (result == 0)
        result = parser_skip_newlines(parser);
    struct case_item **item = &(*made)->items;
    while (result == 0 && !parser_at_word(parser, "esac")) {
        result = parse_case_item(parser, item);
        if (result == 0)
            item = &(*item)->next;
    }
    return result < 0 ? result : parser_advance(parser);
}

static int parse_group(struct parser *parser, struct node **made)
{
    int result = parser_make_node(parser, NODE_GROUP, made);
    if (result == 0)
        result = parser_advance(parser);
    if (result == 0)
        result = parse_body(parser, &(*made)->first);
    return result < 0 ? result : parser_expect_word(parser, "}");
}

static int parse_subshell(struct parser *parser, struct node **made)
{
    int result = parser_make_node(parser, NODE_SUBSHELL, made);
    if (result == 0)
        result = parser_advance(parser);
    if (result == 0)
        result = parse_body(parser, &(*made)->first);
    if (result == 0 && parser->token.kind != TOKEN_CLOSE)
        result = parser_fail_at_token(parser);
    return result < 0 ? result : parser_advance(parser);
}

/* A word that cannot begin a command, because it ends or continues the compound one around. */
static bool at_reserved_ending(const struct parser *parser)
{
    static const char *const words[] = {"then", "elif", "else", "fi", "do", "done", "esac", "}"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (parser_at_word(parser, words[i]))
            return true;
    return false;
}

static int parse_compound(struct parser *parser, struct node **made)
{
    static const struct {
        const char *word;
        int (*parse)(struct parser *, struct node **);
    } compounds[] = {{"if", parse_if},        {"while", parse_while},
                     {"until", parse_while},  {"for", parse_for},
                     {"case", parse_case},    {"{", parse_group},
                     {"[[", parse_condition}, {"function", parse_named_function}};
    int (*parse)(struct parser *, struct node **) = NULL;
    for (size_t i = 0; i < sizeof compounds / sizeof *compounds; i++)
        if (parser_at_word(parser, compounds[i].word))
            parse = compounds[i].parse;
    if (parser->token.kind == TOKEN_OPEN)
        parse = parse_subshell;
    if (!parse && at_reserved_ending(parser))
        return parser_fail_at_token(parser);
    if (!parse)
        return parse_simple(parser, made);
    int result = parse(parser, made);
    return result < 0 ? result : parse_redirections(parser, &(*made)->redirections);
}

static int parse_command(struct parser *parser, struct node **command)
{
    if (parser->depth >= PARSE_DEPTH)
        return parser_fail(parser, "commands nested too deeply");
    parser->depth++;
    int result = parse_compound(parser, command);
    parser->depth--;
    return result;
}

/* [!] command {| command} */
static int parse_pipeline(struct parser *parser, struct node **made)
{
    bool negated = false;
    int result = 0;
    while (result == 0 && parser_at_word(parser, "!")) {
        negated = !negated;
        result = parser_advance(parser);
    }
    struct node *first = NULL;
    struct node **end = &first;
    while (result == 0) {
        result = parse_command(parser, end);
        if (result < 0 || parser->token.kind != TOKEN_PIPE)
            break;
        end = &(*end)->next;
        result = parser_advance(parser);
        if (result == 0)
            result = parser_skip_newlines(parser);
    }
    if (result < 0)
        return result;
    *made = first;
    if (first->next || negated) {
        result = parser_make_node(parser, NODE_PIPELINE, made);
        if (result < 0)
            return result;
        (*made)->line = first->line;
        (*made)->first = first;
        (*made)->negated = negated;
    }
    return 0;
}

static int parse_and_or(struct parser *parser, struct node **made)
{
    struct node *first = NULL;
    struct node **end = &first;
    enum connector connector = CONNECT_ALWAYS;
    for (;;) {
        int result = parse_pipeline(parser, end);
        if (result < 0)
            return result;
        (*end)->connector = connector;
        end = &(*end)->next;
        if (parser->token.kind != TOKEN_AND && parser->token.kind != TOKEN_OR)
            break;
        connector = parser->token.kind == TOKEN_AND ? CONNECT_AND : CONNECT_OR;
        result = parser_advance(parser);
        if (result == 0)
            result = parser_skip_newlines(parser);
        if (result < 0)
            return result;
    }
    *made = first;
    if (!first->next)
        return 0;
    int result = parser_make_node(parser, NODE_AND_OR, made);
    if (result < 0)
        return result;
    (*made)->line = first->line;
    (*made)->first = first;
    return 0;
}

/* Commands up to a newline; behind each one the separator it needs. */
static int parse_line(struct parser *parser, struct node ***end)
{
    int result = 0;
    while (result == 0 && (parser->token.kind == TOKEN_WORD || parser->token.kind == TOKEN_OPEN ||
                           at_redirection(parser))) {
        if (at_reserved_ending(parser))
            return 0;
        result = parse_and_or(parser, *end);
        if (result < 0)
            return result;
        *end = &(**end)->next;
        if (parser->token.kind == TOKEN_BACKGROUND)
            return parser_fail(parser, "commands in the background are not supported");
        if (parser->token.kind != TOKEN_SEMICOLON)
            return 0;
        result = parser_advance(parser);
    }
    return result;
}

/* Commands and newlines up to a token that can begin neither. The caller looks at that one. */
static int parse_list(struct parser *parser, struct node **list)
{
    *list = NULL;
    int result = parser_skip_newlines(parser);
    while (result == 0) {
        result = parse_line(parser, &list);
        if (result < 0 || parser->token.kind != TOKEN_NEWLINE)
            break;
        result = parser_skip_newlines(parser);
    }
    return result;
}

void parser_begin(struct parser *parser, struct arena *arena, const char *file, unsigned line,
                  const char *text, size_t length, struct error *error)
{
    *parser = (struct parser){
        .lexer = {.file = file, .text = text, .length = length, .offset = 0, .line = line},
        .arena = arena,
        .error = error,
        .token = {.kind = TOKEN_NEWLINE, .text = text, .length = 0, .line = line},
        .depth = 0};
}

int parser_next(struct parser *parser, struct node **list)
{
    *list = NULL;
    int result = parser_skip_newlines(parser);
    if (result < 0 || parser->token.kind == TOKEN_END)
        return result;
    result = parse_line(parser, &list);
    if (result < 0)
        return result;
    if (parser->token.kind != TOKEN_NEWLINE && parser->token.kind != TOKEN_END)
        return parser_fail_at_token(parser);
    return 1;
}
