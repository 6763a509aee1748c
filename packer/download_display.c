/* Lines for a terminal or a pipe. Only what was drawn is remembered, so that it can be taken away
 * again; what is downloaded is asked anew each time. */
#include "packer/download_display.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "packer/clock.h"
#include "packer/progress.h"
#include "payload/base/file.h"

#define WIDTH_DEFAULT 80
#define WIDTH_LEAST 20
#define LABEL_LEAST 12
#define MOMENT_INTERVAL 250 /* milliseconds */
#define LINE_ROOM 512

struct download_display download_display_begin(bool quiet)
{
    const char *kind = getenv("TERM");
    return (struct download_display){
        .fd = STDERR_FILENO,
        .quiet = quiet,
        .terminal = isatty(STDERR_FILENO) == 1 && kind && kind[0] && strcmp(kind, "dumb") != 0,
    };
}

/* Takes the block away. A terminal that became narrower has broken its lines into more rows. */
static int erase(struct download_display *display, size_t width, struct text *out)
{
    if (display->line_count == 0)
        return 0;
    size_t rows = 0;
    for (size_t index = 0; index < display->line_count; index++)
        rows += display->lines[index] == 0 ? 1 : (display->lines[index] + width - 1) / width;
    display->line_count = 0;
    return rows > 1 ? text_printf(out, "\r\033[%zuA\033[J", rows - 1)
                    : text_append_string(out, "\r\033[J");
}

/* Adds a line to the block, cut so that it stays one row. */
static int draw_line(struct download_display *display, const char *line, size_t width,
                     struct text *out)
{
    const size_t room = width - 1; /* the last column makes some terminals go on below */
    const size_t length = strlen(line) < room ? strlen(line) : room;
    int result = display->line_count > 0 ? text_append(out, "\n", 1) : 0;
    if (result == 0)
        result = text_append(out, line, length);
    display->lines[display->line_count++] = length;
    return result;
}

/* What comes from a repository and goes to a terminal is letters, digits and signs. */
static void copy_label(const char *label, char *copy, size_t room)
{
    size_t index = 0;
    for (; label[index] && index + 1 < room; index++)
        if (label[index] > ' ' && label[index] < 0x7f)
            copy[index] = label[index];
        else
            copy[index] = '?';
    copy[index] = '\0';
}

static void format_time(int64_t seconds, char *text, size_t room)
{
    if (seconds >= 3600)
        (void)snprintf(text, room, "%d:%02d:%02d", (int)(seconds / 3600), (int)(seconds / 60 % 60),
                       (int)(seconds % 60));
    else
        (void)snprintf(text, room, "%d:%02d", (int)(seconds / 60), (int)(seconds % 60));
}

static int draw_file(struct download_display *display, const struct download *download,
                     size_t width, struct text *out)
{
    char label[256], done[PROGRESS_SIZE_ROOM], total[PROGRESS_SIZE_ROOM], right[128];
    char line[LINE_ROOM];
    copy_label(download->label, label, sizeof label);
    (void)progress_size(download->received, done);
    if (download->state == DOWNLOAD_PAUSED)
        (void)snprintf(right, sizeof right, "waits, %s", done);
    else if (download->total == 0)
        (void)snprintf(right, sizeof right, "%s", done);
    else
        (void)snprintf(right, sizeof right, "%3d%%  %s of %s",
                       (int)((double)download->received / (double)download->total * 100.0), done,
                       progress_size(download->total, total));
    /* The name gives way first. */
    const size_t room = width - 1;
    size_t label_room = room > strlen(right) + 4 ? room - strlen(right) - 4 : LABEL_LEAST;
    if (label_room < LABEL_LEAST)
        label_room = LABEL_LEAST;
    if (label_room > 48)
        label_room = 48;
    (void)snprintf(line, sizeof line, "  %-*.*s  %s", (int)label_room, (int)label_room, label,
                   right);
    return draw_line(display, line, width, out);
}

struct totals {
    size_t ended, count;
    uint64_t transferred; /* by this run, by downloads that have not ended */
    uint64_t received, total;
    bool is_total_known;
};

static uint64_t transferred_by(const struct download *download)
{
    return download->cached || download->received < download->resumed
               ? 0
               : download->received - download->resumed;
}

static struct totals add_up(const struct download *downloads, size_t count)
{
    struct totals totals = {.count = count, .is_total_known = true};
    for (size_t index = 0; index < count; index++) {
        const struct download *download = &downloads[index];
        const bool ended = download->state == DOWNLOAD_DONE || download->state == DOWNLOAD_FAILED;
        totals.ended += ended;
        totals.received += download->received;
        totals.total += ended ? download->received : download->total;
        if (!ended)
            totals.transferred += transferred_by(download);
        if (!ended && download->total == 0)
            totals.is_total_known = false;
    }
    return totals;
}

