/* The parts of the stand-in for the official client. Each is as small as its behaviour towards the
 * launcher allows: processes, descriptors, files and output are like the real one's. */
#ifndef TESTS_OFFICIAL_STANDIN_H
#define TESTS_OFFICIAL_STANDIN_H

typedef int standin_function(int count, char **arguments);

/* The module's entry: main of the client, and of what it starts itself as. The exit code. */
standin_function standin_main;

/* In a library of its own, which is found only through the library path of the tree: the file that
 * the C library was loaded from. */
const char *private_c_library(void);

/* Connects to the cache manager of the working directory, starting it by executing `name`, argv[0]
 * of the client, if none runs. The descriptor that keeps it alive, or -1. */
int cache_manager_connect(const char *name);

/* What a process does that was started as `NAME __cachemgr__ ...`. The exit code. */
standin_function cache_manager_main;

/* Starts a watchdog, which notes a crash unless it is told that the end is near, and without which
 * the client will not go on. */
void watchdog_start(void);
void watchdog_stop(void);

/* Serves `fqrn` on a descriptor that is mounted already ("/dev/fd/N"): attach, then, in the process
 * that stays, serve until it is unmounted. 0 or -1. */
int file_system_attach(const char *mountpoint, const char *fqrn, const char *name);
int file_system_serve(void);

/* Appends a line to a file of the working directory. */
void note(const char *file, const char *line);

#endif
