/* payload/client/exposure, and inode_set below it: when contents may be stored into a file, which
 * is never while somebody could have got at it. */
#include "payload/client/exposure.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "payload/client/inode_set.h"
#include "tests/unit/tap.h"

enum {
    ABOVE = 300,
    DIRECTORY = 400,
    FILE_ONE = 501,
    FILE_TWO = 502,
    COOKIE_ONE = 1,
    COOKIE_TWO = 2
};

static struct exposure *exposure;
static atomic_uint waits;

static void note_wait(void)
{
    (void)atomic_fetch_add(&waits, 1);
}

static void begin(void)
{
    exposure_destroy(exposure);
    atomic_store(&waits, 0);
    if (exposure_create(note_wait, &exposure) < 0)
        abort();
}

static bool may_store(uint64_t inode)
{
    const bool may = exposure_begin_store(exposure, DIRECTORY, inode);
    if (may)
        exposure_end_store(exposure);
    return may;
}

/* As preparation.c does it, with the one question that the lister's coming costs. */
static bool hide_and_list(void)
{
    return exposure_hide_directory(exposure, DIRECTORY) &&
           exposure_look_up(exposure, DIRECTORY) == EXPOSURE_HIDDEN &&
           !exposure_list(exposure, DIRECTORY, COOKIE_ONE, FILE_ONE) &&
           !exposure_list(exposure, DIRECTORY, COOKIE_TWO, FILE_TWO) &&
           exposure_fill(exposure, DIRECTORY, true);
}

static void sets_hold_what_was_added(void)
{
    struct inode_set set = INODE_SET_INIT;
    CHECK(!inode_set_has(&set, 0) && !inode_set_has(&set, UINT64_MAX), "an empty set has nothing");
    static const uint64_t numbers[] = {1, 256, 32767, 32768, 1000000, (UINT64_C(1) << 35) - 1};
    bool added = true;
    for (size_t index = 0; index < sizeof numbers / sizeof numbers[0]; index++)
        added &= inode_set_add(&set, numbers[index]) == 0 && inode_set_has(&set, numbers[index]) &&
                 !inode_set_has(&set, numbers[index] ^ 2);
    CHECK(added, "numbers of any size are kept apart");
    CHECK(inode_set_add(&set, UINT64_C(1) << 35) == -ERANGE, "one that is too high is refused");
    inode_set_free(&set);
    CHECK(!inode_set_has(&set, 256), "a freed set is empty");
    int result = 0;
    uint64_t added_pages = 0;
    while (result == 0 && added_pages <= INODE_SET_MOST)
        if ((result = inode_set_add(&set, added_pages * INODE_SET_PAGE)) == 0)
            added_pages++;
    CHECK(result == -ENOSPC && added_pages == INODE_SET_MOST, "it does not grow without a limit");
    CHECK(inode_set_add(&set, 1) == 0, "what it has room for can be added still");
    inode_set_free(&set);
}

static void nothing_is_stored_where_nothing_is_hidden(void)
{
    begin();
    CHECK(!may_store(FILE_ONE), "a file whose directory is not hidden may be open");
    CHECK(exposure_hide_directory(exposure, DIRECTORY) && !may_store(FILE_ONE),
          "nor is anything stored before the directory was listed");
    CHECK(!exposure_fill(exposure, DIRECTORY, false) && !may_store(FILE_ONE),
          "nor when it could not be");
    CHECK(!exposure_hide_directory(exposure, DIRECTORY),
          "a directory that may have a visitor is not hidden again");
}

static void a_hidden_directory_can_be_filled(void)
{
    begin();
    CHECK(hide_and_list() && may_store(FILE_ONE) && may_store(FILE_TWO),
          "contents are stored into a directory that only the lister has come to");
    CHECK(exposure_list(exposure, ABOVE, COOKIE_ONE, DIRECTORY),
          "in the directory above, it is listed hidden");
    exposure_reveal(exposure, DIRECTORY);
    CHECK(!may_store(FILE_ONE), "when it is revealed, no more is stored");
    CHECK(exposure_list(exposure, ABOVE, COOKIE_ONE, DIRECTORY),
          "until its reader comes, its name stays hidden");
    CHECK(exposure_look_up(exposure, DIRECTORY) == EXPOSURE_NOTICED, "he is noticed");
    CHECK(exposure_look_up(exposure, DIRECTORY) == EXPOSURE_PLAIN, "once");
    CHECK(!exposure_list(exposure, ABOVE, COOKIE_ONE, DIRECTORY), "then it is seen");
    CHECK(exposure_hide_entries(exposure, DIRECTORY, 0) && !may_store(FILE_ONE),
          "files that were listed in it are never filled by way of hidden entries");
}

static void a_reader_ends_the_filling(void)
{
    begin();
    CHECK(hide_and_list() && exposure_look_up(exposure, DIRECTORY) == EXPOSURE_NOTICED,
          "who comes while contents are stored is let in after a while");
    CHECK(atomic_load(&waits) > 0, "it is said that he waits");
    CHECK(!may_store(FILE_ONE), "then no more is stored");
    begin();
    CHECK(exposure_hide_directory(exposure, DIRECTORY) &&
              exposure_look_up(exposure, DIRECTORY) == EXPOSURE_HIDDEN &&
              exposure_look_up(exposure, DIRECTORY) == EXPOSURE_NOTICED &&
              !exposure_fill(exposure, DIRECTORY, true) && !may_store(FILE_ONE),
          "of two who came before it was listed, one is no lister");
}

