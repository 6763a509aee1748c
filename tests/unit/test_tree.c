/* packer/tree, stage, stamp, strip: a tree appears whole or not at all, and runs by itself. A small
 * program made by the compiler stands for the client. */
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "packer/native.h"
#include "packer/progress.h"
#include "packer/stage.h"
#include "packer/stamp.h"
#include "packer/strip.h"
#include "packer/tree.h"
#include "payload/base/file.h"
#include "payload/base/remove.h"
#include "payload/base/scope.h"
#include "tests/unit/failing_memory.h"
#include "tests/unit/tap.h"

static char workshop[] = "/tmp/test_tree.XXXXXX";

static bool shell(const char *command)
{
    auto_text struct text line = TEXT_INIT;
    return text_printf(&line, "cd %s && exec 2>/dev/null && %s", workshop, command) == 0 &&
           system(line.bytes) == 0;
}

/* A path in the workshop; one of a few that live until the next ones are asked for. */
static const char *at(const char *name)
{
    static char paths[4][256];
    static unsigned next;
    char *path = paths[next++ % 4];
    (void)snprintf(path, sizeof paths[0], "%s/%s", workshop, name);
    return path;
}

/* What fills a tree here, and what came of it. */
struct filling {
    struct native_programs programs;
    struct native_result result;
};

static int fill(void *context, const struct stage *stage, struct error *error)
{
    struct filling *filling = context;
    return native_fill(&filling->programs, stage, &filling->result, error);
}

static struct filling filling_here(void)
{
    static char client[256], transfer[256];
    (void)snprintf(client, sizeof client, "%s/client", workshop);
    (void)snprintf(transfer, sizeof transfer, "%s/transfer.so", workshop);
    return (struct filling){
        .programs = {.client = client, .transfer = transfer, .architecture = "x86_64"}};
}

static struct tree_options options_here(struct filling *filling)
{
    return (struct tree_options){.directory = workshop,
                                 .machine = machine_find("rhel9-x86_64"),
                                 .distribution = "none",
                                 .fill = fill,
                                 .fill_context = filling};
}

static bool nothing_is_left(void)
{
    return shell("test -z \"$(find . -maxdepth 1 -name '*dist*')\"");
}

static void a_tree_is_made_and_runs_in_an_empty_root(void)
{
    struct error error = ERROR_INIT;
    struct filling filling = filling_here();
    const struct tree_options options = options_here(&filling);
    CHECK(tree_make(&options, &error) == 0, "a tree is made %s", error.message);
    CHECK(filling.result.libraries >= 4 && filling.result.bytes > 1000000,
          "%zu libraries are counted", filling.result.libraries);
    CHECK(shell("! find dist -type l | grep . && ! find dist -type d ! -perm 0755 | grep . && "
                "! find dist -type f ! -perm 0644 ! -perm 0755 | grep ."),
          "no links, and modes for everybody");
    CHECK(shell("cd dist && test -d etc/cvmfs/config.d -a -d var/run/cvmfs -a -d etc/cvmfs/keys && "
                "grep -qx 'CVMFS_HTTP_PROXY=\"auto;DIRECT\"' etc/cvmfs/default.local && "
                "grep -qx 'ID_LIKE=\"rhel\"' etc/os-release && "
                "grep -q '^libz.so.1 /.*/libz.so.1' usr/share/cvmfsexec/libraries"),
          "skeleton and list of libraries are there");
    if (shell("unshare -Ur true"))
        CHECK(shell("test \"$(unshare -Ur chroot dist /usr/lib64/ld-linux-x86-64.so.2 "
                    "--library-path /usr/lib64 /usr/bin/cvmfs2)\" = 'cancelled and loaded'"),
              "the client runs with nothing but the tree");
    else
        tap_skip("the client runs with nothing but the tree", "user namespaces are not allowed");
    CHECK(tree_make(&options, &error) == -EEXIST && strstr(error.message, "rm -rf"),
          "a second one is refused: %s", error.message);
    CHECK(shell("rm -r dist"), "it can be removed");
}

