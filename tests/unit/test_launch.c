/* payload/launch: the pieces that can be tried without namespaces. The rest is tried whole, in
 * tests/e2e/launcher*.t. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "payload/base/descriptors.h"
#include "payload/base/file.h"
#include "payload/base/scope.h"
#include "payload/launch/fqrn.h"
#include "payload/launch/interpreter.h"
#include "payload/launch/log_tail.h"
#include "payload/launch/mount_table.h"
#include "payload/launch/processes.h"
#include "payload/launch/request.h"
#include "tests/unit/tap.h"

static void a_name_of_a_repository_is_no_path(void)
{
    CHECK(fqrn_is_valid("atlas.cern.ch") && fqrn_is_valid("a") && fqrn_is_valid("0-a_b.c"),
          "names in use are names");
    const char *const wrong[] = {"", ".", "..", "a/b", "/a", "-a", ".a", "a b", "a\n", "é"};
    bool all = true;
    for (size_t index = 0; index < sizeof wrong / sizeof *wrong; index++)
        all = all && !fqrn_is_valid(wrong[index]);
    CHECK(all, "what could lead elsewhere, or be an option, is none");
    char longest[202];
    memset(longest, 'a', sizeof longest);
    longest[201] = '\0';
    CHECK(!fqrn_is_valid(longest) && fqrn_is_valid(longest + 1), "a name has at most 200 letters");
}

static void descriptors_are_kept_in_order_and_all_others_closed(void)
{
    pid_t child = fork();
    if (child == 0) { /* closes more than its own */
        for (int fd = 3; fd < 64; fd++)
            (void)close(fd);
        int ends[2];
        bool holds = pipe(ends) == 0 && ends[0] == 3 && dup2(ends[0], 7) == 7 && dup2(0, 50) == 50;
        int kept[] = {ends[1], -1, 7}; /* the first has a number that the last one gets */
        holds = holds && descriptors_keep(kept, 3) == 0;
        holds = holds && kept[0] == 3 && kept[1] == -1 && kept[2] == 4;
        char byte = 0;
        holds = holds && write(3, "x", 1) == 1 && read(4, &byte, 1) == 1 && byte == 'x';
        for (int fd = 5; fd < 64; fd++)
            holds = holds && fcntl(fd, F_GETFD) < 0;
        holds = holds && fcntl(3, F_GETFD) == FD_CLOEXEC && fcntl(0, F_GETFD) >= 0;
        _exit(holds ? 0 : 1);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0,
          "descriptors are kept in order, whatever their numbers were, and all others closed");
}

static void the_mount_table_tells_fuse_mounts_below_a_directory(void)
{
    static const char table[] =
        "30 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
        "31 30 0:40 / /d\\040x/cvmfs/a.org ro,nosuid - fuse /dev/fuse ro,user_id=1\n"
        "32 30 0:41 / /d\\040x/cvmfs/b\\134c ro - fuse.cvmfs2 cvmfs2 ro\n"
        "33 30 0:42 / /d\\040x/cvmfs2/c.org ro - fuse x ro\n"
        "34 30 0:43 / /d\\040x/cvmfs/tmp rw shared:7 - tmpfs fuse rw\n"
        "35 30 0:44 / /d\\040x/cvmfs ro - fuse x ro\n"
        "36 30 0:45 / /d\\040x/cvmfs/cut";
    auto_strings struct strings found = STRINGS_INIT;
    CHECK(mount_table_parse(table, sizeof table - 1, "/d x/cvmfs", &found) == 0 && found.count == 2,
          "two of seven lines");
    CHECK(found.count == 2 && strcmp(found.items[0], "/d x/cvmfs/a.org") == 0 &&
              strcmp(found.items[1], "/d x/cvmfs/b\\c") == 0,
          "their names are decoded, in the order of mounting");
}

static bool tail_is(const char *path, off_t from, int count, const char *wanted)
{
    auto_text struct text lines = TEXT_INIT;
    int result = log_tail(path, from, count, &lines);
    return result == 0 && strcmp(lines.length ? lines.bytes : "", wanted) == 0;
}

static void the_end_of_a_log_is_what_was_added(void)
{
    char path[] = "/tmp/test_launch.XXXXXX";
    auto_fd int fd = mkstemp(path);
    static const char lines[] = "one\ntwo\nthree\nfour";
    CHECK(fd >= 0 && file_write_full(fd, lines, sizeof lines - 1) == 0, "a log of four lines");
    CHECK(tail_is(path, 0, 2, "three\nfour\n"), "the last two lines, ended");
    CHECK(tail_is(path, 0, 10, "one\ntwo\nthree\nfour\n"), "no more than there are");
    CHECK(tail_is(path, 8, 10, "three\nfour\n"), "only what was added");
    CHECK(tail_is(path, 18, 10, ""), "nothing, when nothing was added");
    CHECK(tail_is(path, 1000, 1, "four\n"), "a log that is shorter than before was begun anew");
    (void)unlink(path);
    auto_text struct text none = TEXT_INIT;
    CHECK(log_tail(path, 0, 1, &none) == -ENOENT, "a log that is not there says so");
}

