/* The library that only the tree has. */
#include <dlfcn.h>
#include <stdlib.h>

#include "tests/official/standin.h"

const char *private_c_library(void)
{
    Dl_info info;
    void *symbol = dlsym(RTLD_NEXT, "gnu_get_libc_version");
    return symbol && dladdr(symbol, &info) ? info.dli_fname : "unknown";
}
