/* What singcvmfs takes apart and puts together: command lines, words, binds, versions. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "payload/container/arguments.h"
#include "payload/container/binds.h"
#include "payload/container/runtime.h"
#include "payload/container/words.h"
#include "tests/unit/tap.h"

static bool is(const struct text *text, const char *expected)
{
    return strcmp(text->bytes ? text->bytes : "", expected) == 0;
}

static void test_words(void)
{
    static const struct {
        const char *line, *joined; /* with "|" behind each word */
        int result;
    } cases[] = {
        {"", "", 0},
        {" \t\n ", "", 0},
        {"--nv  -B /a:/b", "--nv|-B|/a:/b|", 0},
        {"-B '/a b:/c' x", "-B|/a b:/c|x|", 0},
        {"a\"b c\"d 'e'\"f\"", "ab cd|ef|", 0},
        {"a\\ b \"\\\"\\x\" '\\'", "a b|\"\\x|\\|", 0},
        {"'' \"\"", "||", 0},
        {"a\\", "a\\|", 0},
        {"'a", "", -EINVAL},
        {"a \"b", "a|", -EINVAL},
        {"\"a\\\"", "", -EINVAL},
    };
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++) {
        auto_strings struct strings words = STRINGS_INIT;
        auto_text struct text joined = TEXT_INIT;
        int result = words_split(cases[index].line, &words);
        for (size_t word = 0; word < words.count; word++)
            (void)text_printf(&joined, "%s|", words.items[word]);
        CHECK(result == cases[index].result && is(&joined, cases[index].joined),
              "the words of line %zu are %s", index, cases[index].joined);
    }
}

static void test_quoting(void)
{
    static const char *const words[] = {
        "plain/word-1.2:3,4=5", "", "a b", "it's", "$HOME", "*", "\\", "\"", "-S", "\xc3\xa9"};
    for (size_t index = 0; index < sizeof words / sizeof *words; index++) {
        auto_text struct text line = TEXT_INIT;
        auto_strings struct strings back = STRINGS_INIT;
        (void)word_quote(words[index], &line);
        int result = words_split(line.bytes, &back);
        CHECK(result == 0 && back.count == 1 && strcmp(back.items[0], words[index]) == 0,
              "<%s> is quoted as <%s>", words[index], line.bytes);
    }
    auto_text struct text line = TEXT_INIT;
    (void)word_quote("/a/b", &line);
    CHECK(is(&line, "/a/b"), "what needs no quotation marks gets none");
}

static void test_binds(void)
{
    static const char *const special[] = {"/a,b", "/a:b",    "/a\\b", "/a^b",  "/a\"b", "/a ",
                                          " /a",  "/a\tb\t", "/a\v",  "/a\nb", ""};
    for (size_t index = 0; index < sizeof special / sizeof *special; index++) {
        const struct bind bind = {.source = special[index], .destination = "/d"};
        const struct bind image = {
            .source = "/i", .destination = "/d", .image_source = special[index]};
        CHECK(!bind_is_plain(&bind) && !bind_is_plain(&image), "special path %zu is not plain",
              index);
    }
    const struct bind plain = {.source = "/a b/c", .destination = "/d", .read_only = true};
    const struct bind image = {.source = "/a.img", .destination = "/d", .image_source = "/x"};
    const struct bind odd = {.source = "/a,\"b\": c ", .destination = "/d", .read_only = true};
    const struct bind lines = {.source = "/a\nb", .destination = "/d"};
    auto_text struct text words = TEXT_INIT;
    (void)bind_write(&plain, &words);
    CHECK(bind_is_plain(&plain) && is(&words, "/a b/c:/d:ro"), "blanks inside of a path are plain");
    text_free(&words);
    (void)bind_write(&image, &words);
    CHECK(is(&words, "/a.img:/d:image-src=/x"), "a directory in an image");
    text_free(&words);
    (void)bind_write_mount(&image, &words);
    CHECK(is(&words, "type=bind,source=/a.img,destination=/d,image-src=/x"), "the same as a mount");
    text_free(&words);
    (void)bind_write_mount(&odd, &words);
    CHECK(is(&words, "type=bind,\"source=/a,\"\"b\"\": c \",destination=/d,ro"),
          "what is special is quoted: %s", words.bytes);
    text_free(&words);
    CHECK(bind_write_mount(&lines, &words) == -EINVAL, "a newline cannot be said");
}

