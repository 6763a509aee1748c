/* Anchors of HTML and keys of S3's XML, by libxml2: its HTML parser takes whatever a browser takes.
 * What a file name means is not known here. */
#include "packer/listing_page.h"

#include <errno.h>
#include <libxml/HTMLparser.h>
#include <libxml/parser.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "payload/base/scope.h"
#include "payload/base/text.h"

static void document_release(xmlDoc **document)
{
    if (*document)
        xmlFreeDoc(*document);
}

static void string_release(xmlChar **string)
{
    if (*string)
        xmlFree(*string);
}

#define auto_document __attribute__((cleanup(document_release)))
#define auto_xml_string __attribute__((cleanup(string_release)))

static void be_silent(void *context, const char *format, ...)
{
    (void)context, (void)format;
}

static int hex_value(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    if (digit >= 'a' && digit <= 'f')
        return digit - 'a' + 10;
    return digit >= 'A' && digit <= 'F' ? digit - 'A' + 10 : -1;
}

/* Appends with the escapes of URLs resolved. -EINVAL for a NUL. */
static int append_decoded(const char *bytes, size_t length, struct text *text)
{
    int result = 0;
    for (size_t index = 0; index < length && result == 0; index++) {
        char byte = bytes[index];
        if (byte == '%' && index + 2 < length && hex_value(bytes[index + 1]) >= 0 &&
            hex_value(bytes[index + 2]) >= 0) {
            byte = (char)(hex_value(bytes[index + 1]) * 16 + hex_value(bytes[index + 2]));
            index += 2;
        }
        result = byte == '\0' ? -EINVAL : text_append(text, &byte, 1);
    }
    return result;
}

/* The path of a URL or of a reference; `*absolute` says that it begins at the root of a server.
 * -EINVAL for references that are no paths ("mailto:", "?C=N;O=D", "#top"). */
static int append_path(const char *reference, struct text *path, bool *absolute)
{
    reference += strspn(reference, " \t\r\n\f");
    size_t length = strcspn(reference, "?#");
    while (length > 0 && strchr(" \t\r\n\f", reference[length - 1]))
        length--;
    if (length == 0)
        return -EINVAL;
    const char *const end = reference + length;
    const char *begin = reference;
    const size_t scheme = strcspn(reference, ":/");
    *absolute = true;
    if (scheme < length && reference[scheme] == ':') {
        if (length < scheme + 3 || memcmp(reference + scheme, "://", 3) != 0)
            return -EINVAL;
        begin = memchr(reference + scheme + 3, '/', length - scheme - 3);
    } else if (length >= 2 && memcmp(reference, "//", 2) == 0) {
        begin = memchr(reference + 2, '/', length - 2);
    } else {
        *absolute = reference[0] == '/';
    }
    return begin ? append_decoded(begin, (size_t)(end - begin), path) : 0;
}

/* The names of a path without those that lead nowhere; the last one stands apart. */
struct place {
    struct strings directories;
    char *file; /* NULL for a path that ends in a slash */
};

static void place_free(struct place *place)
{
    strings_free(&place->directories);
    free(place->file);
    place->file = NULL;
}

#define auto_place __attribute__((cleanup(place_free)))

/* Goes along a path from where `place` is. -EINVAL where it leads above the root. */
static int place_follow(struct place *place, const char *path)
{
    for (;;) {
        path += strspn(path, "/");
        const size_t length = strcspn(path, "/");
        const bool last = path[length] == '\0';
        struct strings *directories = &place->directories;
        if (length == 0)
            return 0;
        if (length == 2 && memcmp(path, "..", 2) == 0) {
            if (directories->count == 0)
                return -EINVAL;
            free(directories->items[--directories->count]);
        } else if (length != 1 || path[0] != '.') {
            char *name = strndup(path, length);
            if (!name)
                return -ENOMEM;
            if (last) {
                place->file = name;
                return 0;
            }
            int result = strings_take(directories, name);
            if (result < 0)
                return result;
        }
        path += length;
    }
}

/* Whether the shorter of the two is the end of the longer one. */
static bool end_alike(const struct strings *one, const struct strings *other)
{
    const size_t shorter = one->count < other->count ? one->count : other->count;
    if (shorter == 0)
        return one->count == other->count;
    for (size_t index = 1; index <= shorter; index++)
        if (strcmp(one->items[one->count - index], other->items[other->count - index]) != 0)
            return false;
    return true;
}

static int copy_directories(const struct strings *from, struct strings *to)
{
    int result = 0;
    for (size_t index = 0; index < from->count && result == 0; index++)
        result = strings_add(to, from->items[index]);
    return result;
}

/* Adds the file that a link leads to, if it is in the directory. 0 or -ENOMEM. */
static int add_link(const char *reference, const struct strings *directory, struct strings *files)
{
    auto_text struct text path = TEXT_INIT;
    auto_place struct place place = {.directories = STRINGS_INIT};
    bool absolute = false;
    int result = append_path(reference, &path, &absolute);
    if (result == 0 && !absolute)
        result = copy_directories(directory, &place.directories);
    if (result == 0 && path.bytes)
        result = place_follow(&place, path.bytes);
    if (result == -EINVAL)
        return 0;
    if (result < 0 || !place.file || !end_alike(&place.directories, directory) ||
        strings_contain(files, place.file))
        return result;
    return strings_take(files, steal_pointer(place.file));
}

