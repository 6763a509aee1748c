/* Parameters: the set, the kinds of values, and the texts they are written as. */
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>

#include "payload/base/scope.h"
#include "payload/config/assignment_names.h"
#include "payload/config/configuration_files.h"
#include "payload/config/parameters.h"
#include "payload/config/repository_names.h"
#include "tests/unit/tap.h"

static void a_set_is_sorted_and_has_each_name_once(void)
{
    auto_parameters struct parameters set = PARAMETERS_INIT;
    char name[16];
    int result = 0;
    for (int i = 0; i < 300 && result == 0; i++) {
        (void)snprintf(name, sizeof name, "N%d", (i * 7) % 150);
        result = parameters_set(&set, name, i < 150 ? "first" : "second", "file");
    }
    CHECK(result == 0 && set.count == 150, "each name is there once");
    bool sorted = true;
    for (size_t i = 1; i < set.count; i++)
        sorted = sorted && strcmp(set.items[i - 1].name, set.items[i].name) < 0;
    CHECK(sorted, "names are sorted bytewise");
    CHECK(strcmp(parameters_get(&set, "N149"), "second") == 0, "the later value counts");
    CHECK(parameters_get(&set, "N150") == NULL, "an undefined name has no value");
    CHECK(parameters_set(&set, "EMPTY", "", NULL) == 0 &&
              strcmp(parameters_get(&set, "EMPTY"), "") == 0,
          "an empty value is a value");
}

static void switches_are_read_in_any_case(void)
{
    static const char *const on[] = {"yes", "YES", "On", "1", "true", "True"};
    static const char *const off[] = {"no", "NO", "Off", "0", "false"};
    static const char *const neither[] = {"", "y", "2", "yes ", "enabled", "01"};
    bool right = true;
    for (size_t i = 0; i < sizeof on / sizeof *on; i++)
        right = right && parameter_is_on(on[i], false);
    for (size_t i = 0; i < sizeof off / sizeof *off; i++)
        right = right && !parameter_is_on(off[i], true);
    for (size_t i = 0; i < sizeof neither / sizeof *neither; i++)
        right = right && parameter_is_on(neither[i], true) && !parameter_is_on(neither[i], false);
    CHECK(right, "on is on, off is off, and the rest is what the caller says");
    const struct parameters none = PARAMETERS_INIT;
    CHECK(parameters_is_on(&none, "X", true) && !parameters_is_on(&none, "X", false),
          "an undefined switch is what the caller says");
}

static long long number_of(const char *value)
{
    auto_parameters struct parameters set = PARAMETERS_INIT;
    if (parameters_set(&set, "N", value, "") < 0)
        return -99;
    return parameters_number(&set, "N", -98);
}

static void numbers_are_leading_digits(void)
{
    CHECK(number_of("42") == 42 && number_of("42MB") == 42 && number_of("007") == 7 &&
              number_of("0x10") == 0,
          "digits count up to what is none");
    CHECK(number_of("-1") == -1 && number_of("+3") == 3, "a sign counts");
    CHECK(number_of("") == 0 && number_of("many") == 0, "no digits are zero");
    CHECK(number_of("99999999999999999999") == LLONG_MAX, "too large a number is the largest");
    const struct parameters none = PARAMETERS_INIT;
    CHECK(parameters_number(&none, "N", 5) == 5, "an undefined number is what the caller says");
}

static void lists_are_cut_into_parts(void)
{
    size_t count = 0;
    auto_free char **parts = parameters_split(" http://a ;;http://b;c d; ", ';', &count);
    CHECK(parts && count == 3 && strcmp(parts[0], "http://a") == 0 &&
              strcmp(parts[1], "http://b") == 0 && strcmp(parts[2], "c d") == 0 && !parts[3],
          "parts are without blanks around, and empty ones are left out");
    auto_free char **one = parameters_split("x", '|', NULL);
    CHECK(one && strcmp(one[0], "x") == 0 && !one[1], "one part is a list");
    auto_free char **none = parameters_split("", ';', &count);
    CHECK(none && count == 0 && !none[0], "nothing is an empty list");
    auto_free char **undefined = parameters_split(NULL, ';', &count);
    CHECK(undefined && count == 0 && !undefined[0], "the undefined is an empty list");
}

