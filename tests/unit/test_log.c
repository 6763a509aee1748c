/* payload/client/log: the official formats, rotation, and the buffer behind user.logbuffer. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "payload/base/file.h"
#include "payload/base/remove.h"
#include "payload/base/scope.h"
#include "payload/client/log.h"
#include "tests/unit/tap.h"

static char place[] = "/tmp/test_log.XXXXXX";
static char file[64], previous[64], debug[64];

static bool open_log(const char *prefix, const char *debug_file)
{
    const struct log_options options = {
        .fqrn = "a.example.org", .file = file, .debug = debug_file, .prefix = prefix};
    struct error error = ERROR_INIT;
    return log_open(&options, &error) == 0;
}

static int64_t size_of(const char *path)
{
    struct stat status;
    return stat(path, &status) < 0 ? -1 : (int64_t)status.st_size;
}

/* The last line of the file, without its newline. The caller frees it. */
static char *last_line(const char *path)
{
    auto_text struct text text = TEXT_INIT;
    if (file_load(AT_FDCWD, path, 1 << 20, &text) < 0 || text.length < 2)
        return strdup("");
    text.bytes[text.length - 1] = '\0';
    const char *newline = strrchr(text.bytes, '\n');
    return strdup(newline ? newline + 1 : text.bytes);
}

static void messages_before_the_log_is_open_are_remembered(void)
{
    auto_text struct text text = TEXT_INIT;
    errno = EDOM;
    log_message(LOG_NOTICE, "early %d", 1);
    log_debug("cache", "nobody hears this");
    CHECK(errno == EDOM, "logging leaves errno alone");
    CHECK(log_buffer(&text) == 0 && strstr(text.bytes, " UTC] early 1\n") && text.bytes[0] == '[',
          "a message before the log is open is in the buffer");
}

static void lines_have_the_official_format(void)
{
    CHECK(open_log(NULL, NULL), "a log file is opened");
    struct stat status;
    CHECK(stat(file, &status) == 0 && (status.st_mode & 07777) == 0600, "its mode is 0600");
    CHECK(size_of(previous) == 0, "FILE.1 is there from the start, and empty");
    (void)setenv("TZ", "UTC", 1);
    log_message(LOG_ERR, "failed to %s", "x");
    auto_free char *line = last_line(file);
    char month[4], day[4];
    int date, hour, minute, second, year, length = 0;
    CHECK(sscanf(line, "%3s %3s %d %d:%d:%d %d%n", day, month, &date, &hour, &minute, &second,
                 &year, &length) == 7 &&
              length == 24 && strcmp(line + length, " (a.example.org) failed to x") == 0,
          "a line is the time as ctime writes it, the repository, the message: %s", line);
    log_message(LOG_ERR, "two\nlines\r\t\x1b[2J");
    auto_free char *second_line = last_line(file);
    CHECK(strstr(second_line, ") two lines   [2J"), "control characters do not get through: %s",
          second_line);
}

static void the_prefix_can_be_chosen(void)
{
    (void)open_log("node7", NULL);
    log_message(LOG_NOTICE, "hello");
    auto_free char *line = last_line(file);
    CHECK(strstr(line, " (node7) hello"), "CVMFS_SYSLOG_PREFIX stands in place of the name");
}

static void the_buffer_keeps_ten(void)
{
    for (int number = 0; number < 25; number++)
        log_message(LOG_NOTICE, "message %d.", number);
    auto_text struct text text = TEXT_INIT;
    (void)log_buffer(&text);
    size_t lines = 0;
    for (const char *at = text.bytes; (at = strchr(at, '\n')); at++)
        lines++;
    CHECK(lines == 10 && strstr(text.bytes, "message 15.\n") &&
              strstr(text.bytes, "message 24.\n") && !strstr(text.bytes, "message 14."),
          "the buffer has the last ten messages");
    int day, year, hour, minute, second, length = 0;
    char month[4];
    CHECK(sscanf(text.bytes, "[%d %3s %d %d:%d:%d UTC] message 15.%n", &day, month, &year, &hour,
                 &minute, &second, &length) == 6 &&
              length > 0,
          "in the form of user.logbuffer");
}