/* The directory that a URL shows. */
static int find_directory(const char *url, struct strings *directory)
{
    auto_text struct text path = TEXT_INIT;
    auto_place struct place place = {.directories = STRINGS_INIT};
    bool absolute = false;
    int result = append_path(url, &path, &absolute);
    if (result == 0 && path.bytes)
        result = place_follow(&place, path.bytes);
    if (result == 0)
        result = copy_directories(&place.directories, directory);
    if (result == 0 && place.file && !strstr(place.file, ".htm"))
        result = strings_add(directory, place.file);
    return result;
}

/* The next node of a tree in the order of the document, without recursion: pages may be deep. */
static xmlNode *next_node(xmlNode *node)
{
    if (node->type == XML_ELEMENT_NODE && node->children)
        return node->children;
    while (node && !node->next)
        node = node->parent;
    return node ? node->next : NULL;
}

static bool is_element(const xmlNode *node, const char *name)
{
    return node->type == XML_ELEMENT_NODE && node->name &&
           strcasecmp((const char *)node->name, name) == 0;
}

static int read_html(const char *bytes, size_t length, const struct strings *directory,
                     struct strings *files, struct error *error)
{
    auto_document xmlDoc *document =
        htmlReadMemory(bytes, (int)length, NULL, "UTF-8",
                       HTML_PARSE_RECOVER | HTML_PARSE_NOERROR | HTML_PARSE_NOWARNING |
                           HTML_PARSE_NONET | HTML_PARSE_COMPACT);
    if (!document)
        return error_set(error, -EBADMSG, "it is no listing");
    for (xmlNode *node = xmlDocGetRootElement(document); node; node = next_node(node)) {
        if (!is_element(node, "a"))
            continue;
        auto_xml_string xmlChar *reference = xmlGetProp(node, (const xmlChar *)"href");
        if (reference && add_link((const char *)reference, directory, files) < 0)
            return error_system(error, -ENOMEM, "reading a listing");
    }
    return 0;
}

/* Keys are paths from the root of the bucket, and not escaped. */
static int add_key(const char *key, const struct strings *directory, struct strings *files)
{
    auto_place struct place place = {.directories = STRINGS_INIT};
    int result = place_follow(&place, key);
    if (result == -EINVAL)
        return 0;
    if (result < 0 || !place.file || !end_alike(&place.directories, directory) ||
        strings_contain(files, place.file))
        return result;
    return strings_take(files, steal_pointer(place.file));
}

/* A bucket is listed by prefix, at its root: the prefix is the directory then. */
static int read_bucket(const char *bytes, size_t length, const struct strings *directory,
                       struct strings *files, struct error *error)
{
    auto_document xmlDoc *document = xmlReadMemory(
        bytes, (int)length, NULL, NULL, XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_NONET);
    if (!document)
        return error_set(error, -EBADMSG, "its XML is broken");
    auto_place struct place prefix = {.directories = STRINGS_INIT};
    int result = 0;
    for (xmlNode *node = xmlDocGetRootElement(document); node && result == 0;
         node = next_node(node)) {
        const bool is_key = is_element(node, "Key");
        const bool is_prefix =
            is_element(node, "Prefix") && node->parent == xmlDocGetRootElement(document);
        const bool is_cut = is_element(node, "IsTruncated");
        if (!is_key && !is_prefix && !is_cut)
            continue;
        auto_xml_string xmlChar *content = xmlNodeGetContent(node);
        const char *words = content ? (const char *)content : "";
        if (is_cut && strcmp(words, "true") == 0)
            return error_set(error, -EBADMSG, "it shows a part of the directory only");
        if (is_prefix && !prefix.file && prefix.directories.count == 0)
            result = place_follow(&prefix, words);
        if (is_key)
            result = add_key(words, prefix.directories.count > 0 ? &prefix.directories : directory,
                             files);
    }
    return result < 0
               ? error_system(error, result == -EINVAL ? -EBADMSG : result, "reading a listing")
               : 0;
}

int listing_page_files(const void *bytes, size_t length, const char *url, struct strings *files,
                       struct error *error)
{
    auto_strings struct strings directory = STRINGS_INIT;
    if (length > INT_MAX || memchr(bytes, '\0', length))
        return error_set(error, -EBADMSG, "it is no text");
    if (length == 0)
        return 0;
    int result = find_directory(url, &directory);
    if (result < 0)
        return error_system(error, result, "reading a listing");
    xmlSetGenericErrorFunc(NULL, be_silent); /* or it talks to standard error */
    const bool is_bucket = memmem(bytes, length, "<ListBucketResult", 17) != NULL;
    return (is_bucket ? read_bucket : read_html)(bytes, length, &directory, files, error);
}
