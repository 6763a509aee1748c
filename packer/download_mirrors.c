/* The order of mirrors and the pauses between rounds: no clock, no dice and no network in here. */
#include "packer/download_mirrors.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "payload/base/text.h"

int download_mirrors_open(size_t count, struct download_patience patience,
                          struct download_mirrors *mirrors)
{
    *mirrors = (struct download_mirrors){.patience = patience};
    mirrors->items = calloc(count, sizeof *mirrors->items);
    if (!mirrors->items)
        return -ENOMEM;
    mirrors->count = count;
    return 0;
}

void download_mirrors_close(struct download_mirrors *mirrors)
{
    free(mirrors->items);
    *mirrors = (struct download_mirrors){.items = NULL};
}

/* The pause before a round: doubled from one to the next, then shortened by chance. */
static int64_t pause_before(const struct download_mirrors *mirrors, uint32_t dice)
{
    int64_t pause = mirrors->patience.pause;
    for (unsigned round = 1; round < mirrors->round && pause < mirrors->patience.pause_max; round++)
        pause *= 2;
    if (pause > mirrors->patience.pause_max)
        pause = mirrors->patience.pause_max;
    return pause - pause / 2 * (int64_t)(dice % 1024) / 1023;
}

static bool find_from(struct download_mirrors *mirrors, size_t first)
{
    for (size_t index = first; index < mirrors->count; index++) {
        if (mirrors->items[index].refused)
            continue;
        mirrors->current = index;
        return true;
    }
    return false;
}

/* Pauses are for mirrors that are asked again: one that comes first in this round is not kept
 * waiting for what others did. */
static bool advance(struct download_mirrors *mirrors, int64_t now, uint32_t dice)
{
    if (find_from(mirrors, mirrors->current + 1))
        return true;
    mirrors->round++;
    if (mirrors->round >= mirrors->patience.rounds || !find_from(mirrors, 0))
        return false;
    const int64_t begin = now + pause_before(mirrors, dice);
    for (size_t index = 0; index < mirrors->count; index++)
        if (mirrors->items[index].not_before < begin)
            mirrors->items[index].not_before = begin;
    return true;
}

bool download_mirrors_retry(struct download_mirrors *mirrors, int64_t now, int64_t retry_after,
                            uint32_t dice)
{
    struct download_mirror *mirror = &mirrors->items[mirrors->current];
    if (retry_after > mirrors->patience.pause_max / 1000)
        mirror->refused = true;
    else if (retry_after > 0)
        mirror->not_before = now + retry_after * 1000;
    return advance(mirrors, now, dice);
}

bool download_mirrors_refuse(struct download_mirrors *mirrors, int64_t now, uint32_t dice)
{
    mirrors->items[mirrors->current].refused = true;
    return advance(mirrors, now, dice);
}

int64_t download_mirrors_time(const struct download_mirrors *mirrors)
{
    return mirrors->items[mirrors->current].not_before;
}

int download_mirrors_error(const struct download_mirrors *mirrors, struct error *error)
{
    int code = -ENOENT;
    auto_text struct text words = TEXT_INIT;
    for (size_t index = 0; index < mirrors->count; index++) {
        const struct error *one = &mirrors->items[index].error;
        if (one->code == 0)
            continue; /* never asked */
        if (code == -ENOENT)
            code = one->code;
        if (text_printf(&words, "%s%s", words.length > 0 ? "; " : "", one->message) < 0)
            return error_system(error, -ENOMEM, "downloading");
    }
    return error_set(error, code, "%s", words.bytes ? words.bytes : "no mirror was asked");
}
