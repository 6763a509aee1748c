/* The order of things: what every tree has is here, what fills it is not. */
#include "packer/tree.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "packer/skeleton.h"
#include "packer/stamp.h"
#include "payload/base/text.h"

int tree_refuse_existing(const char *directory, struct error *error)
{
    auto_text struct text path = TEXT_INIT;
    struct stat status;
    if (text_printf(&path, "%s/%s", directory, TREE_NAME) < 0)
        return error_system(error, -ENOMEM, "looking for %s", TREE_NAME);
    if (lstat(path.bytes, &status) < 0)
        return errno == ENOENT ? 0 : error_system(error, -errno, "looking for %s", path.bytes);
    return error_set(error, -EEXIST,
                     "%s is there already: remove it (rm -rf %s) or move it away first", path.bytes,
                     path.bytes);
}

int tree_make(const struct tree_options *options, struct error *error)
{
    int result = tree_refuse_existing(options->directory, error);
    if (result < 0)
        return result;
    auto_stage struct stage stage = STAGE_INIT;
    result = stage_open(options->directory, &stage, error);
    if (result < 0)
        return result;
    struct stamp stamp = {.sing = options->sing};
    (void)strncpy(stamp.machtype, options->machine->name, sizeof stamp.machtype - 1);
    result = skeleton_begin(stage.fd, error);
    if (result == 0)
        result = options->fill(options->fill_context, &stage, error);
    if (result == 0)
        result = skeleton_finish(stage.fd, options->machine, options->distribution, error);
    if (result == 0)
        result = stamp_write(stage.fd, &stamp, error);
    if (result == 0)
        result = stage_interrupted(&stage, error);
    return result == 0 ? stage_publish(&stage, TREE_NAME, error) : result;
}
