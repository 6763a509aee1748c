/* Needs against what is there. Where missing things come from is target_closure.c's. */
#include "packer/target_lacks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "packer/run_path.h"
#include "payload/base/scope.h"

#define GLIBC "libc.so.6"
#define UNWINDER "libgcc_s.so.1"

/* Names up to the version behind ".so". Of glibc; and of packages that no installation of these
 * systems is without. */
static const char *const system_libraries[] = {
    "ld-linux-x86-64.so", "ld-linux-aarch64.so", "ld64.so",       "libc.so",       "libm.so",
    "libdl.so",           "libpthread.so",       "librt.so",      "libresolv.so",  "libutil.so",
    "libnsl.so",          "libgcc_s.so",         "libstdc++.so",  "libz.so",       "libssl.so",
    "libcrypto.so",       "libuuid.so",          "libselinux.so", "libcap.so",     "libcom_err.so",
    "libexpat.so",        "liblzma.so",          "libzstd.so",    "libsqlite3.so", "libcurl.so",
};

void target_lacks_free(struct target_lacks *lacks)
{
    free(lacks->items);
    *lacks = (struct target_lacks)TARGET_LACKS_INIT;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* What programs ask for by a path is outside of the tree, whatever it is. */
static bool is_name(const char *name)
{
    return *name && !strchr(name, '/') && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

const struct target_object *target_library(const struct target_objects *objects, int tree,
                                           const char *name)
{
    for (size_t index = 0; is_name(name) && target_library_directories[index]; index++) {
        auto_text struct text path = TEXT_INIT;
        if (text_printf(&path, "%s/%s", target_library_directories[index], name) < 0)
            return NULL;
        const struct target_object *found = target_objects_at(objects, tree, path.bytes);
        if (found)
            return found;
    }
    return NULL;
}

static const struct target_object *search_run_path(const struct target_objects *objects, int tree,
                                                   const struct target_object *user,
                                                   const char *run_path, const char *name)
{
    while (run_path && *run_path) {
        const size_t length = strcspn(run_path, ":");
        auto_text struct text path = TEXT_INIT;
        if (run_path_expand(run_path, length, user->path, &path) < 0)
            return NULL;
        if (path.length > 0 && path.bytes[0] != '/' && text_printf(&path, "/%s", name) == 0) {
            const struct target_object *found = target_objects_at(objects, tree, path.bytes);
            if (found)
                return found;
        }
        run_path += length + (run_path[length] == ':');
    }
    return NULL;
}

/* By the path that comes before the library directories. */
static const struct target_object *find_before(const struct target_objects *objects, int tree,
                                               const struct target_object *user, const char *name)
{
    const char *path = user->dynamic.runpath ? NULL : user->dynamic.rpath;
    return is_name(name) ? search_run_path(objects, tree, user, path, name) : NULL;
}

/* What the object gets when it asks for a library. */
static const struct target_object *find_for(const struct target_objects *objects, int tree,
                                            const struct target_object *user, const char *name)
{
    const struct target_object *found = find_before(objects, tree, user, name);
    if (!found)
        found = target_library(objects, tree, name);
    if (!found && is_name(name))
        found = search_run_path(objects, tree, user, user->dynamic.runpath, name);
    return found;
}

static bool same_text(const char *one, const char *other)
{
    return one && other ? strcmp(one, other) == 0 : one == other;
}

static int add_lack(struct target_lacks *lacks, const struct target_lack *lack)
{
    for (size_t index = 0; index < lacks->count; index++)
        if (strcmp(lacks->items[index].library, lack->library) == 0 &&
            same_text(lacks->items[index].version, lack->version))
            return 0;
    struct target_lack *grown = reallocarray(lacks->items, lacks->count + 1, sizeof *grown);
    if (!grown)
        return -ENOMEM;
    lacks->items = grown;
    grown[lacks->count++] = *lack;
    return 0;
}

bool target_library_defines(const struct dynamic *library, const char *version)
{
    return library->defined.count == 0 || strings_contain(&library->defined, version);
}

static bool loader_is_there(const struct target_objects *objects, int tree, const char *name)
{
    auto_text struct text path = TEXT_INIT;
    if (!is_name(name) || text_printf(&path, "%s/%s", target_library_directories[0], name) < 0)
        return false;
    const struct target_object *loader = target_objects_at(objects, tree, path.bytes);
    return loader && loader->executable;
}

static int compare_object(const struct target_objects *objects, int tree,
                          const struct target_object *object, struct target_lacks *lacks)
{
    const struct dynamic *dynamic = &object->dynamic;
    const char *loader = dynamic->interpreter ? base_name(dynamic->interpreter) : NULL;
    int result = 0;
    if (loader && !loader_is_there(objects, tree, loader))
        result = add_lack(lacks, &(struct target_lack){.library = loader, .user = object->path});
    for (size_t index = 0; result == 0 && index < dynamic->needed.count; index++) {
        const char *name = dynamic->needed.items[index];
        if (!find_for(objects, tree, object, name))
            result = add_lack(lacks, &(struct target_lack){.library = name, .user = object->path});
    }
    const struct target_object *found = NULL;
    const char *looked_for = NULL;
    for (size_t index = 0; result == 0 && index < dynamic->need_count; index++) {
        const struct version_need *need = &dynamic->needs[index];
        if (!looked_for || strcmp(looked_for, need->library) != 0)
            found = find_for(objects, tree, object, need->library);
        looked_for = need->library;
        if (!found || !target_library_defines(&found->dynamic, need->version))
            result = add_lack(lacks, &(struct target_lack){.library = need->library,
                                                           .version = need->version,
                                                           .user = object->path});
    }
    return result;
}

int target_lacks_find(const struct target_objects *objects, int tree, struct target_lacks *lacks)
{
    int result = 0;
    for (size_t index = 0; result == 0 && index < objects->count; index++)
        result = compare_object(objects, tree, &objects->items[index], lacks);
    return result;
}

int target_lacks_add_unnamed(const struct target_objects *objects, int tree,
                             struct target_lacks *lacks)
{
    const struct target_object *glibc = target_library(objects, tree, GLIBC);
    if (!glibc || target_library(objects, tree, UNWINDER))
        return 0;
    return add_lack(
        lacks, &(struct target_lack){.library = UNWINDER, .user = glibc->path, .optional = true});
}

bool target_lacks_are_optional(const struct target_lacks *lacks)
{
    for (size_t index = 0; index < lacks->count; index++)
        if (!lacks->items[index].optional)
            return false;
    return true;
}

bool target_library_is_loader(const struct target_objects *objects, const char *name)
{
    for (size_t index = 0; index < objects->count; index++) {
        const char *interpreter = objects->items[index].dynamic.interpreter;
        if (interpreter && strcmp(base_name(interpreter), name) == 0)
            return true;
    }
    return false;
}

int target_library_versions(const struct target_objects *objects, int tree, const char *name,
                            struct strings *versions)
{
    for (size_t index = 0; index < objects->count; index++) {
        const struct target_object *user = &objects->items[index];
        if (find_before(objects, tree, user, name))
            continue;
        for (size_t need = 0; need < user->dynamic.need_count; need++) {
            const char *version = user->dynamic.needs[need].version;
            if (strcmp(user->dynamic.needs[need].library, name) == 0 &&
                !strings_contain(versions, version) && strings_add(versions, version) < 0)
                return -ENOMEM;
        }
    }
    return 0;
}

bool target_system_has(const char *library)
{
    for (size_t index = 0; index < sizeof system_libraries / sizeof system_libraries[0]; index++) {
        const size_t length = strlen(system_libraries[index]);
        if (strncmp(library, system_libraries[index], length) == 0 &&
            (library[length] == '.' || library[length] == '\0'))
            return true;
    }
    return false;
}

static bool named_before(const struct target_lacks *lacks, size_t index)
{
    for (size_t other = 0; other < index; other++)
        if (strcmp(lacks->items[other].library, lacks->items[index].library) == 0)
            return true;
    return false;
}

static int describe_library(const struct target_lacks *lacks, size_t first, struct text *text)
{
    const struct target_lack *lack = &lacks->items[first];
    int result = text_printf(text, "%s (", lack->library);
    for (size_t index = first; result == 0 && index < lacks->count; index++)
        if (lacks->items[index].version && strcmp(lacks->items[index].library, lack->library) == 0)
            result = text_printf(text, "%s, ", lacks->items[index].version);
    return result < 0 ? result : text_printf(text, "needed by %s)", lack->user);
}

int target_lacks_describe(const struct target_lacks *lacks, size_t most, struct text *text)
{
    size_t count = 0;
    int result = 0;
    for (size_t index = 0; result == 0 && index < lacks->count; index++) {
        if (named_before(lacks, index) || count++ >= most)
            continue;
        if (count > 1)
            result = text_append_string(text, ", ");
        if (result == 0)
            result = describe_library(lacks, index, text);
    }
    return result == 0 && count > most ? text_printf(text, ", and %zu more", count - most) : result;
}
