/* A directory that is built out of sight, and appears whole or not at all. */
#ifndef CVMFSEXEC_PACKER_STAGE_H
#define CVMFSEXEC_PACKER_STAGE_H

#include <signal.h>
#include <stdbool.h>

#include "payload/base/error.h"

/* Between opening and closing, SIGINT, SIGTERM and SIGHUP are held back, so that who is interrupted
 * can clean up; closing lets them through. */
struct stage {
    int parent;      /* the directory it will appear in, locked against others who build there */
    int fd;          /* the directory under construction; -1 when there is none */
    char name[32];   /* its present name */
    bool holding;    /* the signals are held back */
    sigset_t before; /* the signal mask to go back to */
};

#define STAGE_INIT                                           \
    {                                                        \
        .parent = -1, .fd = -1, .name = "", .holding = false \
    }

/* Makes an empty directory beside the place where it will stand, and removes what an earlier
 * builder left behind when it was killed. 0; -EBUSY when another process is building in
 * `parent`; others from the system. The caller closes the stage in any case. */
int stage_open(const char *parent, struct stage *stage, struct error *error);

/* -EINTR with words when one of the signals has come; to be asked between the steps of a long way.
 */
int stage_interrupted(const struct stage *stage, struct error *error);

/* Gives the directory its name, `final`, in one step. 0; -EEXIST when that is taken; others from
 * the system. */
int stage_publish(struct stage *stage, const char *final, struct error *error);

/* Removes the directory unless it was published. */
void stage_close(struct stage *stage);

#define auto_stage __attribute__((cleanup(stage_close)))

#endif
