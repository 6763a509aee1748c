/* Names of configuration files and the recording of parameters; reads none itself. */
#include "payload/config/configuration_files.h"

#include <errno.h>
#include <string.h>

#include "payload/base/scope.h"
#include "payload/config/shell_pattern.h"

int configuration_default_files(const char *directory, struct strings *files)
{
    auto_text struct text place = TEXT_INIT;
    auto_strings struct strings names = STRINGS_INIT;
    int result = text_printf(&place, "%s/default.d", directory);
    if (result == 0)
        result = pattern_paths(place.bytes, "*.conf", &names);
    result = result < 0 ? result : 0;
    for (size_t i = 0; result == 0 && i < names.count; i++) {
        auto_text struct text path = TEXT_INIT;
        result = text_printf(&path, "%s/%s", place.bytes, names.items[i]);
        if (result == 0)
            result = strings_take(files, text_steal(&path));
    }
    return result;
}

int configuration_record(struct parameters *parameters, const char *name, const char *value,
                         const char *origin, const char *fqrn)
{
    static const char whole[] = "@fqrn@";
    static const char first_label[] = "@org@";
    auto_text struct text replaced = TEXT_INIT;
    int result = text_append(&replaced, "", 0);
    while (result == 0 && *value) {
        if (string_starts_with(value, whole)) {
            result = text_append_string(&replaced, fqrn);
            value += strlen(whole);
        } else if (string_starts_with(value, first_label)) {
            result = text_append(&replaced, fqrn, strcspn(fqrn, "."));
            value += strlen(first_label);
        } else {
            const size_t plain = 1 + strcspn(value + 1, "@");
            result = text_append(&replaced, value, plain);
            value += plain;
        }
    }
    return result < 0 ? result : parameters_set(parameters, name, replaced.bytes, origin);
}

void problem_keep(struct error *first, const struct error *next)
{
    if (first && first->code == 0 && next->code)
        *first = *next;
}
