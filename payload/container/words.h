/* Words of a command line, as a shell writes them. */
#ifndef CVMFSEXEC_CONTAINER_WORDS_H
#define CVMFSEXEC_CONTAINER_WORDS_H

#include "payload/base/strings.h"
#include "payload/base/text.h"

/* Appends the words of a line: white space ends a word; single and double quotation marks and
 * backslashes keep it from that, as in a shell. Nothing else is special. 0; -EINVAL when a
 * quotation mark has no other end; -ENOMEM. */
int words_split(const char *line, struct strings *words);

/* Appends a word so that a shell reads it as this word, quoted only if it must be. 0 or -ENOMEM. */
int word_quote(const char *word, struct text *line);

#endif
