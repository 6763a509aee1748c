/* A walk over the tree. What the objects need of each other is target_lacks.c's. */
#include "packer/target_objects.h"

#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "payload/base/file.h"
#include "payload/base/scope.h"
#include "payload/base/text.h"

#define MOST_DEPTH 128
#define DEBUG_INFORMATION "usr/lib/debug"

/* payload/launch/tree_program.c says the same to the loader. */
const char *const target_library_directories[] = {"usr/lib64", "lib64", "usr/lib", NULL};

static const struct {
    const char *architecture;
    uint16_t machine;
} architectures[] = {{"x86_64", EM_X86_64}, {"aarch64", EM_AARCH64}, {"ppc64le", EM_PPC64}};

struct walk {
    const char *except;
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

bool target_object_fits(const struct dynamic *dynamic, const struct machine *machine)
{
    for (size_t index = 0; index < sizeof architectures / sizeof architectures[0]; index++)
        if (strcmp(architectures[index].architecture, machine->architecture) == 0)
            return dynamic->kind.machine == architectures[index].machine &&
                   dynamic->kind.class == ELFCLASS64 && dynamic->kind.encoding == ELFDATA2LSB;
    return false;
}

static int out_of_memory(struct walk *walk)
{
    return error_system(walk->error, -ENOMEM, "looking through the tree");
}

static int add_object(struct walk *walk, const char *path, const struct stat *status,
                      struct dynamic *dynamic)
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
        .path = copy,
        .device = status->st_dev,
        .inode = status->st_ino,
        .executable = (status->st_mode & S_IXUSR) != 0,
        .dynamic = *dynamic,
    };
    *dynamic = (struct dynamic)DYNAMIC_INIT;
    return 0;
}

/* Whether the file begins as an ELF program or library does: type 2 or 3. */
static bool is_loadable(int fd)
{
    unsigned char head[EI_NIDENT + 2];
    if (file_pread_full(fd, head, sizeof head, 0) != (ssize_t)sizeof head ||
        memcmp(head, ELFMAG, SELFMAG) != 0)
        return false;
    const unsigned type = head[EI_DATA] == ELFDATA2MSB ? head[EI_NIDENT + 1] : head[EI_NIDENT];
    return type == ET_EXEC || type == ET_DYN;
}

static int visit_file(struct walk *walk, int directory, const char *name, const char *path)
{
    auto_fd int fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) < 0)
        return error_system(walk->error, -errno, "opening %s", path);
    if (!is_loadable(fd))
        return 0;
    auto_dynamic struct dynamic dynamic = DYNAMIC_INIT;
    int result = dynamic_load_fd(fd, &dynamic, walk->error);
    if (result < 0)
        return error_prefix(walk->error, "%s", path);
    if (!target_object_fits(&dynamic, walk->machine))
        return error_set(walk->error, -ENOEXEC,
                         "%s is a program or library for another machine than %s", path,
                         walk->machine->architecture);
    return add_object(walk, path, &status, &dynamic);
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
    if (strcmp(path.bytes, DEBUG_INFORMATION) == 0 ||
        (walk->except && strcmp(path.bytes, walk->except) == 0))
        return 0;
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
    auto_fd int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    auto_directory DIR *listing = fd < 0 ? NULL : fdopendir(fd);
    if (!listing)
        return error_system(walk->error, -errno, "listing %s", path);
    const int directory = steal_fd(&fd); /* the listing's now */
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(listing);
        if (!entry)
            return errno == 0 ? 0 : error_system(walk->error, -errno, "listing %s", path);
        int result = visit(walk, directory, entry->d_name, path, depth);
        if (result < 0)
            return result;
    }
}

static int compare_paths(const void *left, const void *right)
{
    const struct target_object *one = left;
    const struct target_object *other = right;
    return strcmp(one->path, other->path);
}

int target_objects_find(int tree, const char *except, const struct machine *machine,
                        struct target_objects *objects, struct error *error)
{
    struct walk walk = {.except = except, .machine = machine, .objects = objects, .error = error};
    int result = visit_directory(&walk, tree, ".", "", 0);
    if (result == 0 && objects->count > 0)
        qsort(objects->items, objects->count, sizeof *objects->items, compare_paths);
    return result;
}

const struct target_object *target_objects_at(const struct target_objects *objects, int tree,
                                              const char *path)
{
    struct stat status;
    if (fstatat(tree, path, &status, 0) < 0)
        return NULL;
    for (size_t index = 0; index < objects->count; index++) {
        const struct target_object *object = &objects->items[index];
        if (object->inode == status.st_ino && object->device == status.st_dev)
            return object;
    }
    return NULL;
}
