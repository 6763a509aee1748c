/* Memory that runs out when a test wants it to, for what is linked into the test; libraries are
 * left alone, for not all of them survive it (glob(3) of glibc 2.36 frees twice). To be included by
 * one file of a test. Sanitizers bring an allocator of their own: with them memory never fails, and
 * memory_can_fail is false. */
#ifndef CVMFSEXEC_TESTS_FAILING_MEMORY_H
#define CVMFSEXEC_TESTS_FAILING_MEMORY_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static const long memory_never = -1;
static long memory_left = -1; /* allocations that succeed before one fails */

/* The next `allocations` succeed, the one behind them fails, all others succeed. */
static inline void memory_fail_after(long allocations)
{
    memory_left = allocations;
}

/* Whether that one has failed. Ends the failing. */
static inline bool memory_has_failed(void)
{
    bool failed = memory_left == memory_never;
    memory_left = memory_never;
    return failed;
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
static const bool memory_can_fail = false;
#else
static const bool memory_can_fail = true;

/* What glibc calls its own allocator, and the linker the ends of the program. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);
extern const char __executable_start[], etext[];

static bool memory_fails(const void *caller)
{
    const char *address = caller;
    if (address < __executable_start || address >= etext)
        return false;
    if (memory_left == memory_never || memory_left-- > 0)
        return false;
    errno = ENOMEM;
    return true;
}

#define MEMORY_FAILS() memory_fails(__builtin_return_address(0))

void *malloc(size_t size)
{
    return MEMORY_FAILS() ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return MEMORY_FAILS() ? NULL : __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size)
{
    return MEMORY_FAILS() ? NULL : __libc_realloc(memory, size);
}

void *reallocarray(void *memory, size_t count, size_t size)
{
    size_t product;
    if (__builtin_mul_overflow(count, size, &product) || MEMORY_FAILS())
        return NULL;
    return __libc_realloc(memory, product);
}

char *strndup(const char *string, size_t limit)
{
    const size_t length = strnlen(string, limit);
    char *copy = MEMORY_FAILS() ? NULL : __libc_malloc(length + 1);
    if (copy) {
        memcpy(copy, string, length);
        copy[length] = '\0';
    }
    return copy;
}

char *strdup(const char *string)
{
    return MEMORY_FAILS() ? NULL : strndup(string, strlen(string));
}
#endif

#endif
