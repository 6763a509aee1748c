/* Reads ld.so.conf(5) rather than ld.so.cache: the text has a documented format, and it has the
 * directories in their order. LD_LIBRARY_PATH is left alone, for a tree shall depend on the system
 * it was made on and not on who made it. Neither are the glibc-hwcaps directories looked into:
 * their variants run on newer processors only, and a tree has to run on all. */
#include "packer/library_path.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "payload/base/file.h"
#include "payload/base/text.h"

#define CONFIGURATION_LIMIT ((size_t)1024 * 1024)
#define INCLUDE_DEPTH_LIMIT 8

static int read_configuration(const char *root, const char *path, int depth,
                              struct strings *directories, struct error *error);

static int add_directory(const char *root, const char *directory, struct strings *directories)
{
    auto_text struct text path = TEXT_INIT;
    int result = text_printf(&path, "%s%s", root, directory);
    if (result < 0 || strings_contain(directories, path.bytes))
        return result;
    return strings_take(directories, text_steal(&path));
}

/* `patterns` are blank-separated, and relative to the directory of the file that has them. */
static int include_files(const char *root, const char *file, char *patterns, int depth,
                         struct strings *directories, struct error *error)
{
    int result = 0;
    char *rest = NULL;
    for (char *pattern = strtok_r(patterns, " \t", &rest); pattern && result == 0;
         pattern = strtok_r(NULL, " \t", &rest)) {
        auto_text struct text whole = TEXT_INIT;
        const char *slash = strrchr(file, '/');
        result = *pattern == '/'
                     ? text_printf(&whole, "%s%s", root, pattern)
                     : text_printf(&whole, "%.*s/%s", (int)(slash - file), file, pattern);
        if (result < 0)
            break;
        glob_t found;
        int status = glob(whole.bytes, 0, NULL, &found);
        for (size_t index = 0; status == 0 && index < found.gl_pathc && result == 0; index++)
            result = read_configuration(root, found.gl_pathv[index], depth + 1, directories, error);
        if (status == 0)
            globfree(&found);
        else if (status == GLOB_NOSPACE)
            result = -ENOMEM;
    }
    return result;
}

static int read_line(const char *root, const char *file, char *line, int depth,
                     struct strings *directories, struct error *error)
{
    line[strcspn(line, "#")] = '\0';
    line += strspn(line, " \t");
    if (strncmp(line, "include", 7) == 0 && isspace((unsigned char)line[7]))
        return include_files(root, file, line + 7, depth, directories, error);
    if (strncmp(line, "hwcap", 5) == 0 && isspace((unsigned char)line[5]))
        return 0;
    int result = 0;
    char *rest = NULL;
    for (char *directory = strtok_r(line, " \t:,", &rest); directory && result == 0;
         directory = strtok_r(NULL, " \t:,", &rest)) {
        directory[strcspn(directory, "=")] = '\0'; /* "DIR=TYPE", of the days of libc 5 */
        if (*directory == '/')
            result = add_directory(root, directory, directories);
    }
    return result;
}

static int read_configuration(const char *root, const char *path, int depth,
                              struct strings *directories, struct error *error)
{
    if (depth > INCLUDE_DEPTH_LIMIT)
        return error_set(error, -ELOOP, "%s: files include each other", path);
    auto_text struct text text = TEXT_INIT;
    int result = file_load(AT_FDCWD, path, CONFIGURATION_LIMIT, &text);
    if (result < 0 && result != -ENOENT)
        return error_system(error, result, "reading %s", path);
    if (text.length == 0)
        return 0;
    char *rest = NULL;
    for (char *line = strtok_r(text.bytes, "\r\n", &rest); line && result == 0;
         line = strtok_r(NULL, "\r\n", &rest))
        result = read_line(root, path, line, depth, directories, error);
    return result;
}

int library_path_read(const char *root, const char *architecture, struct strings *directories,
                      struct error *error)
{
    auto_text struct text path = TEXT_INIT;
    int result = text_printf(&path, "%s/etc/ld.so.conf", root);
    if (result == 0)
        result = read_configuration(root, path.bytes, 0, directories, error);
    if (result < 0)
        return result == -ENOMEM ? error_system(error, result, "reading %s/etc/ld.so.conf", root)
                                 : result;
    /* Debian's multiarch directories, then those of everybody else. */
    const char *prefix = strcmp(architecture, "ppc64le") == 0 ? "powerpc64le" : architecture;
    const char *const parents[] = {"/lib", "/usr/lib"};
    for (size_t index = 0; index < 2 && result == 0; index++) {
        auto_text struct text directory = TEXT_INIT;
        result = text_printf(&directory, "%s/%s-linux-gnu", parents[index], prefix);
        if (result == 0)
            result = add_directory(root, directory.bytes, directories);
    }
    const char *const plain[] = {"/lib64", "/usr/lib64", "/lib", "/usr/lib"};
    for (size_t index = 0; index < 4 && result == 0; index++)
        result = add_directory(root, plain[index], directories);
    return result < 0 ? error_system(error, result, "listing the library directories") : 0;
}
