/* packer/machine: the table of machine types, and which of them stands for a host. */
#include <errno.h>
#include <stddef.h>

#include "packer/machine.h"
#include "tests/unit/tap.h"

static void every_host_of_the_contract_has_its_machine_type(void)
{
    static const struct {
        const char *os_release, *architecture, *machine;
    } rows[] = {
        {"ID=debian\nVERSION_ID=\"11\"\n", "x86_64", "rhel8-x86_64"},
        {"ID=debian\nVERSION_ID=\"12\"\n", "x86_64", "rhel9-x86_64"},
        {"VERSION_ID='13'\nID=debian", "aarch64", "rhel9-aarch64"},
        {"ID=ubuntu\nID_LIKE=debian\nVERSION_ID=\"22.04\"\n", "x86_64", "rhel9-x86_64"},
        {"ID=ubuntu\nID_LIKE=debian\nVERSION_ID=\"24.04\"\n", "ppc64le", "rhel9-ppc64le"},
        {"ID=\"centos\"\nID_LIKE=\"rhel fedora\"\nVERSION_ID=\"7\"\n", "x86_64", "rhel7-x86_64"},
        {"ID=\"rhel\"\nVERSION_ID=\"8.10\"\n", "ppc64le", "rhel8-ppc64le"},
        {"ID=\"almalinux\"\nID_LIKE=\"rhel centos fedora\"\nVERSION_ID=\"9.4\"\n", "aarch64",
         "rhel9-aarch64"},
        {"ID=\"ol\"\nID_LIKE=\"fedora\"\nVERSION_ID=\"9.4\"\n", "x86_64", "rhel9-x86_64"},
        {"ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\nVERSION_ID=\"10.0\"\n", "x86_64",
         "rhel10-x86_64"},
        {"ID=\"opensuse-leap\"\nID_LIKE=\"suse opensuse\"\nVERSION_ID=\"15.5\"\n", "x86_64",
         "suse15-x86_64"},
        {"ID=\"sles\"\r\nID_LIKE=\"suse\"\r\nVERSION_ID=\"15.5\"\r\n", "aarch64", "suse15-aarch64"},
    };
    for (size_t index = 0; index < sizeof rows / sizeof rows[0]; index++) {
        struct error error = ERROR_INIT;
        const struct machine *machine = NULL;
        int result =
            machine_match(rows[index].os_release, rows[index].architecture, &machine, &error);
        CHECK(result == 0 && strcmp(machine->name, rows[index].machine) == 0,
              "row %zu stands for %s", index, rows[index].machine);
    }
}

static void other_hosts_are_refused(void)
{
    static const char *const rows[] = {
        "ID=fedora\nVERSION_ID=41\n",
        "ID=arch\n",
        "ID=debian\nVERSION_ID=\"120\"\n",
        "ID=linuxmint\nID_LIKE=\"ubuntu debian\"\nVERSION_ID=\"22\"\n",
        "ID=\"amzn\"\nID_LIKE=\"centos rhel fedora\"\nVERSION_ID=\"2\"\n",
        "",
        "ID=",
        "ID=\"\nVERSION_ID=\"",
        "not a line of it",
    };
    for (size_t index = 0; index < sizeof rows / sizeof rows[0]; index++) {
        struct error error = ERROR_INIT;
        const struct machine *machine = NULL;
        CHECK(machine_match(rows[index], "x86_64", &machine, &error) == -ENOTSUP, "row %zu: %s",
              index, error.message);
    }
    struct error error = ERROR_INIT;
    const struct machine *machine = NULL;
    CHECK(machine_match("ID=debian\nVERSION_ID=12\n", "riscv64", &machine, &error) == -ENOTSUP &&
              strstr(error.message, "debian 12, riscv64") != NULL,
          "a known system on another architecture is refused by name");
}

static void machine_types_are_found_by_name(void)
{
    const struct machine *machine = machine_find("suse15-aarch64");
    CHECK(machine && strcmp(machine->family, "suse") == 0 && strcmp(machine->version, "15") == 0,
          "a machine type knows its family and version");
    CHECK(!machine_find("rhel9") && !machine_find(""), "half a name is none");
    auto_text struct text all = TEXT_INIT;
    auto_text struct text some = TEXT_INIT;
    CHECK(machine_list("ppc64le", &some) == 0 &&
              strcmp(some.bytes, "rhel8-ppc64le rhel9-ppc64le") == 0,
          "those of an architecture are listed");
    CHECK(machine_list(NULL, &all) == 0 && strstr(all.bytes, "rhel10-x86_64") != NULL,
          "all are listed");
}

int main(void)
{
    every_host_of_the_contract_has_its_machine_type();
    other_hosts_are_refused();
    machine_types_are_found_by_name();
    return tap_done();
}