static void the_flat_file_gives_the_same_values_to_any_shell(void)
{
    auto_parameters struct parameters set = PARAMETERS_INIT;
    auto_text struct text text = TEXT_INIT;
    (void)parameters_set(&set, "B", "it's $HOME `x` \\ \"y\" #z", "f");
    (void)parameters_set(&set, "A", "one\nB=two", "f");
    CHECK(parameters_format(&set, &text) == 0 &&
              strcmp(text.bytes, "A='one B=two'\nB='it'\\''s $HOME `x` \\ \"y\" #z'\n") == 0,
          "values are quoted, and one parameter is one line");
}

static void the_printed_text_is_that_of_the_official_client(void)
{
    auto_parameters struct parameters set = PARAMETERS_INIT;
    auto_text struct text text = TEXT_INIT;
    (void)parameters_set(&set, "C", "", "/t.conf");
    (void)parameters_set(&set, "A", "x y", "/t.conf");
    (void)parameters_set(&set, "B", "a-a.example.org/:._,9", "/u.conf");
    (void)parameters_set(&set, "D", "it's@", "/u.conf");
    CHECK(parameters_print(&set, &text) == 0 &&
              strcmp(text.bytes, "# CernVM-FS parameters:\n"
                                 "A='x y'    # from /t.conf\n"
                                 "B=a-a.example.org/:._,9    # from /u.conf\n"
                                 "C=    # from /t.conf\n"
                                 "D='it\\'s@'    # from /u.conf\n\n") == 0,
          "parameters are printed with their files");
}

static void names_are_found_where_they_occur_as_text(void)
{
    static const char text[] = "A=1\n"
                               "  B='x=y' # C=3\n"
                               "#D=4\n"
                               "export E=5\n"
                               "readonly F=6; G=7\n"
                               "export H\n"
                               "if [ x ]; then I=9; fi\n"
                               "eval J=10\n"
                               ": ${K:=11}\n"
                               "\tL = 12\n"
                               "M+=13\n"
                               "9N=14\n"
                               "O=";
    char found[64] = "";
    size_t at = 0;
    struct assignment_line line;
    while (assignment_next(text, sizeof text - 1, &at, &line))
        (void)strncat(found, line.name, line.name_length);
    CHECK(strcmp(found, "ABEFJO") == 0, "they are those that the official client finds: %s", found);
    at = 0;
    static const char simple[] = "X = 1\nY= \"a # b\"\n";
    CHECK(assignment_next(simple, sizeof simple - 1, &at, &line) && line.value_length == 2 &&
              memcmp(line.value, "\"a", 2) == 0,
          "the value of a line ends before the comment");
}

static void placeholders_are_replaced_in_every_value(void)
{
    auto_parameters struct parameters set = PARAMETERS_INIT;
    CHECK(configuration_record(&set, "B", "@org@-@fqrn@-@z@-@-@fqrn", "f", "a.example.org") == 0 &&
              strcmp(parameters_get(&set, "B"), "a-a.example.org-@z@-@-@fqrn") == 0,
          "the name and its first label are, unknown ones stay");
    CHECK(strcmp(repository_domain("a.b.c"), "b.c") == 0 && !repository_domain("a") &&
              !repository_domain("a."),
          "the domain is what follows the first label");
    CHECK(repository_name_is_valid("a.b") && !repository_name_is_valid("") &&
              !repository_name_is_valid("../x") && !repository_name_is_valid("a/b"),
          "a repository name is no path");
}

int main(void)
{
    a_set_is_sorted_and_has_each_name_once();
    switches_are_read_in_any_case();
    numbers_are_leading_digits();
    lists_are_cut_into_parts();
    the_flat_file_gives_the_same_values_to_any_shell();
    the_printed_text_is_that_of_the_official_client();
    names_are_found_where_they_occur_as_text();
    placeholders_are_replaced_in_every_value();
    return tap_done();
}
