/* A library that is preloaded into a program and gives it the argv[0] that a variable says. For the
 * loader of glibc before 2.33, which knows no --argv0 and takes the path of the program for it.
 *
 * It needs no other library, so it can be with any. glibc hands to constructors what main will get,
 * the vectors themselves; all of it is done before any other code looks at them. The variable and
 * the one that preloads are taken away, since they are not for what the program starts. */
#include <stddef.h>

#include "payload/launch/tree_program.h"

/* What is behind "NAME=" in an entry of the environment, or NULL. */
static char *value_of(char *entry, const char *name)
{
    for (; *name; entry++, name++)
        if (*entry != *name)
            return NULL;
    return *entry == '=' ? entry + 1 : NULL;
}

__attribute__((constructor)) static void set_name(int count, char **arguments, char **environment)
{
    char *name = NULL;
    for (char **entry = environment; *entry && !name; entry++)
        name = value_of(*entry, TREE_PROGRAM_NAME);
    if (!name) /* somebody preloads it for reasons of his own */
        return;
    if (count > 0)
        arguments[0] = name;
    char **kept = environment;
    for (char **entry = environment; *entry; entry++)
        if (!value_of(*entry, TREE_PROGRAM_NAME) && !value_of(*entry, "LD_PRELOAD"))
            *kept++ = *entry;
    *kept = NULL;
}
