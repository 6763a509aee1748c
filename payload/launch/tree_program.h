/* Programs of a dist tree, started with the libraries of the tree: by its own loader where it
 * brings one, else by the host's. */
#ifndef CVMFSEXEC_LAUNCH_TREE_PROGRAM_H
#define CVMFSEXEC_LAUNCH_TREE_PROGRAM_H

/* The option by which a loader is told argv[0]: glibc has it from 2.33 on, and its help names it.
 * In trees with an older one, makedist puts a library beside it that is preloaded, and gives the
 * value of the variable to the program as its argv[0]: payload/name.c. */
#define TREE_PROGRAM_OPTION "--argv0"
#define TREE_PROGRAM_NAMER "libcvmfsexec-name.so"
#define TREE_PROGRAM_NAME "CVMFSEXEC_PROGRAM_NAME"

struct tree_program {
    const char *dist;       /* absolute, without a slash at the end */
    const char *path;       /* of the program */
    const char *name;       /* its argv[0] where the tree's loader starts it */
    const char *plain_name; /* and where it does not */
};

/* Becomes the program with these arguments, which end on NULL and do not begin with its name. What
 * the environment preloads is not for it: with a libc of its own, a library of the host's would
 * only break it. Returns only when that fails: a negative errno, as execve(2) gave it, -ENOMEM, or
 * -ENOEXEC for a damaged file. */
int tree_program_execute(const struct tree_program *program, const char *const *arguments);

#endif