static void a_tree_that_fails_leaves_nothing(void)
{
    struct error error = ERROR_INIT;
    struct filling filling = filling_here();
    const struct tree_options options = options_here(&filling);
    filling.programs.transfer = at("nothing.so");
    CHECK(tree_make(&options, &error) == -ENOENT && strstr(error.message, "nothing.so"),
          "a missing file is named: %s", error.message);
    CHECK(nothing_is_left(), "and nothing is left");
}

/* Each allocation of ours fails once. */
static void no_allocation_that_fails_leaves_anything(void)
{
    if (!memory_can_fail) {
        tap_skip("no allocation that fails leaves anything", "the sanitizer allocates");
        return;
    }
    struct filling filling = filling_here();
    const struct tree_options options = options_here(&filling);
    long failures = 0, silent = 0, left = 0;
    for (long count = 0;; count++) {
        struct error error = ERROR_INIT;
        memory_fail_after(count);
        int result = tree_make(&options, &error);
        bool failed = memory_has_failed();
        failures += result < 0;
        silent += result < 0 && error.message[0] == '\0';
        if (result == 0 && directory_remove(AT_FDCWD, at("dist")) < 0)
            break;
        left += access(at("dist"), F_OK) == 0;
        if (!failed)
            break;
    }
    CHECK(failures > 100 && silent == 0, "%ld failures, all of them with words", failures);
    CHECK(left == 0 && nothing_is_left(), "and nothing is left");
}

static volatile sig_atomic_t signals_seen;

static void note_signal(int signal_number)
{
    (void)signal_number;
    signals_seen++;
}

static void a_stage_holds_signals_back_and_cleans_up(void)
{
    struct error error = ERROR_INIT;
    const struct sigaction action = {.sa_handler = note_signal};
    CHECK(sigaction(SIGTERM, &action, NULL) == 0, "somebody waits for the signal");
    {
        auto_stage struct stage stage = STAGE_INIT;
        CHECK(stage_open(workshop, &stage, &error) == 0 && stage_interrupted(&stage, &error) == 0,
              "a stage is open");
        CHECK(raise(SIGTERM) == 0 && signals_seen == 0, "a signal is held back");
        CHECK(stage_interrupted(&stage, &error) == -EINTR, "and can be asked for");
        auto_stage struct stage second = STAGE_INIT;
        CHECK(stage_open(workshop, &second, &error) == -EBUSY, "a second builder is refused: %s",
              error.message);
    }
    CHECK(signals_seen == 1, "closing lets it through");
    CHECK(nothing_is_left(), "and leaves nothing");
}

static void a_stage_removes_what_a_killed_one_left(void)
{
    struct error error = ERROR_INIT;
    CHECK(shell("mkdir -p .dist.AbCdEf/usr/lib64 .dist.kept dist && touch .dist.AbCdEf/usr/file && "
                "ln -s /etc .dist.AbCdEf/link && touch dist/file"),
          "a leftover, and names that are none");
    {
        auto_stage struct stage stage = STAGE_INIT;
        CHECK(stage_open(workshop, &stage, &error) == 0 && shell("! test -e .dist.AbCdEf"),
              "the leftover goes %s", error.message);
        CHECK(shell("test -e .dist.kept -a -e /etc/passwd"), "the others stay");
        CHECK(stage_publish(&stage, "dist", &error) == -EEXIST, "no tree is written over: %s",
              error.message);
        CHECK(shell("rm -r dist") && stage_publish(&stage, "dist", &error) == 0, "it is published");
    }
    CHECK(shell("test -d dist && rm -r dist .dist.kept") && nothing_is_left(), "and stays");
}

