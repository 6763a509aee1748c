/* What a dynamic ELF file says about itself to the loader: for which machine it is, and what it
 * needs. The rules are those of the ELF specification and ld.so(8). */
#ifndef CVMFSEXEC_PACKER_DYNAMIC_H
#define CVMFSEXEC_PACKER_DYNAMIC_H

#include <stddef.h>
#include <stdint.h>

#include <libelf.h>

#include "payload/base/error.h"
#include "payload/base/strings.h"

/* What two files must have in common to be loaded together. */
struct elf_kind {
    uint16_t machine; /* EM_* */
    uint8_t class;    /* ELFCLASS* */
    uint8_t encoding; /* ELFDATA* */
};

/* A symbol version that must be in a library: DT_VERNEED, without those marked weak. */
struct version_need {
    char *library; /* one of `needed` */
    char *version; /* "GLIBC_2.34" */
};

struct dynamic {
    struct elf_kind kind;
    char *interpreter;          /* PT_INTERP; NULL for libraries and static programs */
    struct strings needed;      /* DT_NEEDED, in their order */
    struct version_need *needs; /* versions of symbols in them */
    size_t need_count;
    struct strings defined; /* the versions it has itself: DT_VERDEF */
    char *rpath;            /* DT_RPATH and DT_RUNPATH: directories with colons between, or NULL */
    char *runpath;
};

#define DYNAMIC_INIT                                                                         \
    {                                                                                        \
        .interpreter = NULL, .needed = STRINGS_INIT, .needs = NULL, .defined = STRINGS_INIT, \
        .rpath = NULL, .runpath = NULL                                                       \
    }

/* Reads an ELF image, which may be anything at all. A static program has a dynamic section or not
 * and needs nothing: that is no error. 0; -ENOEXEC for what is no program or library, or a
 * damaged one; -ENOMEM. What was read so far is released by dynamic_free in any case. */
int dynamic_read(Elf *elf, struct dynamic *dynamic, struct error *error);

/* The same for a file behind a descriptor, which stays open and may stand anywhere. */
int dynamic_load_fd(int fd, struct dynamic *dynamic, struct error *error);

/* The same for the file at `path`, which the words name. Also what opening it gave. */
int dynamic_load(const char *path, struct dynamic *dynamic, struct error *error);

void dynamic_free(struct dynamic *dynamic);

#define auto_dynamic __attribute__((cleanup(dynamic_free)))

#endif
