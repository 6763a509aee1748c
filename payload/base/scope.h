/* Resources that release themselves when their scope ends. */
#ifndef CVMFSEXEC_BASE_SCOPE_H
#define CVMFSEXEC_BASE_SCOPE_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void scope_close_fd(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd); /* nothing to be done about a failing close of what was only read */
}

static inline void scope_close_file(FILE **file)
{
    if (*file)
        (void)fclose(*file);
}

static inline void scope_close_directory(DIR **directory)
{
    if (*directory)
        (void)closedir(*directory);
}

static inline void scope_free(void *pointer)
{
    free(*(void **)pointer);
}

#define auto_fd __attribute__((cleanup(scope_close_fd)))
#define auto_file __attribute__((cleanup(scope_close_file)))
#define auto_directory __attribute__((cleanup(scope_close_directory)))
#define auto_free __attribute__((cleanup(scope_free)))

/* Takes the value out of an owning local: the caller owns it now, the scope releases nothing. */
static inline int steal_fd(int *fd)
{
    int taken = *fd;
    *fd = -1;
    return taken;
}

#define steal_pointer(variable)                                                                    \
    ({                                                                                             \
        __typeof__(variable) taken_ = (variable);                                                  \
        (variable) = NULL;                                                                         \
        taken_;                                                                                    \
    })

#endif
