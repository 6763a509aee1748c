/* Reading the tree and comparing needs with what is there. Where missing things come from is
 * target_closure.c's. */
#include "packer/target_objects.h"

#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "payload/base/file.h"
#include "payload/base/scope.h"

#define MOST_DEPTH 128

/* payload/launch/client_program.c says the same to the loader. */
const char *const target_library_directories[] = {"usr/lib64", "lib64", "usr/lib", NULL};

static const struct {
    const char *architecture;
    uint16_t machine;
} architectures[] = {{"x86_64", EM_X86_64}, {"aarch64", EM_AARCH64}, {"ppc64le", EM_PPC64}};

/* Names up to the version behind ".so". Of glibc; and of packages that no installation of these
 * systems is without. */
static const char *const system_libraries[] = {
    "ld-linux-x86-64.so", "ld-linux-aarch64.so", "ld64.so",       "libc.so",       "libm.so",
    "libdl.so",           "libpthread.so",       "librt.so",      "libresolv.so",  "libutil.so",
    "libnsl.so",          "libgcc_s.so",         "libstdc++.so",  "libz.so",       "libssl.so",
    "libcrypto.so",       "libuuid.so",          "libselinux.so", "libcap.so",     "libcom_err.so",
    "libexpat.so",        "liblzma.so",          "libzstd.so",    "libsqlite3.so", "libcurl.so",
};

/* A walk over the tree. */
struct walk {
    const struct machine *machine;
    struct target_objects *objects;
    struct error *error;
};

void target_objects_free(struct target_objects *objects)
{
    for (size_t index = 0; index < objects->count; index++) {
        free(objects->items[index].path);
        dynamic_free(&objects->items[index].dynamic);
    }
    free(objects->items);
    *objects = (struct target_objects)TARGET_OBJECTS_INIT;
}

void target_lacks_free(struct target_lacks *lacks)
{
    free(lacks->items);
    *lacks = (struct target_lacks)TARGET_LACKS_INIT;
}

static bool is_for(const struct dynamic *dynamic, const struct machine *machine)
{
    for (size_t index = 0; index < sizeof architectures / sizeof architectures[0]; index++)
        if (strcmp(architectures[index].architecture, machine->architecture) == 0)
            return dynamic->kind.machine == architectures[index].machine &&
                   dynamic->kind.class == ELFCLASS64 && dynamic->kind.encoding == ELFDATA2LSB;
    return false;
}

static bool is_in_library_directory(const char *path)
{
    for (size_t index = 0; target_library_directories[index]; index++) {
        const char *directory = target_library_directories[index];
        const size_t length = strlen(directory);
        if (strncmp(path, directory, length) == 0 && path[length] == '/' &&
            !strchr(path + length + 1, '/'))
            return true;
    }
    return false;
}

static int out_of_memory(struct walk *walk)
{
    return error_system(walk->error, -ENOMEM, "looking through the tree");
}

static int add_object(struct walk *walk, const char *path, struct dynamic *dynamic)
{
    struct target_objects *objects = walk->objects;
    struct target_object *grown = reallocarray(objects->items, objects->count + 1, sizeof *grown);
    if (!grown)
        return out_of_memory(walk);
    objects->items = grown;
    char *copy = strdup(path);
    if (!copy)
        return out_of_memory(walk);
    grown[objects->count++] = (struct target_object){
        .path = copy, .library = is_in_library_directory(path), .dynamic = *dynamic};
    *dynamic = (struct dynamic)DYNAMIC_INIT;
    return 0;
}

/* Whether the file begins as an ELF program or library does: type 2 or 3. Objects to be linked are
 * somebody's data. */
static bool is_loadable(int fd)
{
    unsigned char head[EI_NIDENT + 2];
    return file_pread_full(fd, head, sizeof head, 0) == (ssize_t)sizeof head &&
           memcmp(head, ELFMAG, SELFMAG) == 0 &&
           (head[EI_DATA] == ELFDATA2MSB ? head[EI_NIDENT + 1] : head[EI_NIDENT]) >= ET_EXEC &&
           (head[EI_DATA] == ELFDATA2MSB ? head[EI_NIDENT + 1] : head[EI_NIDENT]) <= ET_DYN;
}

static int visit_file(struct walk *walk, int directory, const char *name, const char *path)
{
    auto_fd int fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return error_system(walk->error, -errno, "opening %s", path);
    if (!is_loadable(fd))
        return 0;
    char proc[64];
    (void)snprintf(proc, sizeof proc, "/proc/self/fd/%d", fd);
    auto_dynamic struct dynamic dynamic = DYNAMIC_INIT;
    struct error error = ERROR_INIT;
    int result = dynamic_load(proc, &dynamic, &error);
    if (result < 0) {
        const char *words =
            string_starts_with(error.message, proc) ? error.message + strlen(proc) : error.message;
        return error_set(walk->error, result, "%s%s%s", path, *words == ':' ? "" : ": ", words);
    }
    if (!is_for(&dynamic, walk->machine))
        return error_set(walk->error, -ENOEXEC,
                         "%s is a program or library for another machine "
                         "than %s",
                         path, walk->machine->architecture);
    return add_object(walk, path, &dynamic);
}

