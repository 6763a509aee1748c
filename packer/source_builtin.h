/* The text of the table that comes with makedist. */
#ifndef CVMFSEXEC_PACKER_SOURCE_BUILTIN_H
#define CVMFSEXEC_PACKER_SOURCE_BUILTIN_H

extern const char source_builtin[];

#endif
