/* Machine types: the names by which distributions and architectures go in the commands, and which
 * of them this host is. The names and the mapping are those users depend on. */
#ifndef CVMFSEXEC_PACKER_MACHINE_H
#define CVMFSEXEC_PACKER_MACHINE_H

#include "payload/base/error.h"
#include "payload/base/text.h"

struct machine {
    const char *name;         /* "rhel9-x86_64" */
    const char *family;       /* "rhel" or "suse": ID_LIKE of its os-release */
    const char *version;      /* major version, "9": VERSION_ID of its os-release */
    const char *architecture; /* as uname -m has it */
};

/* The machine type of this name, or NULL when there is none. What comes back is constant and
 * lives as long as the program. */
const struct machine *machine_find(const char *name);

/* Appends the names of all machine types of an architecture, or of all with NULL, with blanks
 * between them. 0 or -ENOMEM. */
int machine_list(const char *architecture, struct text *list);

/* The machine type that stands for the system described by `os_release` (the text of
 * /etc/os-release, NUL-terminated) on an architecture. 0, or -ENOTSUP with words that name the
 * system when no machine type stands for it. */
int machine_match(const char *os_release, const char *architecture, const struct machine **machine,
                  struct error *error);

/* The same for the running host. 0, -ENOTSUP, or what reading its os-release gave. */
int machine_detect(const struct machine **machine, struct error *error);

#endif
