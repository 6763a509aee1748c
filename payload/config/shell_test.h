/* The conditions of `test` and `[`. */
#ifndef CVMFSEXEC_CONFIG_SHELL_TEST_H
#define CVMFSEXEC_CONFIG_SHELL_TEST_H

#include <stddef.h>

struct shell;

/* The status of `test` with these arguments: 0 holds, 1 does not, 2 is no condition (noted as a
 * problem); or -ENOMEM. Relative paths are seen from the working directory of the shell. */
int shell_test(struct shell *shell, char *const *arguments, size_t count);

#endif
