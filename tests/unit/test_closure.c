/* packer/closure, dynamic, library_path: libraries are found where the loader finds them. The
 * small libraries that the tests look at are made by the compiler. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "packer/closure.h"
#include "packer/dynamic.h"
#include "packer/library_path.h"
#include "payload/base/file.h"
#include "payload/base/remove.h"
#include "payload/base/scope.h"
#include "tests/unit/tap.h"

static char workshop[] = "/tmp/test_closure.XXXXXX";

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

/* An empty library LIB.so in a directory; `more` has what it needs and where that is. */
static bool make_library(const char *directory, const char *name, const char *more)
{
    auto_text struct text line = TEXT_INIT;
    return text_printf(&line,
                       "mkdir -p %s && gcc -shared -nostdlib -o %s/%s -Wl,-soname,%s "
                       "-Wl,--no-as-needed -x c /dev/null -x none %s",
                       directory, directory, name, name, more) == 0 &&
           shell(line.bytes);
}

static bool make_program(const char *name, const char *more)
{
    auto_text struct text line = TEXT_INIT;
    return text_printf(
               &line,
               "echo 'int main(void) { return 0; }' | gcc -xc - -x none -o %s -Wl,--no-as-needed "
               "-Wl,--allow-shlib-undefined %s",
               name, more) == 0 &&
           shell(line.bytes);
}

/* The closure of one program, with one more directory in front of those of the host. */
static int find_closure(const char *program, const char *directory, struct closure *closure,
                        struct error *error)
{
    auto_strings struct strings directories = STRINGS_INIT;
    if (directory && strings_add(&directories, directory) < 0)
        return -ENOMEM;
    int result = library_path_read("", "x86_64", &directories, error);
    if (result < 0)
        return result;
    const struct closure_request request = {
        .programs = &program, .program_count = 1, .directories = &directories};
    return closure_find(&request, closure, error);
}

static bool is_found_at(const struct closure *closure, const char *name, const char *path)
{
    const struct library *library = closure_library(closure, name);
    auto_free char *found = library ? realpath(library->path, NULL) : NULL;
    return found && strcmp(found, path) == 0;
}

static void a_program_is_closed_with_its_loader_and_libc(void)
{
    struct error error = ERROR_INIT;
    auto_closure struct closure closure = CLOSURE_INIT;
    CHECK(find_closure("/proc/self/exe", NULL, &closure, &error) == 0, "this test is closed %s",
          error.message);
    CHECK(closure.loader && strcmp(closure.libraries[0].name, closure.loader) == 0,
          "the loader comes first");
    CHECK(closure_library(&closure, "libc.so.6") && closure_library(&closure, "libelf.so.1"),
          "what it needs is in");
    CHECK(closure_library(&closure, "libz.so.1") != NULL, "and what that needs");
    bool twice = false;
    for (size_t index = 0; index < closure.count; index++)
        twice |=
            closure_library(&closure, closure.libraries[index].name) != &closure.libraries[index];
    CHECK(!twice, "each name is there once");
}

static void a_missing_library_is_named_with_who_needs_it(void)
{
    struct error error = ERROR_INIT;
    auto_closure struct closure closure = CLOSURE_INIT;
    CHECK(make_library("gone", "libgone.so.3", "") &&
              make_library(".", "libuser.so.1", "gone/libgone.so.3") &&
              make_program("missing", "libuser.so.1 && rm -r gone"),
          "a program whose library needs one that is gone");
    CHECK(find_closure(at("missing"), workshop, &closure, &error) == -ENOENT, "is not closed");
    CHECK(strstr(error.message, "libgone.so.3, which ") &&
              strstr(error.message, "/libuser.so.1 needs"),
          "and the words say so: %s", error.message);
}

