/* Downloads as people see them: on a terminal a block of lines that is drawn again and again, in a
 * pipe one line for each file that came, nothing for those who asked for silence. */
#ifndef CVMFSEXEC_PACKER_DOWNLOAD_DISPLAY_H
#define CVMFSEXEC_PACKER_DOWNLOAD_DISPLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "packer/download.h"
#include "payload/base/text.h"

#define DOWNLOAD_DISPLAY_ROWS 8 /* files in the block, at most; the total comes below */
#define DOWNLOAD_DISPLAY_SPAN 16

struct download_display {
    int fd;
    bool quiet;
    bool terminal; /* that understands the usual sequences */

    /* What stands on the terminal now: the lengths of its lines, the cursor is behind the last. */
    size_t lines[DOWNLOAD_DISPLAY_ROWS + 1];
    size_t line_count;

    /* How much had been transferred at past moments, for the rate; a ring. */
    struct {
        int64_t time; /* milliseconds */
        uint64_t bytes;
    } moments[DOWNLOAD_DISPLAY_SPAN];
    size_t moment_count;
    uint64_t ended_bytes; /* transferred by downloads that have ended */
    bool failed;          /* memory or the terminal is gone: nothing is shown any more */
};

/* Shows on standard error. */
struct download_display download_display_begin(bool quiet);

/* The `report` of struct download_settings, with the display as its context. */
void download_display_report(void *display, const struct download *downloads, size_t count,
                             const struct download *ended);

/* Takes the block away: before other words go to the terminal. */
void download_display_end(struct download_display *display);

/* What a report writes, appended to `out`, on a terminal of that width at that time. For the above,
 * and for tests. 0 or -ENOMEM. */
int download_display_draw(struct download_display *display, const struct download *downloads,
                          size_t count, const struct download *ended, size_t width, int64_t now,
                          struct text *out);

#endif
