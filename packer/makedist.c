/* makedist: makes a dist tree, or packs one. This file chooses; action_*.c do it. */
#include "packer/actions.h"
#include "packer/command.h"
#include "packer/companion.h"
#include "packer/machine.h"
#include "payload/base/text.h"

static enum status work(const struct command *command)
{
    struct error error = ERROR_INIT;
    auto_text struct text directory = TEXT_INIT;
    auto_text struct text place = TEXT_INIT;
    if (companion_directory(&directory, &error) < 0 ||
        companion_workplace(directory.bytes, &place, &error) < 0)
        return status_failed(&error);
    switch (command->action) {
    case COMMAND_HELP:
        return status_print(command_help);
    case COMMAND_VERSION:
        return status_print("makedist " CVMFSEXEC_VERSION "\n");
    case COMMAND_LIST_TYPES:
        return action_list_types();
    case COMMAND_LIST_SOURCES:
        return action_list_sources(command, directory.bytes);
    case COMMAND_INSPECT:
        return action_inspect(command);
    case COMMAND_VERIFY:
        return action_verify(command);
    case COMMAND_EXTRACT:
        return action_extract(command);
    case COMMAND_PACK:
        return action_pack(command, directory.bytes, place.bytes);
    case COMMAND_MAKE:
        break;
    }
    return action_make(command, directory.bytes, place.bytes);
}

int main(int count, char **arguments)
{
    struct error error = ERROR_INIT;
    auto_command struct command command = COMMAND_INIT;
    int result = command_read(count, arguments, &command, &error);
    if (command.machine && !machine_find(command.machine)) /* comes first, whatever else is wrong */
        return (int)action_refuse_machine(command.machine);
    return (int)(result < 0 ? status_usage(&error) : work(&command));
}