static void what_the_kernel_has_is_not_hidden(void)
{
    begin();
    (void)exposure_look_up(exposure, DIRECTORY);
    CHECK(!exposure_hide_directory(exposure, DIRECTORY), "a directory that was looked up");
    begin();
    (void)exposure_list(exposure, ABOVE, COOKIE_ONE, DIRECTORY);
    CHECK(!exposure_hide_directory(exposure, DIRECTORY), "or was listed");
    begin();
    (void)exposure_look_up(exposure, FILE_ONE);
    CHECK(hide_and_list() && !may_store(FILE_ONE) && may_store(FILE_TWO),
          "a file that was looked up before, in another way, is left alone");
}

static void entries_are_hidden_behind_a_cookie(void)
{
    begin();
    (void)exposure_look_up(exposure, DIRECTORY);
    CHECK(exposure_hide_entries(exposure, DIRECTORY, COOKIE_ONE), "entries of any directory");
    CHECK(!exposure_list(exposure, DIRECTORY, COOKIE_ONE, FILE_ONE), "up to it they are seen");
    CHECK(exposure_list(exposure, DIRECTORY, COOKIE_TWO, FILE_TWO), "behind it they are not");
    CHECK(!may_store(FILE_ONE) && may_store(FILE_TWO), "and only into those may be stored");
    CHECK(exposure_look_up(exposure, FILE_TWO) == EXPOSURE_PLAIN && !may_store(FILE_TWO),
          "until somebody asks for them");
    exposure_reveal(exposure, DIRECTORY);
    CHECK(!exposure_list(exposure, DIRECTORY, COOKIE_TWO, FILE_TWO), "in the end they are seen");
}

static void few_directories_are_hidden_at_once(void)
{
    begin();
    uint64_t hidden = 0;
    while (hidden < 1000 && exposure_hide_directory(exposure, 1000 + hidden))
        hidden++;
    CHECK(hidden > 2 && hidden < 1000, "one too many is not hidden");
    exposure_fill(exposure, 1000, true);
    exposure_reveal(exposure, 1000);
    CHECK(exposure_hide_directory(exposure, 5000), "one that was revealed gives up its place");
}

/* Does something in another thread while contents are being stored into FILE_ONE; whether it was
 * done when that ended, and not before. */
static bool waits_for_the_store(void *(*action)(void *))
{
    atomic_bool done = false;
    pthread_t thread;
    if (!hide_and_list() || !exposure_begin_store(exposure, DIRECTORY, FILE_ONE) ||
        pthread_create(&thread, NULL, action, &done) != 0)
        return false;
    (void)nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    const bool early = atomic_load(&done);
    exposure_end_store(exposure);
    (void)pthread_join(thread, NULL);
    return !early && atomic_load(&done);
}

static void *look_up_file(void *context)
{
    (void)exposure_look_up(exposure, FILE_ONE);
    atomic_store((atomic_bool *)context, true);
    return NULL;
}

static void *look_up_directory(void *context)
{
    (void)exposure_look_up(exposure, DIRECTORY);
    atomic_store((atomic_bool *)context, true);
    return NULL;
}

static void a_reader_does_not_wait_for_the_whole_directory(void)
{
    begin();
    atomic_bool done = false;
    pthread_t reader;
    if (!CHECK(hide_and_list() && exposure_begin_store(exposure, DIRECTORY, FILE_ONE) &&
                   pthread_create(&reader, NULL, look_up_directory, &done) == 0,
               "somebody comes to a directory while a file of it takes long to be stored"))
        return;
    while (atomic_load(&waits) == 0)
        (void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    (void)nanosleep(&(struct timespec){.tv_nsec = 300000000}, NULL); /* his patience is at an end */
    exposure_end_store(exposure);
    const bool goes_on = exposure_begin_store(exposure, DIRECTORY, FILE_TWO);
    if (goes_on)
        exposure_end_store(exposure);
    (void)pthread_join(reader, NULL);
    CHECK(!goes_on && atomic_load(&done), "no further one is stored before he is let in");
}

static void *close_exposure(void *context)
{
    exposure_close(exposure);
    atomic_store((atomic_bool *)context, true);
    return NULL;
}

static void too_many_to_remember_end_all_storing(void)
{
    begin();
    for (uint64_t page = 0; page <= INODE_SET_MOST; page++)
        (void)exposure_look_up(exposure, 1000 + page * INODE_SET_PAGE);
    CHECK(exposure_is_closed(exposure), "a kernel that was given too many files gets no contents");
    CHECK(hide_and_list() && !may_store(FILE_ONE), "not even of those that it cannot know");
}

static void nobody_gets_a_file_while_it_is_filled(void)
{
    begin();
    CHECK(waits_for_the_store(look_up_file), "who asks for a file that is being filled waits");
    CHECK(!may_store(FILE_ONE), "then it is left alone");
}

static void closing_waits_for_what_is_stored(void)
{
    begin();
    CHECK(waits_for_the_store(close_exposure), "the end of all storing waits for what is stored");
    CHECK(exposure_is_closed(exposure) && !may_store(FILE_TWO), "and no more is");
}

int main(void)
{
    sets_hold_what_was_added();
    nothing_is_stored_where_nothing_is_hidden();
    a_hidden_directory_can_be_filled();
    a_reader_ends_the_filling();
    what_the_kernel_has_is_not_hidden();
    entries_are_hidden_behind_a_cookie();
    few_directories_are_hidden_at_once();
    too_many_to_remember_end_all_storing();
    nobody_gets_a_file_while_it_is_filled();
    a_reader_does_not_wait_for_the_whole_directory();
    closing_waits_for_what_is_stored();
    exposure_destroy(exposure);
    return tap_done();
}
