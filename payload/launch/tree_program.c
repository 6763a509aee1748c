/* Words and environment for the loader. */
#include "payload/launch/tree_program.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "payload/base/scope.h"
#include "payload/base/text.h"
#include "payload/launch/interpreter.h"

/* A loader that cannot be told argv[0] has the namer beside it. That is looked for along the
 * library path, so that the name of the tree may have blanks and colons in it. */
static int preload_namer(const struct tree_program *program)
{
    return setenv("LD_PRELOAD", TREE_PROGRAM_NAMER, 1) < 0 ||
                   setenv(TREE_PROGRAM_NAME, program->name, 1) < 0
               ? -ENOMEM
               : 0;
}

static int set_environment(const struct tree_program *program, const char *library_path,
                           bool own_loader, bool preloaded)
{
    int failures = unsetenv("LD_PRELOAD") < 0;
    failures += unsetenv("LD_AUDIT") < 0;
    if (own_loader)
        failures += unsetenv("LD_LIBRARY_PATH") < 0;
    else
        failures += setenv("LD_LIBRARY_PATH", library_path, 1) < 0;
    if (failures)
        return -ENOMEM;
    return preloaded ? preload_namer(program) : 0;
}

/* Puts the words before the arguments: how many, at most WORDS_BEFORE. */
#define WORDS_BEFORE 6
static size_t put_words(const struct tree_program *program, const char *loader,
                        const char *library_path, bool preloaded, const char **words)
{
    size_t count = 0;
    if (!loader) {
        words[count++] = program->plain_name;
        return count;
    }
    words[count++] = loader;
    words[count++] = "--library-path";
    words[count++] = library_path;
    if (!preloaded) {
        words[count++] = TREE_PROGRAM_OPTION;
        words[count++] = program->name;
    }
    words[count++] = program->path;
    return count;
}

/* Appends how the loader is told the tree. It cuts its path at ':' and ';', which cannot be quoted;
 * but what it puts in the place of "$ORIGIN", the directory of the program, it takes as it is:
 * ld.so(8). */
static int append_tree(const struct tree_program *program, struct text *tree)
{
    const size_t length = strlen(program->dist);
    if (!strpbrk(program->dist, ":;") || strncmp(program->path, program->dist, length) != 0)
        return text_append_string(tree, program->dist);
    int result = text_append_string(tree, "$ORIGIN");
    const char *slash = strchr(program->path + length, '/');
    while (result == 0 && slash && (slash = strchr(slash + 1, '/')))
        result = text_append_string(tree, "/..");
    return result;
}

int tree_program_execute(const struct tree_program *program, const char *const *arguments)
{
    auto_text struct text libraries = TEXT_INIT;
    auto_text struct text namer = TEXT_INIT;
    auto_text struct text tree = TEXT_INIT;
    auto_text struct text library_path = TEXT_INIT;
    auto_free char *loader = NULL;
    if (text_printf(&libraries, "%s/usr/lib64", program->dist) < 0 ||
        text_printf(&namer, "%s/" TREE_PROGRAM_NAMER, libraries.bytes) < 0 ||
        append_tree(program, &tree) < 0 ||
        text_printf(&library_path, "%s/usr/lib64:%s/lib64:%s/usr/lib", tree.bytes, tree.bytes,
                    tree.bytes) < 0)
        return -ENOMEM;
    int result = interpreter_find(program->path, libraries.bytes, &loader);
    const bool preloaded = result == 0 && loader && access(namer.bytes, F_OK) == 0;
    if (result == 0)
        result = set_environment(program, library_path.bytes, loader != NULL, preloaded);
    if (result < 0)
        return result;
    size_t count = 0;
    while (arguments[count])
        count++;
    auto_free const char **words = calloc(WORDS_BEFORE + count + 1, sizeof *words);
    if (!words)
        return -ENOMEM;
    const size_t before = put_words(program, loader, library_path.bytes, preloaded, words);
    memcpy(words + before, arguments, count * sizeof *words);
    /* execv(3) promises to leave the words alone, its type cannot say so. */
    (void)execv(loader ? loader : program->path, (char *const *)(void *)words);
    return -errno;
}
