/* What is done with a finished FILE without running it, for any machine type. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "packer/actions.h"
#include "packer/contents.h"
#include "packer/progress.h"
#include "payload/base/remove.h"
#include "payload/base/scope.h"
#include "stub/unpack.h"

/* Names come from outside: what a terminal might obey is shown by its number. */
static int append_name(struct text *list, const char *name)
{
    int result = 0;
    for (; *name && result == 0; name++) {
        const unsigned char byte = (unsigned char)*name;
        result = byte < ' ' || byte == 0x7f || byte == '\\' ? text_printf(list, "\\%03o", byte)
                                                            : text_append(list, name, 1);
    }
    return result;
}

/* A line as ls -l has it, without what an archive of ours does not know. */
static int list_entry(void *context, const struct tar_entry *entry)
{
    static const char types[] = {[TAR_FILE] = '-', [TAR_DIRECTORY] = 'd', [TAR_SYMLINK] = 'l'};
    static const char letters[] = "rwxrwxrwx";
    struct text *list = context;
    char mode[] = "?---------";
    mode[0] = types[entry->type];
    for (unsigned bit = 0; bit < 9; bit++)
        if (entry->mode & (0400U >> bit))
            mode[bit + 1] = letters[bit];
    int result = text_printf(list, "%s %10llu ", mode, (unsigned long long)entry->size);
    if (result == 0)
        result = append_name(list, entry->name);
    if (result == 0 && entry->type == TAR_SYMLINK)
        result = text_append_string(list, " -> ");
    if (result == 0 && entry->type == TAR_SYMLINK)
        result = append_name(list, entry->target);
    return result < 0 ? result : text_append(list, "\n", 1);
}

static int describe(const struct bundle *bundle, struct text *words)
{
    char stamp[BUNDLE_STAMP_LENGTH];
    bundle_stamp(bundle, stamp); /* digits and a newline */
    return text_printf(words,
                       "version: %s\ndisttype: %s\nmachtype: %s\nsha256: %.*spayload: %llu\n"
                       "archive: %llu\nentries: %llu\nframes: %u\n\n",
                       bundle->version, bundle->disttype, bundle->machtype, (int)sizeof stamp,
                       stamp, (unsigned long long)bundle->payload_size,
                       (unsigned long long)bundle->content_size,
                       (unsigned long long)bundle->entry_count, bundle->frame_count);
}

static int inspect(const struct contents *contents, struct text *words, struct error *error)
{
    int result = describe(&contents->bundle, words);
    if (result < 0)
        return error_system(error, result, "describing the bundle");
    result = contents_walk(contents, list_entry, words, error);
    return result < 0 && error->code == 0 ? error_system(error, result, "listing the bundle")
                                          : result;
}

static enum status failed(const struct command *command, struct error *error)
{
    (void)error_prefix(error, "%s", command->file);
    return status_failed(error);
}

enum status action_inspect(const struct command *command)
{
    struct error error = ERROR_INIT;
    auto_contents struct contents contents = CONTENTS_INIT;
    auto_text struct text words = TEXT_INIT;
    if (contents_open(command->file, &contents, &error) < 0)
        return status_failed(&error);
    /* What could be read of a damaged one is shown, too. */
    int result = inspect(&contents, &words, &error);
    enum status status = words.bytes ? status_print(words.bytes) : STATUS_DONE;
    return result < 0 ? failed(command, &error) : status;
}

enum status action_verify(const struct command *command)
{
    struct error error = ERROR_INIT;
    auto_contents struct contents contents = CONTENTS_INIT;
    if (contents_open(command->file, &contents, &error) < 0)
        return status_failed(&error);
    /* The frames first: they say where. */
    int result = contents_walk(&contents, NULL, NULL, &error);
    if (result == 0)
        result = contents_check_digest(&contents, &error);
    if (result < 0)
        return failed(command, &error);
    char size[PROGRESS_SIZE_ROOM];
    if (!command->quiet)
        (void)fprintf(stderr, "makedist: %s for %s is whole: %llu entries, %s\n", command->file,
                      contents.bundle.machtype, (unsigned long long)contents.bundle.entry_count,
                      progress_size(contents.bundle.content_size, size));
    return STATUS_DONE;
}

/* The name of anything in a directory: 1; 0 when it is empty; a negative errno. */
static int find_any(int directory, char name[NAME_MAX + 1])
{
    auto_fd int copy = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    auto_directory DIR *stream = copy < 0 ? NULL : fdopendir(copy);
    if (!stream)
        return -errno;
    (void)steal_fd(&copy);
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(stream);
        if (!entry)
            return -errno;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        (void)snprintf(name, NAME_MAX + 1, "%s", entry->d_name); /* it has at most so many */
        return 1;
    }
}

static void remove_content(int directory)
{
    char name[NAME_MAX + 1];
    while (find_any(directory, name) == 1 && directory_remove(directory, name) == 0) {
    }
}

/* The directory at `path`, which is made when it is not there, and must be empty. */
static int open_target(const char *path, bool *made, struct error *error)
{
    *made = mkdir(path, 0777) == 0;
    if (!*made && errno != EEXIST)
        return error_system(error, -errno, "making %s", path);
    auto_fd int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0)
        return error_system(error, -errno, "opening %s", path);
    char name[NAME_MAX + 1];
    int found = find_any(directory, name);
    if (found < 0)
        return error_system(error, found, "looking into %s", path);
    if (found == 1)
        return error_set(error, -ENOTEMPTY, "%s is there already, and not empty", path);
    return steal_fd(&directory);
}

static void show_unpacking(void *context, uint64_t done, uint64_t total)
{
    progress_show(context, done, total);
}

static int extract(const struct command *command, const struct contents *contents,
                   struct error *error)
{
    bool made = false;
    auto_fd int directory = open_target(command->directory, &made, error);
    if (directory < 0)
        return directory;
    struct progress progress = progress_begin("unpacking", command->quiet);
    const struct unpack_options options = {
        .file = contents->fd,
        .directory = directory,
        .progress = show_unpacking,
        .progress_context = &progress,
    };
    int result = unpack_bundle(&contents->bundle, &options, error);
    progress_end(&progress);
    if (result == 0)
        return 0;
    remove_content(directory);
    if (made)
        (void)rmdir(command->directory); /* the first failure is the one to report */
    return result;
}

enum status action_extract(const struct command *command)
{
    struct error error = ERROR_INIT;
    auto_contents struct contents contents = CONTENTS_INIT;
    if (contents_open(command->file, &contents, &error) < 0)
        return status_failed(&error);
    int result = contents_check_digest(&contents, &error);
    if (result == 0)
        result = extract(command, &contents, &error);
    if (result < 0)
        return failed(command, &error);
    if (!command->quiet)
        (void)fprintf(stderr, "makedist: unpacked %s for %s to %s: %llu entries\n", command->file,
                      contents.bundle.machtype, command->directory,
                      (unsigned long long)contents.bundle.entry_count);
    return STATUS_DONE;
}
