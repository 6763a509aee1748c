/* Messages in the official formats. A message that cannot be written is lost: there is nobody to
 * tell. Each line is one write to a file opened for appending, so lines of several processes do not
 * mix. */
#include "payload/client/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "payload/base/file.h"
#include "payload/base/scope.h"

#define LOG_IDENTIFIER "cvmfs2"
#define LOG_FULL_SIZE (500 * 1024) /* bytes: then it is rotated (cvmfs-format.md 10.11) */
#define BUFFER_LINES 10
#define BUFFER_LINE_SIZE 1024 /* longer messages are cut in the buffer */

static struct {
    pthread_mutex_t lock;
    char *prefix;
    int file;
    int previous; /* FILE.1 */
    int debug;
    bool to_syslog;
    int syslog_facility;
    int syslog_level;
    struct {
        time_t time;
        char message[BUFFER_LINE_SIZE];
    } lines[BUFFER_LINES];
    size_t line_count; /* of all messages; the last ten are in `lines` */
} state = {.lock = PTHREAD_MUTEX_INITIALIZER, .file = -1, .previous = -1, .debug = -1};

static void replace_fd(int *slot, int *fd)
{
    scope_close_fd(slot);
    *slot = steal_fd(fd);
}

static int open_for_appending(const char *path, int access, int *fd, struct error *error)
{
    *fd = open(path, access | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0600);
    return *fd < 0 ? error_system(error, -errno, "opening the log file %s", path) : 0;
}

int log_open(const struct log_options *options, struct error *error)
{
    auto_fd int file = -1;
    auto_fd int previous = -1;
    auto_fd int debug = -1;
    int result = 0;
    if (options->file) {
        auto_text struct text path = TEXT_INIT;
        result = text_printf(&path, "%s.1", options->file);
        if (result == 0)
            result = open_for_appending(options->file, O_RDWR, &file, error);
        if (result == 0)
            result = open_for_appending(path.bytes, O_WRONLY, &previous, error);
    }
    if (result == 0 && options->debug)
        result = open_for_appending(options->debug, O_WRONLY, &debug, error);
    if (result < 0)
        return result;
    auto_free char *prefix = strdup(options->prefix ? options->prefix : options->fqrn);
    if (!prefix)
        return error_system(error, -ENOMEM, "opening the log");

    static const int levels[] = {LOG_NOTICE, LOG_DEBUG, LOG_INFO, LOG_NOTICE};
    (void)pthread_mutex_lock(&state.lock);
    replace_fd(&state.file, &file);
    replace_fd(&state.previous, &previous);
    replace_fd(&state.debug, &debug);
    free(state.prefix);
    state.prefix = steal_pointer(prefix);
    state.syslog_facility = options->syslog_facility;
    state.syslog_level = levels[options->syslog_level & 3];
    state.to_syslog = state.file < 0;
    if (state.to_syslog)
        openlog(LOG_IDENTIFIER, 0, state.syslog_facility);
    (void)pthread_mutex_unlock(&state.lock);
    return 0;
}

/* A full file is copied to FILE.1 and emptied. Another process may be at it: whoever gets the lock
 * first does it, the next one finds a short file. */
static void rotate(void)
{
    struct stat status;
    if (fstat(state.file, &status) < 0 || status.st_size < LOG_FULL_SIZE ||
        flock(state.previous, LOCK_EX) < 0)
        return;
    if (fstat(state.file, &status) == 0 && status.st_size >= LOG_FULL_SIZE &&
        ftruncate(state.previous, 0) == 0) {
        char block[8192];
        off_t offset = 0;
        ssize_t count;
        while ((count = file_pread_full(state.file, block, sizeof block, offset)) > 0 &&
               file_write_full(state.previous, block, (size_t)count) == 0)
            offset += count;
        int emptied =
            ftruncate(state.file, 0); /* also when the copy failed: the disk may be full */
        (void)emptied;                /* else it grows on; the next message tries again */
    }
    (void)flock(state.previous, LOCK_UN);
}

