/* The program interpreter (loader) an ELF executable asks for. */
#ifndef CVMFSEXEC_LAUNCH_INTERPRETER_H
#define CVMFSEXEC_LAUNCH_INTERPRETER_H

/* The path in the PT_INTERP segment of `path`. `*interpreter`, which the caller frees, is NULL for
 * what has none: a static program, a script, an ELF file of another class or byte order.
 * 0, a negative errno, or -ENOEXEC when the file contradicts itself. */
int interpreter_read(const char *path, char **interpreter);

#endif
