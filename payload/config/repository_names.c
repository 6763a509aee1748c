/* Looks at names only: whether there is such a repository is for a server to say. */
#include "payload/config/repository_names.h"

#include <stddef.h>
#include <string.h>

bool repository_name_is_valid(const char *fqrn)
{
    return fqrn[0] && fqrn[0] != '.' && !strchr(fqrn, '/');
}

const char *repository_domain(const char *fqrn)
{
    const char *dot = strchr(fqrn, '.');
    return dot && dot[1] ? dot + 1 : NULL;
}

static bool is_meant(const char *fqrn, const char *name, size_t length, const char *domain)
{
    if (strncmp(fqrn, name, length) != 0)
        return false;
    if (fqrn[length] == '\0')
        return true;
    return fqrn[length] == '.' && domain && !memchr(name, '.', length) &&
           strcmp(fqrn + length + 1, domain) == 0;
}

bool repository_is_listed(const char *fqrn, const char *list, const char *domain)
{
    static const char separators[] = ", \t\n";
    for (list += strspn(list, separators); *list; list += strspn(list, separators)) {
        const size_t length = strcspn(list, separators);
        if (is_meant(fqrn, list, length, domain))
            return true;
        list += length;
    }
    return false;
}
