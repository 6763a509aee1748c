#include "payload/client/cache_layout.h"

#include <stdio.h>

char *object_path(const struct hash *hash, char path[OBJECT_PATH_SIZE])
{
    char text[HASH_TEXT_SIZE];
    (void)hash_format(hash, text);
    (void)snprintf(path, OBJECT_PATH_SIZE, "%.2s/%s", text, text[0] ? text + 2 : "");
    return path;
}
