/* A copy of an ELF program or library without what is of no use to the loader. */
#ifndef CVMFSEXEC_PACKER_STRIP_H
#define CVMFSEXEC_PACKER_STRIP_H

#include "payload/base/error.h"

/* Writes to `output`, an empty file opened for reading and writing, the ELF file at `input` without
 * symbol table, debugging information and other sections that are not loaded. What is loaded stays
 * where it was. 0; -ENOEXEC for what is no program or library; others from the system. */
int strip_copy(int input, int output, struct error *error);

#endif
