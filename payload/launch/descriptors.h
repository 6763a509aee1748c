/* Descriptors that were inherited and must not be handed on. */
#ifndef CVMFSEXEC_LAUNCH_DESCRIPTORS_H
#define CVMFSEXEC_LAUNCH_DESCRIPTORS_H

/* Closes every descriptor from `first` on. 0 or a negative errno. */
int descriptors_close_from(int first);

#endif
