/* Finds the library of transfers when it is needed for the first time. It stays loaded. */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>

#include "payload/client/transfer.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const struct transfer_operations *table;

void transfer_use(const struct transfer_operations *operations)
{
    (void)pthread_mutex_lock(&lock);
    table = operations;
    (void)pthread_mutex_unlock(&lock);
}

static int load(const struct transfer_operations **operations, struct error *error)
{
    void *library = dlopen(TRANSFER_LIBRARY, RTLD_NOW | RTLD_LOCAL);
    const struct transfer_operations *found = library ? dlsym(library, TRANSFER_SYMBOL) : NULL;
    if (!found) {
        const char *words = dlerror(); /* musl and glibc: never NULL after a failure */
        return error_set(error, -EIO, "loading the download library: %s",
                         words ? words : TRANSFER_SYMBOL " is not what it should be");
    }
    if (found->abi != TRANSFER_ABI)
        return error_set(error, -EIO, "%s is of another version (%u, not %u)", TRANSFER_LIBRARY,
                         found->abi, (unsigned)TRANSFER_ABI);
    *operations = found;
    return 0;
}

int transfer_load(const struct transfer_operations **operations, struct error *error)
{
    (void)pthread_mutex_lock(&lock);
    int result = table ? 0 : load(&table, error);
    *operations = table;
    (void)pthread_mutex_unlock(&lock);
    return result;
}
