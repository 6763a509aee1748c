/* One message, for repositories and for listings. */
#include "packer/missing_package.h"

#include <errno.h>

#include "payload/base/text.h"

#define NAMED_VERSIONS 12

int missing_package_error(const struct missing_package *missing, const struct strings *versions,
                          struct error *error)
{
    auto_text struct text list = TEXT_INIT;
    int result = 0;
    for (size_t index = 0; index < versions->count && index < NAMED_VERSIONS && result == 0;
         index++)
        result = text_printf(&list, "%s%s", index > 0 ? ", " : "", versions->items[index]);
    if (result == 0 && versions->count > NAMED_VERSIONS)
        result = text_append_string(&list, ", ...");
    if (result < 0)
        return error_system(error, result, "looking for %s", missing->name);
    if (!list.bytes || !missing->version)
        return error_set(error, -ENOENT, "there is no package %s for %s in %s", missing->name,
                         missing->architecture, missing->where);
    return error_set(error, -ENOENT, "there is no version %s of %s for %s in %s; there is %s",
                     missing->version, missing->name, missing->architecture, missing->where,
                     list.bytes);
}