static void programs_name_their_interpreter(void)
{
    auto_free char *own = NULL;
    CHECK(interpreter_read("/proc/self/exe", &own) == 0 && own && own[0] == '/',
          "this program has one");
    auto_free char *script = NULL;
    CHECK(interpreter_read("/proc/self/status", &script) == 0 && !script, "a text has none");
    auto_free char *missing = NULL;
    CHECK(interpreter_read("/nonexistent", &missing) == -ENOENT, "a missing file says so");
}

/* In a child: asks over `socket`, and ends with the exit code of the answer. */
static pid_t ask_in_child(int socket, enum request_verb verb, const char *fqrn, const char *words)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    char number[16];
    (void)snprintf(number, sizeof number, "%d", socket);
    (void)setenv(REQUEST_VARIABLE, number, 1);
    auto_text struct text answer = TEXT_INIT;
    int code = request_ask(verb, fqrn, &answer, NULL);
    bool right = strcmp(answer.length ? answer.bytes : "", words) == 0;
    _exit(code < 0 ? 100 : right ? code : 101);
}

static int wait_for_exit_code(pid_t pid)
{
    int status;
    return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int receive_waiting(int socket, struct request *request)
{
    int result;
    do
        result = request_receive(socket, request);
    while (result == -EAGAIN && usleep(1000) == 0);
    return result;
}

static void a_request_gets_its_answer(void)
{
    int ends[2];
    if (!CHECK(request_pair(ends) == 0, "a pair of sockets"))
        return;
    struct request request;
    CHECK(request_receive(ends[0], &request) == -EAGAIN, "nothing is there at first");
    pid_t pid = ask_in_child(ends[1], REQUEST_MOUNT, "a.org", "no such host\n");
    CHECK(receive_waiting(ends[0], &request) == 0 && request.verb == REQUEST_MOUNT &&
              strcmp(request.fqrn, "a.org") == 0,
          "what was asked arrives");
    request_answer(request.reply, 16, "no such host\n", 13);
    CHECK(wait_for_exit_code(pid) == 16, "so do the exit code and the words");

    pid = ask_in_child(ends[1], REQUEST_UNMOUNT, REQUEST_ALL, "");
    CHECK(receive_waiting(ends[0], &request) == 0, "all may be unmounted");
    (void)close(request.reply);
    CHECK(wait_for_exit_code(pid) == 100, "an asker whose answerer dies is not left hanging");
    (void)close(ends[1]);
    CHECK(request_receive(ends[0], &request) == -EPIPE, "when nobody can ask any more, it shows");
    (void)close(ends[0]);
}

static void nonsense_is_no_request(void)
{
    int ends[2];
    if (!CHECK(request_pair(ends) == 0, "a pair of sockets"))
        return;
    struct request request;
    static const char *const packets[] = {"m../x", "x", "m", "m-a", "qa.org", "ma.org"};
    for (size_t index = 0; index < sizeof packets / sizeof *packets; index++) {
        CHECK(send(ends[1], packets[index], strlen(packets[index]), 0) > 0 &&
                  request_receive(ends[0], &request) == -EAGAIN,
              "'%s' without an end for the answer is passed over", packets[index]);
    }
    (void)close(ends[0]);
    (void)close(ends[1]);
}

static void children_are_found_and_killed(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        (void)pause();
        _exit(0);
    }
    auto_processes struct processes all = PROCESSES_INIT;
    auto_processes struct processes elsewhere = PROCESSES_INIT;
    CHECK(processes_add_children(&all, NULL) == 0 && all.count == 1 && all.pids[0] == pid,
          "a child is found");
    CHECK(processes_add_children(&elsewhere, "/nonexistent") == 0 && elsewhere.count == 0,
          "its executable is not elsewhere");
    processes_remove(&all, pid);
    CHECK(all.count == 0, "it is taken out of the list");
    CHECK(processes_kill_all() == 0 && waitpid(pid, NULL, 0) < 0 && errno == ECHILD,
          "it is killed, and waited for");
}

int main(void)
{
    a_name_of_a_repository_is_no_path();
    descriptors_are_kept_in_order_and_all_others_closed();
    the_mount_table_tells_fuse_mounts_below_a_directory();
    the_end_of_a_log_is_what_was_added();
    programs_name_their_interpreter();
    a_request_gets_its_answer();
    nonsense_is_no_request();
    children_are_found_and_killed();
    return tap_done();
}
