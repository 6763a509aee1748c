/* The search of ld.so(8), breadth first, each name once: whoever loads it first decides which file
 * it is. Symbol versions are not compared: the files come from one system, whose packages did. */
#include "packer/closure.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "packer/dynamic.h"
#include "packer/run_path.h"
#include "payload/base/scope.h"
#include "payload/base/text.h"

/* A file whose needs are being followed. `parent` is the object that asked for it first. */
struct object {
    char *path;
    struct dynamic dynamic;
    const struct object *parent;
    struct object *next;
};

/* All files in the order in which they were found: the list that is worked through, and what
 * DT_RPATH is inherited along. */
struct search {
    const struct closure_request *request;
    struct closure *closure;
    struct object *first, **end;
    struct error *error;
};

static void object_free(struct object **object)
{
    if (!*object)
        return;
    free((*object)->path);
    dynamic_free(&(*object)->dynamic);
    free(*object);
    *object = NULL;
}

#define auto_object __attribute__((cleanup(object_free)))

static void search_free(struct search *search)
{
    for (struct object *object = search->first, *next; object; object = next) {
        next = object->next;
        object_free(&object);
    }
}

#define auto_search __attribute__((cleanup(search_free)))

static int out_of_memory(struct search *search)
{
    return error_system(search->error, -ENOMEM, "collecting libraries");
}

