/* A lock file that exists only while somebody holds it or has been killed holding it. */
#ifndef CVMFSEXEC_STUB_LOCK_H
#define CVMFSEXEC_STUB_LOCK_H

/* Tries once to take the lock NAME in `directory`; never waits.
 * 1 and a descriptor in `*fd` when it is ours; 0 when somebody else has it; a negative errno where
 * there can be no lock (a directory that cannot be written, a file system that knows none). The
 * lock ends with the process at the latest. Other nodes see it if the file system carries
 * flock(2) to them, as NFS does since Linux 2.6.12. */
int lock_try(int directory, const char *name, int *fd);

/* Removes the file and gives the lock up; `*fd` is -1 then. */
void lock_release(int directory, const char *name, int *fd);

#endif
