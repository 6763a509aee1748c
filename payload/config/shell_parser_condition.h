/* The grammar of [[ ... ]]. */
#ifndef CVMFSEXEC_CONFIG_SHELL_PARSER_CONDITION_H
#define CVMFSEXEC_CONFIG_SHELL_PARSER_CONDITION_H

#include "payload/config/shell_parser.h"

/* The token is "[[": takes everything up to and with "]]". 0 or a failure of the parser. */
int parse_condition(struct parser *parser, struct node **made);

#endif