static void run_paths_lead_from_the_file_that_has_them(void)
{
    struct error error = ERROR_INIT;
    auto_closure struct closure closure = CLOSURE_INIT;
    CHECK(
        make_library("deep/er", "libdeep.so", "") &&
            make_library("side", "libside.so",
                         "deep/er/libdeep.so '-Wl,-rpath,/nowhere:$LIB/x:${ORIGIN}/../deep/er'") &&
            make_program("running", "side/libside.so '-Wl,-rpath,$ORIGIN/side'"),
        "a program and a library with run paths");
    CHECK(find_closure(at("running"), NULL, &closure, &error) == 0, "are closed %s", error.message);
    CHECK(is_found_at(&closure, "libside.so", at("side/libside.so")) &&
              is_found_at(&closure, "libdeep.so", at("deep/er/libdeep.so")),
          "each by its own run path");
}

static void the_old_run_path_is_inherited_and_the_new_is_not(void)
{
    CHECK(make_library("far", "libfar.so", "") &&
              make_library("far", "libnear.so", "far/libfar.so") &&
              make_program("old", "far/libnear.so '-Wl,--disable-new-dtags,-rpath,$ORIGIN/far'") &&
              make_program("new", "far/libnear.so '-Wl,--enable-new-dtags,-rpath,$ORIGIN/far'"),
          "two programs");
    struct error error = ERROR_INIT;
    auto_closure struct closure old = CLOSURE_INIT;
    CHECK(find_closure(at("old"), NULL, &old, &error) == 0 &&
              is_found_at(&old, "libfar.so", at("far/libfar.so")),
          "DT_RPATH holds for the libraries of libraries %s", error.message);
    auto_closure struct closure new = CLOSURE_INIT;
    CHECK(find_closure(at("new"), NULL, &new, &error) == -ENOENT, "DT_RUNPATH does not: %s",
          error.message);
}

static void files_for_another_machine_are_passed_over(void)
{
    struct error error = ERROR_INIT;
    auto_closure struct closure closure = CLOSURE_INIT;
    CHECK(make_library("right", "libm1.so", "") &&
              make_program("picky", "right/libm1.so '-Wl,-rpath,$ORIGIN/wrong:$ORIGIN/right'") &&
              shell("mkdir wrong && cp right/libm1.so wrong"),
          "a program and two libraries");
    auto_fd int fd = open(at("wrong/libm1.so"), O_WRONLY | O_CLOEXEC);
    CHECK(pwrite(fd, "\xf3\x00", 2, 18) == 2, "of which the first is for another machine");
    CHECK(find_closure(at("picky"), NULL, &closure, &error) == 0 &&
              is_found_at(&closure, "libm1.so", at("right/libm1.so")),
          "the second is taken %s", error.message);
}

static void what_cannot_be_closed_is_refused(void)
{
    struct error error = ERROR_INIT;
    auto_closure struct closure closure = CLOSURE_INIT;
    CHECK(shell("gcc -shared -nostdlib -o nameless.so -xc /dev/null") &&
              make_program("by-path", "./nameless.so"),
          "a program that asks for a library by path");
    CHECK(find_closure(at("by-path"), NULL, &closure, &error) == -EINVAL &&
              strstr(error.message, "./nameless.so"),
          "is refused: %s", error.message);
    closure_free(&closure);
    CHECK(make_library("cut", "libcut.so", "") && make_program("cutter", "cut/libcut.so") &&
              shell("truncate -s 100 cut/libcut.so"),
          "a library that is cut off");
    CHECK(find_closure(at("cutter"), at("cut"), &closure, &error) == -ENOEXEC &&
              strstr(error.message, "libcut.so"),
          "is refused: %s", error.message);
    closure_free(&closure);
    CHECK(find_closure("/etc/passwd", NULL, &closure, &error) == -ENOEXEC, "so is a text: %s",
          error.message);
    closure_free(&closure);
    CHECK(find_closure(at("nothing"), NULL, &closure, &error) == -ENOENT, "and nothing: %s",
          error.message);
}

