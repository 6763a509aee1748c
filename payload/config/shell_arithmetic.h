/* Integer formulas of $((...)). */
#ifndef CVMFSEXEC_CONFIG_SHELL_ARITHMETIC_H
#define CVMFSEXEC_CONFIG_SHELL_ARITHMETIC_H

struct shell;

/* Computes with the operators of C on signed 64 bit numbers that wrap around, assignments to
 * variables included. An unset or empty variable is 0. 0 or a failure of the shell: no formula, a
 * variable that is no number, a division by zero. */
int shell_arithmetic(struct shell *shell, const char *formula, long long *value);

#endif
