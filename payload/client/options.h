/* The command line of the official client (cvmfs-format.md 10.8). */
#ifndef CVMFSEXEC_CLIENT_OPTIONS_H
#define CVMFSEXEC_CLIENT_OPTIONS_H

#include <stdbool.h>
#include <sys/types.h>

#include "payload/base/error.h"
#include "payload/base/text.h"

struct options {
    const char *fqrn;       /* points into the arguments */
    const char *mountpoint; /* a directory, or /dev/fd/N; NULL where only -k asks for none */
    char *config;           /* A:B:C, or NULL: the standard files */
    bool help, version;
    bool foreground;
    bool debug;      /* write CVMFS_DEBUGLOG */
    bool fuse_debug; /* libfuse's own trace */
    bool single_threaded;
    bool print_parameters;
    bool simple_parsing;
    bool grab_mountpoint;
    bool system_mount; /* a NFILES that cannot be had is fatal */
    bool suid;
    bool change_ids;
    uid_t uid;
    gid_t gid;
    struct text fuse; /* what is for FUSE, comma-separated; empty when nothing is */
};

/* 0, or -EINVAL with the reason. Options may stand anywhere among the two names. */
int options_parse(int count, char **arguments, struct options *options, struct error *error);
void options_free(struct options *options);

extern const char options_usage[];

#endif