static void unnamed_libraries_come_with_dynamic_programs_only(void)
{
    struct error error = ERROR_INIT;
    auto_strings struct strings directories = STRINGS_INIT;
    CHECK(make_program("static", "-static") && make_program("shared", "") &&
              library_path_read("", "x86_64", &directories, &error) == 0,
          "a static and a dynamic program");
    const char *const extra = "libgcc_s.so.1";
    const char *program = at("static");
    const struct closure_request request = {.programs = &program,
                                            .program_count = 1,
                                            .extra = &extra,
                                            .extra_count = 1,
                                            .directories = &directories};
    auto_closure struct closure closure = CLOSURE_INIT;
    CHECK(closure_find(&request, &closure, &error) == 0 && closure.count == 0 && !closure.loader,
          "the static one needs nothing");
    program = at("shared");
    CHECK(closure_find(&request, &closure, &error) == 0 && closure_library(&closure, extra),
          "the dynamic one gets what nobody named");
}

static void another_place_for_the_loader_comes_first(void)
{
    struct error error = ERROR_INIT;
    auto_strings struct strings directories = STRINGS_INIT;
    CHECK(make_program("foreign", "-Wl,--dynamic-linker=/no/such/loader.so") &&
              library_path_read("", "x86_64", &directories, &error) == 0,
          "a program whose loader is not on this system");
    const char *program = at("foreign");
    struct closure_request request = {
        .programs = &program, .program_count = 1, .directories = &directories};
    auto_closure struct closure without = CLOSURE_INIT;
    CHECK(closure_find(&request, &without, &error) == -ENOENT, "without it: %s", error.message);
    CHECK(make_library(at("other"), "loader.so", ""), "a loader elsewhere");
    request.loader_directory = at("other");
    auto_closure struct closure closure = CLOSURE_INIT;
    CHECK(closure_find(&request, &closure, &error) == 0 && closure.loader &&
              is_found_at(&closure, "loader.so", at("other/loader.so")),
          "it is taken from there");
}

static void the_configuration_of_the_loader_is_read(void)
{
    CHECK(
        shell("mkdir -p root/etc/ld.so.conf.d && cd root/etc && "
              "printf 'include ld.so.conf.d/*.conf\\n/opt/b, /opt/c:/lib # /not\\nhwcap 1 x\\n"
              "relative\\n' > ld.so.conf && "
              "printf '# words\\n/opt/a\\n' > ld.so.conf.d/1.conf && "
              "printf '/opt/a\\n/opt/z=libc5' > ld.so.conf.d/2.conf && echo /no > ld.so.conf.d/x"),
        "a configuration");
    struct error error = ERROR_INIT;
    auto_strings struct strings found = STRINGS_INIT;
    CHECK(library_path_read(at("root"), "ppc64le", &found, &error) == 0, "is read %s",
          error.message);
    static const char *const expected[] = {"/opt/a",
                                           "/opt/z",
                                           "/opt/b",
                                           "/opt/c",
                                           "/lib",
                                           "/lib/powerpc64le-linux-gnu",
                                           "/usr/lib/powerpc64le-linux-gnu",
                                           "/lib64",
                                           "/usr/lib64",
                                           "/usr/lib"};
    const size_t count = sizeof expected / sizeof expected[0];
    bool same = found.count == count;
    for (size_t index = 0; index < count && same; index++)
        same = strcmp(found.items[index], at("root")) > 0 &&
               strcmp(found.items[index] + strlen(at("root")), expected[index]) == 0;
    CHECK(same, "in its order, each directory once, the built-in ones behind");
    CHECK(shell("echo 'include /etc/ld.so.conf' >> root/etc/ld.so.conf") &&
              library_path_read(at("root"), "x86_64", &found, &error) == -ELOOP,
          "files that include each other are refused");
}

int main(void)
{
    if (!mkdtemp(workshop))
        return 1;
    a_program_is_closed_with_its_loader_and_libc();
    a_missing_library_is_named_with_who_needs_it();
    run_paths_lead_from_the_file_that_has_them();
    the_old_run_path_is_inherited_and_the_new_is_not();
    files_for_another_machine_are_passed_over();
    what_cannot_be_closed_is_refused();
    unnamed_libraries_come_with_dynamic_programs_only();
    another_place_for_the_loader_comes_first();
    the_configuration_of_the_loader_is_read();
    (void)directory_remove(AT_FDCWD, workshop);
    return tap_done();
}