static void test_versions(void)
{
    static const struct {
        const char *words;
        bool is_apptainer;
        int major, minor;
        bool fuse, image, mount;
    } cases[] = {
        {"apptainer version 1.2.5-1.el8\n", true, 1, 2, true, true, true},
        {"apptainer version 1.0.0", true, 1, 0, true, true, true},
        {"singularity version 3.8.7-1.el7\n", false, 3, 8, true, true, false},
        {"singularity-ce version 3.9.0\n", false, 3, 9, true, true, true},
        {"singularity-ce version 4.1.2-focal\n", false, 4, 1, true, true, true},
        {"singularity version 3.5.3", false, 3, 5, true, false, false},
        {"singularity version 3.3.0", false, 3, 3, false, false, false},
        {"2.6.1-dist\n", false, 2, 6, false, false, false},
        {"unknown", false, -1, -1, true, true, true},
        {"singularity version 99999999999.1", false, -1, -1, true, true, true},
    };
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++) {
        struct runtime runtime = RUNTIME_INIT;
        char path[] = "/bin/x";
        runtime.path = path;
        runtime_read_version(&runtime, cases[index].words);
        struct error error = ERROR_INIT;
        const bool fuse = runtime_require(&runtime, RUNTIME_FUSE_MOUNT, "it", &error) == 0;
        const bool image = runtime_require(&runtime, RUNTIME_IMAGE_BIND, "it", &error) == 0;
        const bool mount = runtime_require(&runtime, RUNTIME_MOUNT_OPTION, "it", &error) == 0;
        CHECK(runtime.is_apptainer == cases[index].is_apptainer &&
                  runtime.major == cases[index].major && runtime.minor == cases[index].minor,
              "version %zu is %d.%d", index, runtime.major, runtime.minor);
        CHECK(fuse == cases[index].fuse && image == cases[index].image &&
                  mount == cases[index].mount,
              "and what it can do");
    }
}

static void check_arguments(const char *line, enum container_action action, size_t global,
                            size_t command, const char *first)
{
    auto_strings struct strings words = STRINGS_INIT;
    char *all[16] = {NULL};
    if (words_split(line, &words) < 0 || words.count >= sizeof all / sizeof *all)
        abort();
    memcpy(all, words.items, words.count * sizeof *all);
    struct arguments parsed;
    struct error error = ERROR_INIT;
    int result = arguments_parse(&parsed, all, &error);
    const char *rest = parsed.rest && parsed.rest[0] ? parsed.rest[0] : "";
    CHECK(result == 0 && parsed.action == action && parsed.global_count == global &&
              parsed.command_count == command && strcmp(rest, first) == 0,
          "%s: action %d, %zu global options, %zu words of a command, then <%s>", line,
          (int)parsed.action, parsed.global_count, parsed.command_count, rest);
}

static void test_arguments(void)
{
    check_arguments("s", CONTAINER_IMAGE, 0, 0, "");
    check_arguments("s ls -l", CONTAINER_IMAGE, 0, 0, "ls");
    check_arguments("s -- exec", CONTAINER_IMAGE, 0, 0, "exec");
    check_arguments("s -d --config f ls exec", CONTAINER_IMAGE, 3, 0, "ls");
    check_arguments("s exec image ls", CONTAINER_MOUNT, 0, 1, "image");
    check_arguments("s -d exec -B a:b image ls", CONTAINER_MOUNT, 1, 1, "-B");
    check_arguments("s run image instance://x", CONTAINER_MOUNT, 0, 1, "image");
    check_arguments("s exec --nv image ls instance://x", CONTAINER_MOUNT, 0, 1, "--nv");
    check_arguments("s shell", CONTAINER_MOUNT, 0, 1, "");
    check_arguments("s shell instance://x", CONTAINER_JOIN, 0, 1, "instance://x");
    check_arguments("s exec --nv instance://x ls", CONTAINER_JOIN, 0, 1, "--nv");
    check_arguments("s exec -B a:b --nv -W d instance://x", CONTAINER_JOIN, 0, 1, "-B");
    check_arguments("s instance start image name", CONTAINER_MOUNT, 0, 2, "image");
    check_arguments("s instance run image name", CONTAINER_MOUNT, 0, 2, "image");
    check_arguments("s instance stop name", CONTAINER_PASS, 0, 2, "name");
    check_arguments("s instance", CONTAINER_PASS, 0, 1, "");
    check_arguments("s version", CONTAINER_PASS, 0, 1, "");
    check_arguments("s -q version", CONTAINER_PASS, 1, 1, "");
    struct arguments parsed;
    char *none[] = {NULL};
    CHECK(arguments_parse(&parsed, none, NULL) == -EINVAL, "no arguments at all are refused");
    char name[] = "s", dry[] = "--dry-run", version[] = "-V";
    char *own[] = {name, dry, version, NULL};
    CHECK(arguments_parse(&parsed, own, NULL) == 0 && parsed.dry_run &&
              parsed.action == CONTAINER_VERSION,
          "our own options come first");
}

int main(void)
{
    test_words();
    test_quoting();
    test_binds();
    test_versions();
    test_arguments();
    return tap_done();
}
