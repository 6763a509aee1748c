/* packer/target_objects, target_lacks, target_shelf: what programs and libraries of a tree find in
 * it. Trees are of libraries that the compiler makes here, with nothing in them. What packages are
 * chosen for the rest is tested from outside, in tests/e2e/closure.t. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "packer/target_lacks.h"
#include "packer/target_objects.h"
#include "packer/target_providers.h"
#include "packer/target_shelf.h"
#include "payload/base/file.h"
#include "payload/base/remove.h"
#include "payload/base/scope.h"
#include "tests/unit/tap.h"

static char workshop[] = "/tmp/test_target.XXXXXX";
static struct machine machine = {.name = "here"};

static bool shell(const char *command)
{
    auto_text struct text line = TEXT_INIT;
    return text_printf(&line, "cd %s && exec 2>/dev/null && %s", workshop, command) == 0 &&
           system(line.bytes) == 0;
}

/* Makes an empty tree. */
static bool begin(void)
{
    return shell("rm -rf tree && mkdir -p tree/usr/lib64 tree/usr/bin tree/lib64 tree/usr/lib");
}

/* A library at a path of the workshop, of a line of C, with the versions of a script ("" for none),
 * and what it needs and where that is. */
static bool make_library(const char *path, const char *source, const char *versions,
                         const char *more)
{
    auto_text struct text line = TEXT_INIT;
    return text_printf(&line,
                       "mkdir -p $(dirname %s) && echo '%s' > script && echo '%s' > source.c && "
                       "gcc -shared -nostdlib -fPIC -o %s -Wl,-soname,$(basename %s) "
                       "-Wl,--no-as-needed %s source.c %s",
                       path, versions, source, path, path,
                       *versions ? "-Wl,--version-script=script" : "", more) == 0 &&
           shell(line.bytes);
}

/* Marks a needed version as weak, which no linker does any more: the flags are behind its hash. */
static bool make_weak(const char *path, const char *entry)
{
    auto_text struct text line = TEXT_INIT;
    return text_printf(&line,
                       "at=$(LC_ALL=C grep -obUaP '%s' %s | cut -d: -f1) && printf '\\002' | "
                       "dd of=%s bs=1 seek=$((at + 4)) conv=notrunc",
                       entry, path, path) == 0 &&
           shell(line.bytes);
}

struct look {
    int tree;
    struct target_objects objects;
    struct target_lacks lacks;
    struct error error;
    int result;
};

