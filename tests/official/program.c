/* A client for tests of the launcher that behaves as the official one does towards it: this program
 * is only a door. What it does is in a module, which it loads from $CVMFS_LIBRARY_PATH or from
 * where packages install it. It is no file system of any use. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/official/standin.h"

int main(int count, char **arguments)
{
    const char *own = getenv("CVMFS_LIBRARY_PATH");
    const char *const places[] = {own ? own : ".", "/usr/lib", "/usr/lib64"};
    void *module = NULL;
    for (size_t index = 0; !module && index < sizeof places / sizeof *places; index++) {
        char path[4096];
        (void)snprintf(path, sizeof path, "%s/libcvmfs_fuse3_stub.so", places[index]);
        module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        if (!module)
            (void)fprintf(stderr, "%s\n", dlerror());
    }
    standin_function *run = NULL;
    void *symbol = module ? dlsym(module, "standin_main") : NULL;
    *(void **)&run = symbol; /* as POSIX has it for functions */
    return run ? run(count, arguments) : 1;
}