static bool same_kind(const struct elf_kind *left, const struct elf_kind *right)
{
    return left->machine == right->machine && left->class == right->class &&
           left->encoding == right->encoding;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* Opens a candidate. 0 with `*found` NULL when the loader would pass over it and go on looking. */
static int open_candidate(struct search *search, const char *path, const struct object *parent,
                          struct object **found)
{
    *found = NULL;
    if (access(path, R_OK) < 0)
        return errno == ENOMEM ? out_of_memory(search) : 0;
    auto_object struct object *object = calloc(1, sizeof *object);
    if (!object || !(object->path = strdup(path)))
        return out_of_memory(search);
    int result = dynamic_load(path, &object->dynamic, search->error);
    if (result < 0)
        return result;
    if (search->first && !same_kind(&object->dynamic.kind, &search->first->dynamic.kind))
        return 0;
    object->parent = parent;
    *found = steal_pointer(object);
    return 0;
}

/* Looks along a run path that stands in the file at `origin`. */
static int search_run_path(struct search *search, const char *run_path, const char *origin,
                           const char *name, const struct object *parent, struct object **found)
{
    while (*run_path && !*found) {
        const size_t length = strcspn(run_path, ":");
        auto_text struct text path = TEXT_INIT;
        int result = run_path_expand(run_path, length, origin, &path);
        if (result == 0 && path.length > 0)
            result = text_printf(&path, "/%s", name);
        if (result < 0)
            return out_of_memory(search);
        if (path.length > 0) {
            result = open_candidate(search, path.bytes, parent, found);
            if (result < 0)
                return result;
        }
        run_path += length + (run_path[length] == ':');
    }
    return 0;
}

/* DT_RPATH counts where there is no DT_RUNPATH beside it, and for all that is loaded on behalf of
 * the file; DT_RUNPATH is for what the file itself needs. */
static int search_run_paths(struct search *search, const char *name, const struct object *parent,
                            struct object **found)
{
    int result = 0;
    if (!parent->dynamic.runpath)
        for (const struct object *object = parent; object && !*found && result == 0;
             object = object->parent)
            if (object->dynamic.rpath && !object->dynamic.runpath)
                result = search_run_path(search, object->dynamic.rpath, object->path, name, parent,
                                         found);
    if (result == 0 && !*found && parent->dynamic.runpath)
        result =
            search_run_path(search, parent->dynamic.runpath, parent->path, name, parent, found);
    return result;
}

static int search_directories(struct search *search, const char *name, const struct object *parent,
                              struct object **found)
{
    const struct strings *directories = search->request->directories;
    for (size_t index = 0; index < directories->count && !*found; index++) {
        auto_text struct text path = TEXT_INIT;
        if (text_printf(&path, "%s/%s", directories->items[index], name) < 0)
            return out_of_memory(search);
        int result = open_candidate(search, path.bytes, parent, found);
        if (result < 0)
            return result;
    }
    return 0;
}

static void append_object(struct search *search, struct object *object)
{
    *search->end = object;
    search->end = &object->next;
}

/* Puts a file that was found into the closure and in line to be followed. */
static int add_library(struct search *search, const char *name, struct object **object)
{
    struct closure *closure = search->closure;
    if (closure->count == closure->capacity) {
        size_t capacity = closure->capacity ? 2 * closure->capacity : 32;
        struct library *libraries = reallocarray(closure->libraries, capacity, sizeof *libraries);
        if (!libraries)
            return out_of_memory(search);
        closure->libraries = libraries;
        closure->capacity = capacity;
    }
    struct library *library = &closure->libraries[closure->count];
    library->name = strdup(name);
    library->path = strdup((*object)->path);
    if (!library->name || !library->path) {
        free(library->name);
        free(library->path);
        return out_of_memory(search);
    }
    closure->count++;
    append_object(search, steal_pointer(*object));
    return 0;
}

static int find_library(struct search *search, const char *name, const struct object *parent)
{
    if (strchr(name, '/') || *name == '\0')
        return error_set(search->error, -EINVAL,
                         "%s needs \"%s\", a path: such a library cannot travel", parent->path,
                         name);
    if (closure_library(search->closure, name))
        return 0;
    auto_object struct object *found = NULL;
    int result = search_run_paths(search, name, parent, &found);
    if (result == 0 && !found)
        result = search_directories(search, name, parent, &found);
    if (result < 0)
        return result;
    if (!found)
        return error_set(search->error, -ENOENT,
                         "%s, which %s needs, is in none of the library directories", name,
                         parent->path);
    return add_library(search, name, &found);
}

/* The loader is named by its path and not looked for, but where other systems' libraries are. */
static int find_loader(struct search *search, const struct object *program)
{
    const char *path = program->dynamic.interpreter;
    const char *name = base_name(path);
    if (search->closure->loader && strcmp(search->closure->loader, name) != 0)
        return error_set(search->error, -EINVAL, "%s wants the loader %s, the others %s",
                         program->path, path, search->closure->loader);
    if (search->closure->loader)
        return 0;
    auto_object struct object *found = NULL;
    auto_text struct text other = TEXT_INIT;
    int result = 0;
    if (search->request->loader_directory) {
        if (text_printf(&other, "%s/%s", search->request->loader_directory, name) < 0)
            return out_of_memory(search);
        result = open_candidate(search, other.bytes, program, &found);
    }
    if (result == 0 && !found)
        result = open_candidate(search, path, program, &found);
    if (result < 0)
        return result;
    if (!found)
        return error_set(search->error, -ENOENT, "%s, the loader that %s needs, is not there", path,
                         program->path);
    search->closure->loader = strdup(name);
    if (!search->closure->loader)
        return out_of_memory(search);
    return add_library(search, name, &found);
}

static int add_programs(struct search *search)
{
    for (size_t index = 0; index < search->request->program_count; index++) {
        const char *path = search->request->programs[index];
        auto_object struct object *program = NULL;
        int result = open_candidate(search, path, NULL, &program);
        if (result < 0)
            return result;
        if (!program && access(path, R_OK) < 0)
            return error_system(search->error, -errno, "opening %s", path);
        if (!program)
            return error_set(search->error, -ENOEXEC, "%s is not for the machine of %s", path,
                             search->first->path);
        append_object(search, steal_pointer(program));
    }
    return 0;
}

int closure_find(const struct closure_request *request, struct closure *closure,
                 struct error *error)
{
    auto_search struct search search = {.request = request, .closure = closure, .error = error};
    search.end = &search.first;
    int result = add_programs(&search);
    if (result < 0 || !search.first)
        return result;
    for (struct object *object = search.first; object && result == 0; object = object->next)
        if (!object->parent && object->dynamic.interpreter)
            result = find_loader(&search, object);
    const size_t extra_count = closure->loader ? request->extra_count : 0;
    for (size_t index = 0; index < extra_count && result == 0; index++)
        result = find_library(&search, request->extra[index], search.first);
    for (const struct object *object = search.first; object && result == 0; object = object->next)
        for (size_t index = 0; index < object->dynamic.needed.count && result == 0; index++)
            result = find_library(&search, object->dynamic.needed.items[index], object);
    return result;
}

const struct library *closure_library(const struct closure *closure, const char *name)
{
    for (size_t index = 0; index < closure->count; index++)
        if (strcmp(closure->libraries[index].name, name) == 0)
            return &closure->libraries[index];
    return NULL;
}

void closure_free(struct closure *closure)
{
    for (size_t index = 0; index < closure->count; index++) {
        free(closure->libraries[index].name);
        free(closure->libraries[index].path);
    }
    free(closure->libraries);
    free(closure->loader);
    *closure = (struct closure)CLOSURE_INIT;
}
