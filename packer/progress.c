#include "packer/progress.h"

#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

struct progress progress_begin(const char *what, bool quiet)
{
    return (struct progress){
        .what = what, .enabled = !quiet && isatty(STDERR_FILENO) == 1, .percent = -1};
}

void progress_show(struct progress *progress, uint64_t done, uint64_t total)
{
    if (!progress->enabled)
        return;
    const uint64_t shown = done < total ? done : total;
    const int percent = total > 0 ? (int)((double)shown / (double)total * 100.0) : 100;
    if (percent == progress->percent)
        return;
    progress->percent = percent;
    char done_text[PROGRESS_SIZE_ROOM], total_text[PROGRESS_SIZE_ROOM];
    (void)fprintf(stderr, "\r%s: %3d%%, %s of %s\033[K", progress->what, percent,
                  progress_size(shown, done_text), progress_size(total, total_text));
}

void progress_end(struct progress *progress)
{
    if (progress->percent >= 0)
        (void)fputs("\r\033[K", stderr);
    progress->percent = -1;
}

const char *progress_size(uint64_t bytes, char text[PROGRESS_SIZE_ROOM])
{
    static const char *const units[] = {"kB", "MB", "GB", "TB"};
    if (bytes < 1000) {
        (void)snprintf(text, PROGRESS_SIZE_ROOM, "%u bytes", (unsigned)bytes);
        return text;
    }
    double value = (double)bytes / 1000.0;
    size_t unit = 0;
    for (; value >= 999.95 && unit + 1 < sizeof units / sizeof units[0]; unit++)
        value /= 1000.0;
    (void)snprintf(text, PROGRESS_SIZE_ROOM, "%.1f %s", value, units[unit]);
    return text;
}