static void a_stamp_says_what_was_written(void)
{
    struct error error = ERROR_INIT;
    auto_fd int fd = open(workshop, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const struct stamp written = {.sing = true, .machtype = "suse15-x86_64"};
    struct stamp read;
    CHECK(stamp_write(fd, &written, &error) == 0 && stamp_read(fd, &read, &error) == 0 &&
              read.sing && strcmp(read.machtype, "suse15-x86_64") == 0,
          "a stamp is read as it was written");
    static const char *const wrong[] = {
        "",
        "disttype: standard\n",
        "disttype: other\nmachtype: x\n",
        "disttype: \nmachtype: x\n",
        "disttype: sing\nmachtype: a b\n",
        "disttype: sing\nmachtype: "
        "0123456789012345678901234567890123456789012345678901234567890123456789\n",
    };
    for (size_t index = 0; index < sizeof wrong / sizeof wrong[0]; index++)
        CHECK(file_replace(fd, ".cvmfsexecdist", wrong[index], strlen(wrong[index]), 0644) == 0 &&
                  stamp_read(fd, &read, &error) == -EINVAL,
              "wrong stamp %zu is refused: %s", index, error.message);
    CHECK(shell("rm .cvmfsexecdist") && stamp_read(fd, &read, &error) == -ENOENT,
          "a missing one is refused: %s", error.message);
}

static void a_stripped_copy_has_no_symbols_and_runs(void)
{
    struct error error = ERROR_INIT;
    auto_fd int in = open(at("client"), O_RDONLY | O_CLOEXEC);
    auto_fd int out = open(at("stripped"), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
    CHECK(strip_copy(in, out, &error) == 0, "a program is stripped %s", error.message);
    struct stat before, after;
    CHECK(fstat(in, &before) == 0 && fstat(out, &after) == 0 && after.st_size < before.st_size,
          "it is smaller: %lld, not %lld", (long long)after.st_size, (long long)before.st_size);
    CHECK(shell("readelf -WS stripped > sections && ! grep -E 'SYMTAB|debug' sections && "
                "grep -q '.text' sections && ! readelf -a stripped 2>&1 | grep -i warning"),
          "its sections are what is loaded, and readelf has no complaint");
    scope_close_fd(&out); /* a file open for writing cannot be run */
    out = -1;
    CHECK(shell("LD_LIBRARY_PATH=. ./stripped | grep -q cancelled"), "it runs");
    auto_fd int text = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
    auto_fd int other = open(at("other"), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    CHECK(strip_copy(text, other, &error) == -ENOEXEC, "a text is refused: %s", error.message);
}

static void sizes_are_for_people(void)
{
    char text[PROGRESS_SIZE_ROOM];
    CHECK(strcmp(progress_size(999, text), "999 bytes") == 0, "small ones in bytes");
    CHECK(strcmp(progress_size(999949, text), "999.9 kB") == 0, "larger ones in units of 1000");
    CHECK(strcmp(progress_size(999999, text), "1.0 MB") == 0, "rounding goes to the next unit");
}

/* A client that does what ours does: threads are cancelled, the network part is loaded late. */
static bool make_client(void)
{
    return shell("cat > client.c <<'EOF'\n"
                 "#include <dlfcn.h>\n"
                 "#include <pthread.h>\n"
                 "#include <stdio.h>\n"
                 "#include <unistd.h>\n"
                 "static void *wait(void *p) { for (;;) (void)pause(); return p; }\n"
                 "int main(void) {\n"
                 "    pthread_t thread;\n"
                 "    if (pthread_create(&thread, NULL, wait, NULL) || pthread_cancel(thread) ||\n"
                 "        pthread_join(thread, NULL)) return 1;\n"
                 "    puts(dlopen(\"libcvmfsexec-transfer.so\", RTLD_NOW) ? \"cancelled and "
                 "loaded\" : \"cancelled\");\n"
                 "    return 0;\n"
                 "}\n"
                 "EOF\n"
                 "gcc -g -o client client.c && "
                 "gcc -g -shared -Wl,--no-as-needed -o transfer.so -xc /dev/null -lz");
}

int main(void)
{
    if (!mkdtemp(workshop) || !make_client())
        return 1;
    a_tree_is_made_and_runs_in_an_empty_root();
    a_tree_that_fails_leaves_nothing();
    no_allocation_that_fails_leaves_anything();
    a_stage_holds_signals_back_and_cleans_up();
    a_stage_removes_what_a_killed_one_left();
    a_stamp_says_what_was_written();
    a_stripped_copy_has_no_symbols_and_runs();
    sizes_are_for_people();
    (void)directory_remove(AT_FDCWD, workshop);
    return tap_done();
}
