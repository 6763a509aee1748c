/* The program a bundle begins with: find itself, see that its tree is unpacked, become the program
 * in it. The steps are elsewhere; here is their order, and all that the user gets to read. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "payload/base/error.h"
#include "payload/base/file.h"
#include "payload/base/scope.h"
#include "payload/base/text.h"
#include "stub/bundle.h"
#include "stub/place.h"
#include "stub/publish.h"

static const char self_link[] = "/proc/self/exe";

enum { PATH_LIMIT = 1 << 16, PROGRESS_AFTER_MILLISECONDS = 300 };

/* One write for all the words, so that the lines of many processes stay whole. */
__attribute__((format(printf, 1, 2))) static void say(const char *format, ...)
{
    char words[2048];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(words, sizeof words, format, arguments);
    va_end(arguments);
    size_t cut = (size_t)length < sizeof words ? (size_t)length : sizeof words - 1;
    if (length > 0)
        (void)file_write_full(STDERR_FILENO, words, cut); /* there is nowhere else to say it */
}

/* Shows how far an extraction is, on a terminal and only if it takes a while. */
struct progress {
    struct timespec start;
    bool shown;
};

static void show_progress(void *context, uint64_t done, uint64_t total)
{
    struct progress *progress = context;
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t passed = (int64_t)(now.tv_sec - progress->start.tv_sec) * 1000 +
                     (now.tv_nsec - progress->start.tv_nsec) / 1000000;
    if (!progress->shown && passed < PROGRESS_AFTER_MILLISECONDS)
        return;
    progress->shown = true;
    say("\rcvmfsexec: unpacking %u%%", (unsigned)(done * 100 / total));
}

/* The directory of this very file, without asking how it was called. */
static int find_own_directory(struct text *directory, struct error *error)
{
    int result = 0;
    for (size_t room = 256; room <= PATH_LIMIT; room *= 2) {
        result = text_reserve(directory, room);
        if (result < 0)
            break;
        ssize_t length = readlink(self_link, directory->bytes, room);
        if (length < 0 || directory->bytes[0] != '/') {
            result = length < 0 ? -errno : -ENOENT;
            break;
        }
        if ((size_t)length == room)
            continue; /* may have been cut */
        directory->bytes[length] = '\0';
        char *slash = strrchr(directory->bytes, '/');
        if (slash == directory->bytes)
            slash++;
        *slash = '\0';
        directory->length = (size_t)(slash - directory->bytes);
        return 0;
    }
    return error_system(error, result < 0 ? result : -ENAMETOOLONG, "reading the link %s",
                        self_link);
}

static int open_self(struct bundle *bundle, struct publish_options *options, struct error *error)
{
    struct stat status;
    int file = openat(AT_FDCWD, self_link, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return error_system(error, -errno,
                            "opening %s (the file must be readable, and /proc mounted)", self_link);
    *options = (struct publish_options){.bundle = bundle, .file = file, .parent = -1};
    if (fstat(file, &status) < 0)
        return error_system(error, -errno, "looking at %s", self_link);
    options->owner = status.st_uid;
    const struct image image = {.fd = file, .length = (uint64_t)status.st_size};
    int result = bundle_read(&image, bundle, error);
    if (result == -ENOENT)
        return error_set(error, result,
                         "this program carries nothing; makedist -o FILE makes bundles");
    if (result == -EBADMSG || result == -ENOEXEC)
        return error_prefix(error, "this file is damaged (copy it again)");
    return result;
}

/* Becomes the program in the tree at `place`; returns only when that fails. */
static int start(const struct publish_options *options, const struct text *place, char **arguments,
                 struct error *error)
{
    auto_text struct text program = TEXT_INIT;
    int result =
        text_printf(&program, "%s/%s/%s", strcmp(place->bytes, "/") == 0 ? "" : place->bytes,
                    bundle_directory_name(options->bundle), bundle_program_name(options->bundle));
    if (result < 0)
        return error_system(error, result, "starting the program");
    char *called = arguments[0];
    arguments[0] = program.bytes;
    (void)execv(program.bytes, arguments);
    result = -errno;
    arguments[0] = called;
    return error_system(error, result, "starting %s", program.bytes);
}

/* Unpacks unless the tree is there, and starts it. A stamped tree that has lost its program, or
 * has an empty one since a power cut, is unpacked again, once. */
static int run_in_place(const struct publish_options *options, const struct text *place,
                        char **arguments, const char *remark, struct error *error)
{
    struct error discarded = ERROR_INIT;
    if (publish_is_ready(options)) {
        int result = start(options, place, arguments, &discarded);
        if (result != -ENOENT && result != -ENOEXEC)
            return error_set(error, result, "%s", discarded.message);
        publish_revoke(options);
    }
    struct progress progress = {.shown = false};
    struct publish_options extraction = *options;
    if (isatty(STDERR_FILENO)) {
        (void)clock_gettime(CLOCK_MONOTONIC, &progress.start);
        extraction.progress = show_progress;
        extraction.progress_context = &progress;
    }
    int result = publish_bundle(&extraction, error);
    if (progress.shown)
        say("\r\033[K");
    if (result < 0)
        return error_prefix(error, "%s", place->bytes);
    if (remark)
        say("cvmfsexec: unpacked to %s because of: %s\n", place->bytes, remark);
    return start(options, place, arguments, error);
}

/* Goes down the ladder until a place lets the program start. Failures that no other place would
 * mend end it at once. */
static int run(const struct publish_options *start_options, const char *directory, char **arguments,
               struct error *error)
{
    auto_text struct text place = TEXT_INIT;
    auto_text struct text failures = TEXT_INIT;
    struct place_ladder ladder = {.beside = directory};
    struct publish_options options = *start_options;
    for (;;) {
        struct error failure = ERROR_INIT;
        auto_fd int parent = place_next(&ladder, &place, &failure);
        if (parent == -ENOENT)
            break;
        int result = parent;
        if (parent >= 0) {
            options.parent = parent;
            result = run_in_place(&options, &place, arguments, failures.bytes, &failure);
        }
        if (result == -EBADMSG || result == -E2BIG || result == -ENOMEM)
            return error_set(error, result, "%s", failure.message);
        if (text_printf(&failures, "%s%s", failures.length ? "; " : "", failure.message) < 0)
            return error_system(error, -ENOMEM, "%s", failure.message);
    }
    return error_set(error, -ENOSPC, "no place to unpack to (set TMPDIR to one): %s",
                     failures.bytes);
}

int main(int count, char **arguments)
{
    auto_bundle struct bundle bundle = BUNDLE_INIT;
    auto_text struct text directory = TEXT_INIT;
    struct publish_options options;
    struct error error = ERROR_INIT;
    if (count < 1)
        return 1; /* nothing to hand on, not even a name */
    int result = open_self(&bundle, &options, &error);
    if (result == 0)
        result = find_own_directory(&directory, &error);
    if (result == 0)
        (void)run(&options, directory.bytes, arguments, &error); /* comes back with an error only */
    say("cvmfsexec: %s\n", error.message);
    return 1;
}
