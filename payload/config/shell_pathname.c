/* Patterns of paths, component by component. Not glob(3), which knows no directory but the
 * process's. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "payload/base/scope.h"
#include "payload/base/text.h"
#include "payload/config/shell_pattern.h"

enum { COMPONENT_LIMIT = 32 };

struct search {
    const char *directory;
    struct strings *paths;
    unsigned components;
    int visits;
};

static bool is_pattern(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '\\')
            i++;
        else if (strchr("*?[", text[i]))
            return true;
    }
    return false;
}

static int append_unescaped(struct text *path, const char *text, size_t length)
{
    int result = 0;
    for (size_t i = 0; result == 0 && i < length; i++) {
        if (text[i] == '\\' && i + 1 < length)
            i++;
        result = text_append(path, text + i, 1);
    }
    return result;
}

/* Where a path of the result is for the process. */
static int locate(const struct search *search, const struct text *path, struct text *place)
{
    if (path->length && path->bytes[0] == '/')
        return text_append(place, path->bytes, path->length);
    return text_printf(place, "%s/%s", search->directory, path->length ? path->bytes : "");
}

static int extend(struct search *search, const struct text *path, const char *pattern);

/* All names of one directory that match the component. */
static int match_names(struct search *search, const struct text *path, const char *component,
                       const char *rest)
{
    auto_text struct text place = TEXT_INIT;
    int result = locate(search, path, &place);
    if (result < 0)
        return result;
    auto_directory DIR *directory = opendir(place.bytes);
    const struct dirent *entry;
    while (result == 0 && search->visits < PATTERN_VISITS && directory &&
           (entry = readdir(directory))) {
        search->visits++;
        if (entry->d_name[0] == '.' && component[0] != '.' &&
            !(component[0] == '\\' && component[1] == '.'))
            continue;
        if (!pattern_match(component, entry->d_name, strlen(entry->d_name)))
            continue;
        auto_text struct text longer = TEXT_INIT;
        result = text_append(&longer, path->bytes, path->length);
        if (result == 0)
            result = text_append_string(&longer, entry->d_name);
        if (result == 0)
            result = extend(search, &longer, rest);
    }
    return result;
}

/* `path` is what has been found, `pattern` what is left of it, with its leading slashes. */
static int extend(struct search *search, const struct text *path, const char *pattern)
{
    if (search->components >= COMPONENT_LIMIT)
        return 0;
    auto_text struct text longer = TEXT_INIT;
    const size_t slashes = strspn(pattern, "/");
    int result = text_append(&longer, path->bytes, path->length);
    if (result == 0)
        result = text_append(&longer, pattern, slashes);
    if (result < 0)
        return result;
    pattern += slashes;
    const size_t length = strcspn(pattern, "/");
    if (is_pattern(pattern, length)) {
        auto_free char *component = strndup(pattern, length);
        if (!component)
            return -ENOMEM;
        search->components++;
        result = match_names(search, &longer, component, pattern + length);
        search->components--;
        return result;
    }
    result = append_unescaped(&longer, pattern, length);
    if (result < 0)
        return result;
    if (pattern[length]) {
        search->components++;
        result = extend(search, &longer, pattern + length);
        search->components--;
        return result;
    }
    auto_text struct text place = TEXT_INIT;
    struct stat status;
    result = locate(search, &longer, &place);
    if (result == 0 && lstat(place.bytes, &status) == 0)
        result = strings_add(search->paths, longer.bytes);
    return result;
}

static int compare(const void *left, const void *right)
{
    return strcmp(*(char *const *)left, *(char *const *)right);
}

int pattern_paths(const char *directory, const char *pattern, struct strings *paths)
{
    const size_t before = paths->count;
    struct search search = {.directory = directory, .paths = paths, .components = 0, .visits = 0};
    const struct text nothing = TEXT_INIT;
    int result = extend(&search, &nothing, pattern);
    if (paths->count > before + 1)
        qsort(paths->items + before, paths->count - before, sizeof *paths->items, compare);
    return result < 0 ? result : search.visits;
}