static int visit_directory(struct walk *walk, int parent, const char *name, const char *path,
                           unsigned depth);

static int visit(struct walk *walk, int directory, const char *name, const char *parent,
                 unsigned depth)
{
    auto_text struct text path = TEXT_INIT;
    struct stat status;
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return 0;
    if (text_printf(&path, "%s%s%s", parent, *parent ? "/" : "", name) < 0)
        return out_of_memory(walk);
    if (fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
        return error_system(walk->error, -errno, "looking at %s", path.bytes);
    if (S_ISDIR(status.st_mode))
        return visit_directory(walk, directory, name, path.bytes, depth + 1);
    return S_ISREG(status.st_mode) ? visit_file(walk, directory, name, path.bytes) : 0;
}

static int visit_directory(struct walk *walk, int parent, const char *name, const char *path,
                           unsigned depth)
{
    if (depth > MOST_DEPTH)
        return error_set(walk->error, -ELOOP, "%s: directories are nested too deep", path);
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    auto_directory DIR *listing = fd < 0 ? NULL : fdopendir(fd);
    if (!listing) {
        int result = error_system(walk->error, -errno, "listing %s", path);
        if (fd >= 0)
            (void)close(fd);
        return result;
    }
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(listing);
        if (!entry)
            return errno == 0 ? 0 : error_system(walk->error, -errno, "listing %s", path);
        int result = visit(walk, fd, entry->d_name, path, depth);
        if (result < 0)
            return result;
    }
}

int target_objects_find(int tree, const struct machine *machine, struct target_objects *objects,
                        struct error *error)
{
    struct walk walk = {.machine = machine, .objects = objects, .error = error};
    return visit_directory(&walk, tree, ".", "", 0);
}

/* The object that programs get when they ask for a library by its name; links are followed within
 * the tree, where all of them are relative. */
static const struct target_object *find_library(const struct target_objects *objects, int tree,
                                                const char *name)
{
    for (size_t index = 0; target_library_directories[index]; index++) {
        auto_text struct text path = TEXT_INIT;
        struct stat wanted;
        if (text_printf(&path, "%s/%s", target_library_directories[index], name) < 0)
            return NULL;
        if (fstatat(tree, path.bytes, &wanted, 0) < 0)
            continue;
        for (size_t other = 0; other < objects->count; other++) {
            struct stat status;
            if (fstatat(tree, objects->items[other].path, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
                status.st_ino == wanted.st_ino && status.st_dev == wanted.st_dev)
                return &objects->items[other];
        }
    }
    return NULL;
}

static bool same_text(const char *one, const char *other)
{
    return one && other ? strcmp(one, other) == 0 : one == other;
}

static int add_lack(struct target_lacks *lacks, const char *library, const char *version,
                    const char *user)
{
    for (size_t index = 0; index < lacks->count; index++)
        if (strcmp(lacks->items[index].library, library) == 0 &&
            same_text(lacks->items[index].version, version))
            return 0;
    struct target_lack *grown = reallocarray(lacks->items, lacks->count + 1, sizeof *grown);
    if (!grown)
        return -ENOMEM;
    lacks->items = grown;
    grown[lacks->count++] =
        (struct target_lack){.library = library, .version = version, .user = user};
    return 0;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* A library without any versions, as some systems build theirs, has all that is asked of it. */
static bool defines(const struct target_object *library, const char *version)
{
    return library->dynamic.defined.count == 0 ||
           strings_contain(&library->dynamic.defined, version);
}

static int compare_object(const struct target_objects *objects, int tree,
                          const struct target_object *object, struct target_lacks *lacks)
{
    const struct dynamic *dynamic = &object->dynamic;
    int result = 0;
    if (dynamic->interpreter && !find_library(objects, tree, base_name(dynamic->interpreter)))
        result = add_lack(lacks, base_name(dynamic->interpreter), NULL, object->path);
    for (size_t index = 0; result == 0 && index < dynamic->needed.count; index++)
        if (!find_library(objects, tree, dynamic->needed.items[index]))
            result = add_lack(lacks, dynamic->needed.items[index], NULL, object->path);
    for (size_t index = 0; result == 0 && index < dynamic->need_count; index++) {
        const struct version_need *need = &dynamic->needs[index];
        const struct target_object *library = find_library(objects, tree, need->library);
        if (!library || !defines(library, need->version))
            result = add_lack(lacks, need->library, need->version, object->path);
    }
    return result;
}

int target_objects_lacks(const struct target_objects *objects, int tree, struct target_lacks *lacks)
{
    int result = 0;
    for (size_t index = 0; result == 0 && index < objects->count; index++)
        result = compare_object(objects, tree, &objects->items[index], lacks);
    return result;
}

/* https://rpm-software-management.github.io/rpm/manual/dependency_generators.html: what elfdeps
 * writes for 64-bit files. */
int target_lack_capability(const struct target_lack *lack, struct text *text)
{
    return text_printf(text, "%s(%s)(64bit)", lack->library, lack->version ? lack->version : "");
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