/* All that there is to see in the tree. The caller closes it. */
static struct look look(void)
{
    auto_text struct text path = TEXT_INIT;
    struct look seen = {.tree = -1, .error = ERROR_INIT, .result = -ENOMEM};
    if (text_printf(&path, "%s/tree", workshop) < 0)
        return seen;
    seen.tree = open(path.bytes, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    seen.result = target_objects_find(seen.tree, "except", &machine, &seen.objects, &seen.error);
    if (seen.result == 0)
        seen.result = target_lacks_find(&seen.objects, seen.tree, &seen.lacks);
    return seen;
}

static void look_close(struct look *seen)
{
    target_lacks_free(&seen->lacks);
    target_objects_free(&seen->objects);
    if (seen->tree >= 0)
        (void)close(seen->tree);
}

#define auto_look __attribute__((cleanup(look_close)))

static bool lacks_say(const struct look *seen, const char *words)
{
    auto_text struct text text = TEXT_INIT;
    if (seen->result < 0 || target_lacks_describe(&seen->lacks, 10, &text) < 0)
        return false;
    const char *said = text.bytes ? text.bytes : "";
    if (strcmp(said, words) == 0)
        return true;
    printf("# %s\n", said);
    return false;
}

static void objects_are_programs_and_libraries_in_the_order_of_their_paths(void)
{
    CHECK(
        begin() && make_library("tree/usr/lib64/liba.so", "int a;", "", "") &&
            make_library("tree/except/libb.so", "int b;", "", "") &&
            shell("cp tree/usr/lib64/liba.so tree/usr/bin/z && ln -s liba.so "
                  "tree/usr/lib64/link.so && echo text > tree/usr/lib64/text.so && "
                  "mkdir -p tree/usr/lib/debug && head -c 700 tree/usr/bin/z > "
                  "tree/usr/lib/debug/z && echo 'int c;' | gcc -c -x c - -o tree/usr/lib/object.o"),
        "a tree with a library, a copy, a link, a text, an object, and what is left out");
    auto_look struct look seen = look();
    CHECK(seen.result == 0 && seen.objects.count == 2, "has two %s", seen.error.message);
    CHECK(seen.objects.count == 2 && strcmp(seen.objects.items[0].path, "usr/bin/z") == 0 &&
              strcmp(seen.objects.items[1].path, "usr/lib64/liba.so") == 0,
          "which are in order");
    CHECK(target_library(&seen.objects, seen.tree, "link.so") == &seen.objects.items[1],
          "a link is the library it leads to");
    CHECK(!target_library(&seen.objects, seen.tree, "../bin/z") &&
              !target_library(&seen.objects, seen.tree, "..") &&
              !target_library(&seen.objects, seen.tree, ""),
          "and no path is the name of one");
}

static void versions_are_read_and_compared(void)
{
    static const char two[] = "V1 { global: f1; }; V2 { global: f2; };";
    static const char both[] = "void f1(void) {} void f2(void) {}";
    CHECK(begin() && make_library("new/liba.so", both, two, "") &&
              make_library("tree/usr/lib64/libuser.so",
                           "void f1(void); void f2(void); void u(void) { f1(); f2(); }", "",
                           "new/liba.so") &&
              make_weak("tree/usr/lib64/libuser.so", "\\x92\\x05\\0\\0\\0\\0") && /* V2 */
              make_library("tree/usr/lib64/libuser2.so", "void f2(void); void u(void) { f2(); }",
                           "", "new/liba.so") &&
              make_library("old/liba.so", "void f1(void) {}", "V1 { global: f1; };", ""),
          "users of a library with versions, one of which needs the second weakly");
    auto_look struct look without = look();
    CHECK(lacks_say(&without, "liba.so (V1, V2, needed by usr/lib64/libuser.so)"),
          "without it, all is lacking");
    CHECK(without.lacks.count == 3 && !without.lacks.items[0].version,
          "the library itself and both versions");
    CHECK(shell("cp old/liba.so tree/lib64"), "with an older one");
    auto_look struct look older = look();
    CHECK(lacks_say(&older, "liba.so (V2, needed by usr/lib64/libuser2.so)"),
          "only what must be is");
    auto_strings struct strings versions = STRINGS_INIT;
    CHECK(target_library_versions(&older.objects, older.tree, "liba.so", &versions) == 0 &&
              versions.count == 2 && strings_contain(&versions, "V1") &&
              strings_contain(&versions, "V2"),
          "who replaces it must have both");
    CHECK(shell("cp new/liba.so tree/usr/lib64"), "with a newer one in a better place");
    auto_look struct look newer = look();
    CHECK(lacks_say(&newer, ""), "nothing is");
    CHECK(shell("rm tree/lib64/liba.so") && make_library("tree/usr/lib64/liba.so", both, "", ""),
          "with one that has no versions at all");
    auto_look struct look plain = look();
    CHECK(lacks_say(&plain, ""), "neither: the loader takes it");
}

static void run_paths_are_followed_as_the_loader_does(void)
{
    static const char one[] = "V1 { global: f1; };";
    static const char function[] = "void f1(void) {}";
    static const char use[] = "void f1(void); void u(void) { f1(); }";
    CHECK(
        begin() && make_library("new/liba.so", function, one, "") &&
            make_library("tree/usr/lib64/liba.so", "void f0(void) {}", "V0 { global: f0; };", "") &&
            shell("mkdir tree/usr/lib64/own && cp new/liba.so tree/usr/lib64/own"),
        "a library in a directory of its own, and an older one in the usual place");
    CHECK(make_library("tree/usr/lib64/libuser.so", use, "",
                       "new/liba.so '-Wl,--disable-new-dtags,-rpath,$ORIGIN/own'"),
          "with DT_RPATH");
    auto_look struct look old = look();
    CHECK(lacks_say(&old, ""), "the first is found");
    auto_strings struct strings versions = STRINGS_INIT;
    CHECK(target_library_versions(&old.objects, old.tree, "liba.so", &versions) == 0 &&
              versions.count == 0,
          "and nobody asks for a version of the other");
    CHECK(make_library("tree/usr/lib64/libuser.so", use, "",
                       "new/liba.so '-Wl,--enable-new-dtags,-rpath,$ORIGIN/own'"),
          "with DT_RUNPATH");
    auto_look struct look new = look();
    CHECK(lacks_say(&new, "liba.so (V1, needed by usr/lib64/libuser.so)"), "the second is");
    CHECK(shell("rm tree/usr/lib64/liba.so"), "without the second");
    auto_look struct look only = look();
    CHECK(lacks_say(&only, ""), "the first again");
}

static void the_loader_is_a_program_in_the_first_directory(void)
{
    CHECK(begin() && make_library("tree/lib64/ld-test.so.1", "int a;", "", "") &&
              shell("echo 'void _start(void) {}' | gcc -nostdlib -o tree/usr/bin/program "
                    "-Wl,--dynamic-linker=/lib/ld-test.so.1 -pie -fPIE -x c -"),
          "a program whose loader is in another directory");
    auto_look struct look elsewhere = look();
    CHECK(lacks_say(&elsewhere, "ld-test.so.1 (needed by usr/bin/program)"), "lacks it");
    CHECK(shell("mv tree/lib64/ld-test.so.1 tree/usr/lib64 && "
                "chmod 644 tree/usr/lib64/ld-test.so.1"),
          "one that cannot be executed");
    auto_look struct look plain = look();
    CHECK(lacks_say(&plain, "ld-test.so.1 (needed by usr/bin/program)"), "too");
    CHECK(shell("chmod 755 tree/usr/lib64/ld-test.so.1"), "one that can");
    auto_look struct look right = look();
    CHECK(lacks_say(&right, ""), "has all");
    CHECK(target_library_is_loader(&right.objects, "ld-test.so.1") &&
              !target_library_is_loader(&right.objects, "test.so.1"),
          "and it is known as the loader");
}

static void libgcc_is_wanted_with_glibc_only(void)
{
    CHECK(begin() && make_library("tree/usr/lib64/liba.so", "int a;", "", ""), "without a glibc");
    auto_look struct look without = look();
    CHECK(target_lacks_add_unnamed(&without.objects, without.tree, &without.lacks) == 0 &&
              without.lacks.count == 0,
          "nothing is wanted");
    CHECK(make_library("tree/usr/lib64/libc.so.6", "int c;", "", ""), "with it");
    auto_look struct look with = look();
    CHECK(target_lacks_add_unnamed(&with.objects, with.tree, &with.lacks) == 0 &&
              lacks_say(&with, "libgcc_s.so.1 (needed by usr/lib64/libc.so.6)") &&
              target_lacks_are_optional(&with.lacks),
          "it is, but need not be");
}

static void files_for_another_machine_are_refused(void)
{
    CHECK(begin() && make_library("tree/usr/lib64/liba.so", "int a;", "", "") &&
              shell("printf '\\363' | dd of=tree/usr/lib64/liba.so bs=1 seek=18 conv=notrunc"),
          "a library with another machine in its header");
    auto_look struct look seen = look();
    CHECK(seen.result == -ENOEXEC &&
              strstr(seen.error.message, "usr/lib64/liba.so is a program or library for another"),
          "is refused by name: %s", seen.error.message);
    CHECK(begin() && make_library("tree/usr/lib64/liba.so", "int a;", "", "") &&
              shell("printf '\\001' | dd of=tree/usr/lib64/liba.so bs=1 seek=4 conv=notrunc"),
          "one of the other class");
    auto_look struct look small = look();
    CHECK(small.result == -ENOEXEC && strstr(small.error.message, "usr/lib64/liba.so"), "too: %s",
          small.error.message);
    const struct dynamic other = {.kind = {.machine = 183, .class = 2, .encoding = 1}};
    const struct machine unknown = {.architecture = "unknown"};
    const struct machine arm = {.architecture = "aarch64"};
    CHECK(target_object_fits(&other, &arm) && !target_object_fits(&other, &unknown),
          "a machine that is not known has none");
}

static void words_are_made_for_packages_and_people(void)
{
    auto_text struct text text = TEXT_INIT;
    CHECK(target_capability("libssl.so.3", "OPENSSL_3.0.0", &text) == 0 &&
              strcmp(text.bytes, "libssl.so.3(OPENSSL_3.0.0)(64bit)") == 0,
          "a capability with a version");
    text_free(&text);
    CHECK(target_capability("libssl.so.3", NULL, &text) == 0 &&
              strcmp(text.bytes, "libssl.so.3()(64bit)") == 0,
          "and without");
    CHECK(target_system_has("libc.so.6") && target_system_has("libz.so") &&
              !target_system_has("libc.sofa") && !target_system_has("libfuse3.so.3"),
          "what systems have");
    struct target_lack items[] = {{.library = "a", .user = "u"},
                                  {.library = "b", .version = "1", .user = "v"},
                                  {.library = "a", .version = "2", .user = "w"},
                                  {.library = "c", .user = "u"}};
    const struct target_lacks lacks = {.items = items, .count = 4};
    text_free(&text);
    CHECK(target_lacks_describe(&lacks, 2, &text) == 0 &&
              strcmp(text.bytes, "a (2, needed by u), b (1, needed by v), and 1 more") == 0,
          "a list of them");
    CHECK(!target_lacks_are_optional(&lacks), "none of which is optional");
}

/* A shelf with what stands in the directory "package" of the workshop. */
static bool finds(const char *name, const char *content)
{
    auto_text struct text path = TEXT_INIT;
    auto_text struct text found = TEXT_INIT;
    if (text_printf(&path, "%s/package", workshop) < 0)
        return false;
    auto_fd int directory = open(path.bytes, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct target_shelf_package package = {.directory = directory};
    const struct target_shelf shelf = {.packages = &package, .count = 1};
    if (strings_add(&package.files, "usr/lib64/private/libdeep.so") < 0)
        return false;
    auto_fd int fd = target_shelf_find(&shelf, 0, name);
    strings_free(&package.files);
    if (!content)
        return fd == -ENOENT;
    return fd >= 0 && file_load_fd(fd, 100, &found) == 0 && strcmp(found.bytes, content) == 0;
}

static void links_of_packages_are_followed_within_them(void)
{
    CHECK(
        shell("mkdir -p package/usr/lib64/private package/lib package/opt && echo out > out && "
              "cd package && echo -n real > lib64real && echo -n deep > "
              "usr/lib64/private/libdeep.so && ln -s ../../lib64real usr/lib64/up.so && "
              "ln -s /lib64real usr/lib64/absolute.so && ln -s up.so usr/lib64/twice.so && "
              "ln -s ../lib/../lib64real lib/dots.so && ln -s ../../../out usr/lib64/out.so && "
              "ln -s /../../out usr/lib64/absolute_out.so && ln -s round.so usr/lib64/round.so && "
              "ln -s ../.. opt/links && ln -s ../opt/links/out lib/through.so && "
              "ln -s . lib/directory.so && mkfifo lib/fifo.so"),
        "a package with links");
    CHECK(finds("up.so", "real") && finds("absolute.so", "real") && finds("twice.so", "real") &&
              finds("dots.so", "real"),
          "in it they lead to files");
    CHECK(finds("out.so", NULL) && finds("absolute_out.so", NULL) && finds("round.so", NULL) &&
              finds("through.so", NULL) && finds("nothing.so", NULL),
          "others lead nowhere");
    CHECK(finds("libdeep.so", "deep"), "a library of a directory of its own is found by its name");
}

int main(void)
{
    struct utsname host;
    if (!mkdtemp(workshop) || uname(&host) < 0)
        return 1;
    machine.architecture = host.machine;
    objects_are_programs_and_libraries_in_the_order_of_their_paths();
    versions_are_read_and_compared();
    run_paths_are_followed_as_the_loader_does();
    the_loader_is_a_program_in_the_first_directory();
    libgcc_is_wanted_with_glibc_only();
    files_for_another_machine_are_refused();
    words_are_made_for_packages_and_people();
    links_of_packages_are_followed_within_them();
    (void)directory_remove(AT_FDCWD, workshop);
    return tap_done();
}
