/* What can be asked of makedist without making anything. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "packer/actions.h"
#include "packer/machine.h"
#include "payload/base/text.h"

#define SITE_TABLE "makedist.conf"

static enum status list_machines(struct text *names)
{
    struct error error = ERROR_INIT;
    int result = machine_list(NULL, names);
    if (result == 0)
        return STATUS_DONE;
    (void)error_system(&error, result, "listing machine types");
    return status_failed(&error);
}

/* These lines are read by programs: glideinWMS takes the list of machine types from the third line
 * of what `makedist -m xxx` says. */
enum status action_refuse_machine(const char *name)
{
    auto_text struct text names = TEXT_INIT;
    enum status status = list_machines(&names);
    if (status != STATUS_DONE)
        return status;
    (void)fprintf(stderr,
                  "makedist: %s is not a supported machine type\nSupported types are:\n  %s\n",
                  name, names.bytes);
    return STATUS_FAILED;
}

enum status action_list_types(void)
{
    auto_text struct text names = TEXT_INIT;
    enum status status = list_machines(&names);
    if (status != STATUS_DONE)
        return status;
    for (char *blank = names.bytes; (blank = strchr(blank, ' '));)
        *blank = '\n';
    return text_append(&names, "\n", 1) == 0 ? status_print(names.bytes) : STATUS_FAILED;
}

int action_open_table(const struct command *command, const char *directory,
                      struct source_table **table, struct error *error)
{
    auto_text struct text path = TEXT_INIT;
    if (!command->sources && text_printf(&path, "%s/" SITE_TABLE, directory) < 0)
        return error_system(error, -ENOMEM, "looking for " SITE_TABLE);
    const char *site = command->sources;
    if (!site && access(path.bytes, F_OK) == 0)
        site = path.bytes;
    struct source_table *made = NULL;
    int result = source_table_open(&made, error);
    if (result == 0 && site)
        result = source_table_read(made, site, error);
    if (result < 0)
        source_table_close(made);
    else
        *table = made;
    return result;
}

enum status action_list_sources(const struct command *command, const char *directory)
{
    struct error error = ERROR_INIT;
    auto_text struct text text = TEXT_INIT;
    struct source_table *table = NULL;
    int result = action_open_table(command, directory, &table, &error);
    if (result == 0) {
        result = source_table_write(table, &text);
        if (result < 0)
            (void)error_system(&error, result, "listing sources");
    }
    source_table_close(table);
    return result < 0 ? status_failed(&error) : status_print(text.bytes);
}