static void a_full_file_is_rotated(void)
{
    (void)open_log(NULL, NULL);
    char words[1000];
    memset(words, 'w', sizeof words - 1);
    words[sizeof words - 1] = '\0';
    for (int number = 0; number < 600; number++)
        log_message(LOG_NOTICE, "%s", words);
    CHECK(size_of(previous) >= 500 * 1024 && size_of(previous) < 502 * 1024,
          "FILE.1 has the first 500 KiB: %lld", (long long)size_of(previous));
    CHECK(size_of(file) > 0 && size_of(file) < 200 * 1024, "FILE begins anew: %lld",
          (long long)size_of(file));
}

static void debug_lines_name_their_module(void)
{
    (void)open_log(NULL, debug);
    log_debug("cache", "object %d", 5);
    auto_free char *line = last_line(debug);
    int month, day, year, hour, minute, second, length = 0;
    CHECK(sscanf(line, "(cache) object 5    [%d-%d-%d %d:%d:%d %*[A-Z+0-9-]]%n", &month, &day,
                 &year, &hour, &minute, &second, &length) == 6 &&
              length == (int)strlen(line),
          "a debug line is module, message, local time: %s", line);
    log_message(LOG_ERR, "seen by all");
    auto_free char *copy = last_line(debug);
    CHECK(strstr(copy, "seen by all"), "messages are in the debug log, too");
    int64_t before = size_of(debug);
    (void)open_log(NULL, NULL);
    log_debug("cache", "not any more");
    CHECK(size_of(debug) == before, "without a debug log there are no debug lines");
}

static void *write_lines(void *context)
{
    for (int number = 0; number < 200; number++)
        log_message(LOG_NOTICE, "thread %s line", (const char *)context);
    return NULL;
}

static void lines_of_threads_do_not_mix(void)
{
    (void)unlink(file);
    (void)open_log(NULL, NULL);
    pthread_t threads[4];
    static char names[4][2] = {"a", "b", "c", "d"};
    for (int index = 0; index < 4; index++)
        (void)pthread_create(&threads[index], NULL, write_lines, names[index]);
    for (int index = 0; index < 4; index++)
        (void)pthread_join(threads[index], NULL);
    auto_text struct text text = TEXT_INIT;
    (void)file_load(AT_FDCWD, file, 1 << 20, &text);
    size_t good = 0;
    for (const char *at = text.bytes; at && *at; at = strchr(at, '\n') + 1)
        good += strchr(at, '\n') - at == 24 + (ptrdiff_t)strlen(" (a.example.org) thread x line");
    CHECK(good == 800, "800 lines of four threads are whole");
}

static void trouble_is_named(void)
{
    struct error error = ERROR_INIT;
    const struct log_options options = {.fqrn = "a", .file = "/nowhere/log"};
    CHECK(log_open(&options, &error) == -ENOENT && strstr(error.message, "/nowhere/log"),
          "a log file that cannot be opened is named: %s", error.message);
}

int main(void)
{
    if (!mkdtemp(place))
        return 1;
    (void)snprintf(file, sizeof file, "%s/log", place);
    (void)snprintf(previous, sizeof previous, "%s/log.1", place);
    (void)snprintf(debug, sizeof debug, "%s/debug", place);
    messages_before_the_log_is_open_are_remembered();
    lines_have_the_official_format();
    the_prefix_can_be_chosen();
    the_buffer_keeps_ten();
    a_full_file_is_rotated();
    debug_lines_name_their_module();
    lines_of_threads_do_not_mix();
    trouble_is_named();
    if (directory_remove(AT_FDCWD, place) < 0)
        printf("# %s is left behind\n", place);
    return tap_done();
}