static void write_line(int fd, const struct text *line)
{
    ssize_t written = write(fd, line->bytes, line->length);
    (void)written; /* see above: lost */
}

/* "Mon Nov 23 22:13:28 2026 (fqrn) message", in local time. */
static void write_to_file(time_t now, const char *message)
{
    struct tm local;
    char date[32];
    auto_text struct text line = TEXT_INIT;
    if (!localtime_r(&now, &local) || !asctime_r(&local, date))
        return;
    date[strcspn(date, "\n")] = '\0';
    if (text_printf(&line, "%s (%s) %s\n", date, state.prefix, message) < 0)
        return;
    rotate();
    write_line(state.file, &line);
}

/* "(module) message    [11-23-2026 22:13:28 UTC]" */
static void write_to_debug(time_t now, const char *module, const char *message)
{
    struct tm local;
    char date[64];
    auto_text struct text line = TEXT_INIT;
    if (localtime_r(&now, &local) && strftime(date, sizeof date, "%m-%d-%Y %H:%M:%S %Z", &local) &&
        text_printf(&line, "(%s) %s    [%s]\n", module, message, date) == 0)
        write_line(state.debug, &line);
}

/* Words of servers come through here too: one message stays one line. */
static void remove_controls(char *message)
{
    for (; *message; message++)
        if ((unsigned char)*message < ' ' || *message == 0x7f)
            *message = ' ';
}

static void remember(time_t now, const char *message)
{
    size_t slot = state.line_count++ % BUFFER_LINES;
    state.lines[slot].time = now;
    (void)snprintf(state.lines[slot].message, BUFFER_LINE_SIZE, "%s", message); /* cut is fine */
}

/* The words of a message, which the caller frees; NULL when there is no memory for them. */
__attribute__((format(printf, 1, 0))) static char *format_message(const char *format,
                                                                  va_list arguments)
{
    char *message;
    if (vasprintf(&message, format, arguments) < 0)
        return NULL;
    remove_controls(message);
    return message;
}

void log_message(int level, const char *format, ...)
{
    const int saved = errno;
    va_list arguments;
    va_start(arguments, format);
    auto_free char *message = format_message(format, arguments);
    va_end(arguments);
    if (message) {
        const time_t now = time(NULL);
        (void)pthread_mutex_lock(&state.lock);
        remember(now, message);
        if (state.file >= 0)
            write_to_file(now, message);
        if (state.debug >= 0)
            write_to_debug(now, "cvmfs", message);
        if (state.to_syslog)
            syslog(state.syslog_facility | (level > LOG_WARNING ? state.syslog_level : level),
                   "(%s) %s", state.prefix, message);
        (void)pthread_mutex_unlock(&state.lock);
    }
    errno = saved;
}

void log_debug(const char *module, const char *format, ...)
{
    const int saved = errno;
    if (__atomic_load_n(&state.debug, __ATOMIC_RELAXED) < 0)
        return;
    va_list arguments;
    va_start(arguments, format);
    auto_free char *message = format_message(format, arguments);
    va_end(arguments);
    if (message) {
        (void)pthread_mutex_lock(&state.lock);
        if (state.debug >= 0)
            write_to_debug(time(NULL), module, message);
        (void)pthread_mutex_unlock(&state.lock);
    }
    errno = saved;
}

int log_buffer(struct text *text)
{
    int result = 0;
    (void)pthread_mutex_lock(&state.lock);
    size_t first = state.line_count > BUFFER_LINES ? state.line_count - BUFFER_LINES : 0;
    for (size_t index = first; result == 0 && index < state.line_count; index++) {
        const char *message = state.lines[index % BUFFER_LINES].message;
        struct tm utc;
        char date[64];
        if (gmtime_r(&state.lines[index % BUFFER_LINES].time, &utc) &&
            strftime(date, sizeof date, "%d %b %Y %H:%M:%S UTC", &utc))
            result = text_printf(text, "[%s] %s\n", date, message);
    }
    (void)pthread_mutex_unlock(&state.lock);
    return result;
}
