/* The program interpreter (loader) an ELF executable asks for. */
#ifndef CVMFSEXEC_LAUNCH_INTERPRETER_H
#define CVMFSEXEC_LAUNCH_INTERPRETER_H

/* The path in the PT_INTERP segment of `path`. `*interpreter`, which the caller frees, is NULL for
 * what has none: a static program, a script, an ELF file of another class or byte order.
 * 0, a negative errno, or -ENOEXEC when the file contradicts itself. */
int interpreter_read(const char *path, char **interpreter);

/* The loader of that name in `libraries`, the directory of a tree's libraries. `*loader`, which the
 * caller frees, is NULL when `path` asks for none, or for one that the tree does not bring. 0 or a
 * negative errno as above. */
int interpreter_find(const char *path, const char *libraries, char **loader);

#endif
