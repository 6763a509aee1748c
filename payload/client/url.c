/* Escaping and taking apart. Nothing is normalised: libcurl reads URLs for itself. */
#include "payload/client/url.h"

#include <string.h>
#include <strings.h>

static bool stands_for_itself(unsigned char byte)
{
    return (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= 'a' && byte <= 'z') || (byte != '\0' && strchr("/:.@+-_~[],", byte));
}

int url_escape(struct text *text, const char *string)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t length = strlen(string);
    int result = text_reserve(text, 3 * length);
    for (; result == 0 && *string; string++) {
        unsigned char byte = (unsigned char)*string;
        char escaped[3] = {'%', digits[byte >> 4], digits[byte & 15]};
        result = stands_for_itself(byte) ? text_append(text, string, 1)
                                         : text_append(text, escaped, sizeof escaped);
    }
    return result;
}

static bool is_port(struct url_part port)
{
    unsigned value = 0;
    if (port.length == 0 || port.length > 5)
        return false;
    for (size_t i = 0; i < port.length; i++) {
        if (port.start[i] < '0' || port.start[i] > '9')
            return false;
        value = value * 10 + (unsigned)(port.start[i] - '0');
    }
    return value >= 1 && value <= 65535;
}

/* RFC 3986, 3.1 */
static bool is_scheme(struct url_part scheme)
{
    for (size_t i = 0; i < scheme.length; i++) {
        unsigned char byte = (unsigned char)scheme.start[i];
        bool letter = (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z');
        if (!letter &&
            (i == 0 || (byte != '+' && byte != '-' && byte != '.' && (byte < '0' || byte > '9'))))
            return false;
    }
    return scheme.length > 0;
}

/* The end of a host name or a bracketed address at `host`, not beyond `end`. */
static const char *host_end(const char *host, const char *end)
{
    if (*host == '[') {
        const char *close = memchr(host, ']', (size_t)(end - host));
        return close ? close + 1 : end;
    }
    const char *colon = memchr(host, ':', (size_t)(end - host));
    return colon ? colon : end;
}

bool url_parse(const char *string, struct url *url)
{
    *url = (struct url){.scheme = {string, 0}};
    const char *scheme_end = strstr(string, "://");
    const char *host = string;
    if (scheme_end && !memchr(string, '/', (size_t)(scheme_end - string))) {
        url->scheme.length = (size_t)(scheme_end - string);
        host = scheme_end + 3;
        if (!is_scheme(url->scheme))
            return false;
    }
    const char *end = host + strcspn(host, "/?#");
    const char *user_end = memrchr(host, '@', (size_t)(end - host));
    if (user_end)
        host = user_end + 1;
    const char *after = host_end(host, end);
    url->host = (struct url_part){host, (size_t)(after - host)};
    url->port = (struct url_part){after, 0};
    if (after < end) {
        if (*after != ':')
            return false;
        url->port = (struct url_part){after + 1, (size_t)(end - after - 1)};
        if (!is_port(url->port))
            return false;
    }
    return url->host.length > 0;
}

bool url_has_scheme(const char *string, const char *scheme)
{
    size_t length = strlen(scheme);
    return strncasecmp(string, scheme, length) == 0 && strncmp(string + length, "://", 3) == 0;
}