/* Bytes per second over the last seconds; 0: not known yet. */
static double rate_of(struct download_display *display, uint64_t bytes, int64_t now)
{
    const size_t count = display->moment_count;
    const size_t last = (count + DOWNLOAD_DISPLAY_SPAN - 1) % DOWNLOAD_DISPLAY_SPAN;
    if (count == 0 || now - display->moments[last].time >= MOMENT_INTERVAL) {
        display->moments[count % DOWNLOAD_DISPLAY_SPAN].time = now;
        display->moments[count % DOWNLOAD_DISPLAY_SPAN].bytes = bytes;
        display->moment_count++;
    }
    const size_t first = display->moment_count > DOWNLOAD_DISPLAY_SPAN
                             ? display->moment_count % DOWNLOAD_DISPLAY_SPAN
                             : 0;
    const int64_t time = now - display->moments[first].time;
    if (time < MOMENT_INTERVAL || bytes < display->moments[first].bytes)
        return 0;
    return (double)(bytes - display->moments[first].bytes) * 1000.0 / (double)time;
}

static int draw_total(struct download_display *display, const struct totals *totals, size_t width,
                      int64_t now, struct text *out)
{
    char done[PROGRESS_SIZE_ROOM], all[PROGRESS_SIZE_ROOM], speed[PROGRESS_SIZE_ROOM];
    char left[32] = "", line[LINE_ROOM];
    const double rate = rate_of(display, display->ended_bytes + totals->transferred, now);
    const uint64_t missing =
        totals->total > totals->received ? totals->total - totals->received : 0;
    int length = snprintf(line, sizeof line, "%zu of %zu files, %s", totals->ended, totals->count,
                          progress_size(totals->received, done));
    if (totals->is_total_known)
        length += snprintf(line + length, sizeof line - (size_t)length, " of %s",
                           progress_size(totals->total, all));
    if (rate >= 1)
        length += snprintf(line + length, sizeof line - (size_t)length, ", %s/s",
                           progress_size((uint64_t)rate, speed));
    if (rate >= 1 && totals->is_total_known) {
        format_time((int64_t)((double)missing / rate + 0.5), left, sizeof left);
        (void)snprintf(line + length, sizeof line - (size_t)length, ", %s left", left);
    }
    return draw_line(display, line, width, out);
}

/* The line that stays, for a file that is there now. */
static int write_ended(const struct download_display *display, const struct download *ended,
                       struct text *out)
{
    char label[256], size[PROGRESS_SIZE_ROOM];
    if (ended->state != DOWNLOAD_DONE)
        return 0; /* who asked for it says why it failed, or does without */
    copy_label(ended->label, label, sizeof label);
    return text_printf(out, "%s%s: %s%s\n", display->terminal ? "" : "makedist: ", label,
                       progress_size(ended->received, size), ended->cached ? ", cached" : "");
}

int download_display_draw(struct download_display *display, const struct download *downloads,
                          size_t count, const struct download *ended, size_t width, int64_t now,
                          struct text *out)
{
    if (display->quiet)
        return 0;
    if (width < WIDTH_LEAST)
        width = WIDTH_LEAST;
    if (ended)
        display->ended_bytes += transferred_by(ended);
    int result = display->terminal ? erase(display, width, out) : 0;
    if (result == 0 && ended)
        result = write_ended(display, ended, out);
    const struct totals totals = add_up(downloads, count);
    if (!display->terminal || totals.ended == totals.count)
        return result;
    for (size_t index = 0; index < count && result == 0; index++) {
        const enum download_state state = downloads[index].state;
        if ((state == DOWNLOAD_ACTIVE || state == DOWNLOAD_PAUSED) &&
            display->line_count < DOWNLOAD_DISPLAY_ROWS)
            result = draw_file(display, &downloads[index], width, out);
    }
    return result == 0 ? draw_total(display, &totals, width, now, out) : result;
}

static size_t terminal_width(int fd)
{
    struct winsize size;
    return ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : WIDTH_DEFAULT;
}

/* One write for a whole picture, so that nobody sees half of it. */
static void show(struct download_display *display, int result, const struct text *out)
{
    if (result == 0 && out->length > 0)
        result = file_write_full(display->fd, out->bytes, out->length);
    if (result < 0)
        display->failed = true;
}

void download_display_report(void *context, const struct download *downloads, size_t count,
                             const struct download *ended)
{
    struct download_display *display = context;
    auto_text struct text out = TEXT_INIT;
    if (display->failed)
        return;
    int result = download_display_draw(display, downloads, count, ended,
                                       terminal_width(display->fd), clock_milliseconds(), &out);
    show(display, result, &out);
}

void download_display_end(struct download_display *display)
{
    auto_text struct text out = TEXT_INIT;
    if (display->failed)
        return;
    size_t width = terminal_width(display->fd);
    int result = erase(display, width < WIDTH_LEAST ? WIDTH_LEAST : width, &out);
    show(display, result, &out);
}
