/* [[ ... ]] of bash, ksh and zsh, which is sh on many systems that configuration files are written
 * on. Its operators become the nodes of lists and pipelines; only that "&&" binds more than "||" is
 * different here. No =~: a regular expression may take any time. */
#include "payload/config/shell_parser_condition.h"

#include <errno.h>

#include "payload/config/shell_parser_tokens.h"

static int parse_or(struct parser *parser, struct node **made);

static bool at_end(const struct parser *parser)
{
    return parser_at_word(parser, "]]");
}

static bool at_operand(const struct parser *parser)
{
    return parser->token.kind == TOKEN_WORD || parser->token.kind == TOKEN_DESCRIPTOR;
}

/* One to three words; "<" and ">" are operators here. */
static int parse_primary(struct parser *parser, struct node **made)
{
    int result = parser_make_node(parser, NODE_CONDITION, made);
    if (result < 0)
        return result;
    struct word **end = &(*made)->words;
    unsigned count = 0;
    while (result == 0 && count < 3 && !at_end(parser) &&
           (at_operand(parser) || (count == 1 && (parser->token.kind == TOKEN_INPUT ||
                                                  parser->token.kind == TOKEN_OUTPUT)))) {
        if (count == 1 && parser_at_word(parser, "=~"))
            return parser_fail(parser, "=~ is not supported");
        result = parser_take_word(parser, &end);
        count++;
    }
    return result == 0 && count == 0 ? parser_fail_at_token(parser) : result;
}

static int parse_group(struct parser *parser, struct node **made)
{
    if (parser->token.kind != TOKEN_OPEN)
        return parse_primary(parser, made);
    int result = parser_advance(parser);
    if (result == 0)
        result = parse_or(parser, made);
    if (result == 0 && parser->token.kind != TOKEN_CLOSE)
        result = parser_fail_at_token(parser);
    return result < 0 ? result : parser_advance(parser);
}

static int parse_factor(struct parser *parser, struct node **made)
{
    int result = parser_make_node(parser, NODE_PIPELINE, made);
    while (result == 0 && parser_at_word(parser, "!")) {
        (*made)->negated = !(*made)->negated;
        result = parser_advance(parser);
    }
    return result < 0 ? result : parse_group(parser, &(*made)->first);
}

/* Members joined by one operator. */
static int parse_members(struct parser *parser, enum token_kind operator, enum connector connector,
                         int (*parse)(struct parser *, struct node **), struct node **made)
{
    int result = parser_make_node(parser, NODE_AND_OR, made);
    if (result < 0)
        return result;
    struct node **end = &(*made)->first;
    for (;;) {
        result = parser_skip_newlines(parser);
        if (result == 0)
            result = parse(parser, end);
        if (result == 0)
            result = parser_skip_newlines(parser);
        if (result < 0)
            return result;
        (*end)->connector = end == &(*made)->first ? CONNECT_ALWAYS : connector;
        if (parser->token.kind != operator)
            return 0;
        end = &(*end)->next;
        result = parser_advance(parser);
        if (result < 0)
            return result;
    }
}

static int parse_and(struct parser *parser, struct node **made)
{
    return parse_members(parser, TOKEN_AND, CONNECT_AND, parse_factor, made);
}

static int parse_or(struct parser *parser, struct node **made)
{
    if (parser->depth >= PARSE_DEPTH)
        return parser_fail(parser, "conditions nested too deeply");
    parser->depth++;
    int result = parse_members(parser, TOKEN_OR, CONNECT_OR, parse_and, made);
    parser->depth--;
    return result;
}

int parse_condition(struct parser *parser, struct node **made)
{
    int result = parser_advance(parser);
    if (result == 0)
        result = parse_or(parser, made);
    return result < 0 ? result : parser_expect_word(parser, "]]");
}
