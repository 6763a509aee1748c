/* Reading the table, and looking things up in it. What there is to look up is plan.c's. */
#include "packer/source.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "packer/source_builtin.h"
#include "payload/base/file.h"
#include "payload/base/scope.h"

#define TABLE_LIMIT ((size_t)1 << 20)

enum kind { KIND_BASE, KIND_LISTING, KIND_FILE, KIND_KEY, KIND_COUNT };

static const char *const kind_names[KIND_COUNT] = {"base", "listing", "file", "key"};

/* One line of a section. */
struct line {
    enum kind kind;
    char *types; /* patterns with blanks between them */
    char *value;
};

struct section {
    char *name;
    struct line *lines;
    size_t count;
};

struct replacement {
    char *beginning;
    char *instead;
};

struct source_table {
    struct section *sections;
    size_t section_count;
    struct replacement *replacements;
    size_t replacement_count;
};

static void section_free(struct section *section)
{
    for (size_t index = 0; index < section->count; index++) {
        free(section->lines[index].types);
        free(section->lines[index].value);
    }
    free(section->lines);
    free(section->name);
}

static void clear(struct source_table *table)
{
    for (size_t index = 0; index < table->section_count; index++)
        section_free(&table->sections[index]);
    for (size_t index = 0; index < table->replacement_count; index++) {
        free(table->replacements[index].beginning);
        free(table->replacements[index].instead);
    }
    free(table->sections);
    free(table->replacements);
    *table = (struct source_table){.sections = NULL};
}

void source_table_close(struct source_table *table)
{
    if (!table)
        return;
    clear(table);
    free(table);
}

static struct section *find_section(const struct source_table *table, const char *name)
{
    for (size_t index = 0; index < table->section_count; index++)
        if (strcmp(table->sections[index].name, name) == 0)
            return &table->sections[index];
    return NULL;
}

static int add_section(struct source_table *table, const char *name, struct section **section)
{
    struct section *grown = reallocarray(table->sections, table->section_count + 1, sizeof *grown);
    if (!grown)
        return -ENOMEM;
    table->sections = grown;
    *section = &grown[table->section_count];
    **section = (struct section){.name = strdup(name)};
    if (!(*section)->name)
        return -ENOMEM;
    table->section_count++;
    return 0;
}

static int add_line(struct section *section, enum kind kind, const char *types, const char *value)
{
    struct line *grown = reallocarray(section->lines, section->count + 1, sizeof *grown);
    if (!grown)
        return -ENOMEM;
    section->lines = grown;
    struct line *line = &grown[section->count];
    *line = (struct line){.kind = kind, .types = strdup(types), .value = strdup(value)};
    section->count++; /* section_free frees what there is of it */
    return line->types && line->value ? 0 : -ENOMEM;
}

static int add_replacement(struct source_table *table, const char *beginning, const char *instead)
{
    struct replacement *grown =
        reallocarray(table->replacements, table->replacement_count + 1, sizeof *grown);
    if (!grown)
        return -ENOMEM;
    table->replacements = grown;
    struct replacement *added = &grown[table->replacement_count++];
    *added = (struct replacement){.beginning = strdup(beginning), .instead = strdup(instead)};
    return added->beginning && added->instead ? 0 : -ENOMEM;
}

/* Where the reading of a table is. */
struct reader {
    struct source_table *table; /* the new one, under construction */
    const char *name;
    size_t number; /* of the line */
    struct section *section;
    bool replaces; /* in [replace] */
    char *types;   /* those of the last such line; points into the text */
    struct error *error;
};

static int refuse(const struct reader *reader, const char *why, const char *what)
{
    return error_set(reader->error, -EINVAL, "%s:%zu: %s%s%s%s", reader->name, reader->number, why,
                     what ? " \"" : "", what ? what : "", what ? "\"" : "");
}

static char *trim(char *text)
{
    while (isspace((unsigned char)*text))
        text++;
    size_t length = strlen(text);
    while (length > 0 && isspace((unsigned char)text[length - 1]))
        text[--length] = '\0';
    return text;
}

static bool is_url(const char *value)
{
    return string_starts_with(value, "https://") || string_starts_with(value, "http://") ||
           string_starts_with(value, "file:///");
}

static int check_url(const struct reader *reader, const char *value)
{
    if (!is_url(value))
        return refuse(reader, "neither http://, https:// nor file:///:", value);
    if (strpbrk(value, " \t"))
        return refuse(reader, "a URL has no blanks, and a comment a line of its own:", value);
    return 0;
}

static bool has_known_placeholders(const char *value)
{
    for (const char *open = strchr(value, '{'); open; open = strchr(open + 1, '{'))
        if (!string_starts_with(open, "{version}") && !string_starts_with(open, "{arch}"))
            return false;
    return true;
}

static int read_section(struct reader *reader, char *text)
{
    size_t length = strlen(text);
    if (length < 3 || text[length - 1] != ']')
        return refuse(reader, "a section is [NAME], not", text);
    text[length - 1] = '\0';
    const char *name = trim(text + 1);
    reader->types = NULL;
    reader->section = NULL;
    reader->replaces = strcmp(name, "replace") == 0;
    if (reader->replaces)
        return 0;
    if (find_section(reader->table, name))
        return refuse(reader, "this section is here already:", name);
    int result = add_section(reader->table, name, &reader->section);
    return result < 0 ? error_system(reader->error, result, "%s", reader->name) : 0;
}

/* At least one machine type for each pattern, or it was misspelt. */
static int check_types(const struct reader *reader, const char *types)
{
    auto_free char *copy = strdup(types);
    auto_text struct text all = TEXT_INIT;
    if (!copy || machine_list(NULL, &all) < 0)
        return error_system(reader->error, -ENOMEM, "%s", reader->name);
    char *rest = copy;
    for (char *pattern; (pattern = strsep(&rest, " \t"));) {
        auto_free char *names = strdup(all.bytes);
        if (!names)
            return error_system(reader->error, -ENOMEM, "%s", reader->name);
        bool fits = !*pattern;
        char *more = names;
        for (char *name; !fits && (name = strsep(&more, " "));)
            fits = fnmatch(pattern, name, 0) == 0;
        if (!fits)
            return refuse(reader, "there is no such machine type:", pattern);
    }
    return 0;
}

static int read_value(struct reader *reader, const char *key, char *value)
{
    if (!reader->section)
        return refuse(reader, "a [SECTION] must come first", NULL);
    if (strcmp(key, "types") == 0) {
        reader->types = value;
        return check_types(reader, value);
    }
    enum kind kind = 0;
    while (kind < KIND_COUNT && strcmp(key, kind_names[kind]) != 0)
        kind++;
    if (kind == KIND_COUNT)
        return refuse(reader, "none of types, base, listing, file, key:", key);
    int result = kind != KIND_KEY ? check_url(reader, value) : 0;
    if (result < 0)
        return result;
    if (!has_known_placeholders(value))
        return refuse(reader, "only {version} and {arch} are filled in:", value);
    auto_text struct text path = TEXT_INIT;
    const char *slash = kind == KIND_KEY && *value != '/' ? strrchr(reader->name, '/') : NULL;
    result = slash ? text_append(&path, reader->name, (size_t)(slash - reader->name) + 1) : 0;
    if (result == 0)
        result = text_append_string(&path, value);
    if (result == 0)
        result = add_line(reader->section, kind, reader->types ? reader->types : "*", path.bytes);
    return result < 0 ? error_system(reader->error, result, "%s", reader->name) : 0;
}

static int read_line(struct reader *reader, char *text)
{
    text = trim(text);
    if (*text == '\0' || *text == '#')
        return 0;
    if (*text == '[')
        return read_section(reader, text);
    /* The URL in front of a replacement may have one itself, but no blank. */
    char *equals = reader->replaces ? strstr(text, " =") : strchr(text, '=');
    if (!equals)
        return refuse(reader, "neither [SECTION] nor KEY = VALUE:", text);
    char *value = trim(strchr(equals, '=') + 1);
    *equals = '\0';
    const char *key = trim(text);
    if (*value == '\0')
        return refuse(reader, "no value behind", key);
    if (!reader->replaces)
        return read_value(reader, key, value);
    int result = check_url(reader, key);
    if (result == 0)
        result = check_url(reader, value);
    if (result < 0)
        return result;
    result = add_replacement(reader->table, key, value);
    return result < 0 ? error_system(reader->error, result, "%s", reader->name) : 0;
}

/* Moves everything of `from` into `table`. */
static int merge(struct source_table *table, struct source_table *from)
{
    for (size_t index = 0; index < from->section_count; index++) {
        struct section *section = find_section(table, from->sections[index].name);
        if (!section) {
            int result = add_section(table, from->sections[index].name, &section);
            if (result < 0)
                return result;
        }
        struct section before = *section;
        *section = from->sections[index];
        from->sections[index] = before; /* freed with `from` */
    }
    for (size_t index = 0; index < from->replacement_count; index++) {
        int result = add_replacement(table, from->replacements[index].beginning,
                                     from->replacements[index].instead);
        if (result < 0)
            return result;
    }
    return 0;
}

int source_table_parse(struct source_table *table, const char *name, const char *bytes,
                       size_t length, struct error *error)
{
    if (length > 0 && memchr(bytes, '\0', length))
        return error_set(error, -EINVAL, "%s: this is not text", name);
    auto_free char *copy = strndup(length > 0 ? bytes : "", length);
    if (!copy)
        return error_system(error, -ENOMEM, "%s", name);
    struct source_table read = {.sections = NULL};
    struct reader reader = {.table = &read, .name = name, .error = error};
    int result = 0;
    char *rest = copy;
    for (char *line; result == 0 && (line = strsep(&rest, "\n"));) {
        reader.number++;
        result = read_line(&reader, line);
    }
    if (result == 0) {
        result = merge(table, &read);
        if (result < 0)
            (void)error_system(error, result, "%s", name);
    }
    clear(&read);
    return result;
}

int source_table_read(struct source_table *table, const char *path, struct error *error)
{
    auto_text struct text text = TEXT_INIT;
    int result = file_load(AT_FDCWD, path, TABLE_LIMIT, &text);
    if (result < 0)
        return error_system(error, result, "reading %s", path);
    return source_table_parse(table, path, text.bytes, text.length, error);
}

int source_table_open(struct source_table **table, struct error *error)
{
    struct source_table *made = calloc(1, sizeof *made);
    if (!made)
        return error_system(error, -ENOMEM, "preparing the table of sources");
    int result = source_table_parse(made, "the built-in table", source_builtin,
                                    strlen(source_builtin), error);
    if (result < 0)
        source_table_close(made);
    else
        *table = made;
    return result;
}

void source_free(struct source *source)
{
    strings_free(&source->bases);
    strings_free(&source->listings);
    strings_free(&source->files);
    strings_free(&source->keys);
}

static bool is_for(const struct line *line, const struct machine *machine)
{
    const char *types = line->types;
    while (*types) {
        char pattern[64];
        size_t length = strcspn(types, " \t");
        if (length > 0 && length < sizeof pattern) {
            memcpy(pattern, types, length);
            pattern[length] = '\0';
            if (fnmatch(pattern, machine->name, 0) == 0)
                return true;
        }
        types += length + strspn(types + length, " \t");
    }
    return false;
}

static int fill_in(const char *value, const struct machine *machine, struct text *filled)
{
    int result = 0;
    while (*value && result == 0) {
        size_t length = strcspn(value, "{");
        result = text_append(filled, value, length);
        value += length;
        if (*value == '\0' || result < 0)
            break;
        bool version = string_starts_with(value, "{version}");
        result = text_append_string(filled, version ? machine->version : machine->architecture);
        value += version ? strlen("{version}") : strlen("{arch}");
    }
    return result;
}

static int replace_beginning(const struct source_table *table, const char *url,
                             struct text *replaced)
{
    const struct replacement *longest = NULL;
    for (size_t index = 0; index < table->replacement_count; index++) {
        const struct replacement *other = &table->replacements[index];
        if (string_starts_with(url, other->beginning) &&
            (!longest || strlen(other->beginning) >= strlen(longest->beginning)))
            longest = other; /* of equals the later one, for it was said later */
    }
    return text_printf(replaced, "%s%s", longest ? longest->instead : "",
                       longest ? url + strlen(longest->beginning) : url);
}

static struct strings *strings_of(struct source *source, enum kind kind)
{
    struct strings *const lists[KIND_COUNT] = {[KIND_BASE] = &source->bases,
                                               [KIND_LISTING] = &source->listings,
                                               [KIND_FILE] = &source->files,
                                               [KIND_KEY] = &source->keys};
    return lists[kind];
}

int source_find(const struct source_table *table, const char *name, const struct machine *machine,
                struct source *source)
{
    const struct section *section = find_section(table, name);
    bool found = false;
    for (size_t index = 0; section && index < section->count; index++) {
        const struct line *line = &section->lines[index];
        if (!is_for(line, machine))
            continue;
        auto_text struct text filled = TEXT_INIT;
        auto_text struct text replaced = TEXT_INIT;
        int result = fill_in(line->value, machine, &filled);
        if (result == 0)
            result = replace_beginning(table, filled.bytes, &replaced);
        if (result == 0)
            result = strings_take(strings_of(source, line->kind), text_steal(&replaced));
        if (result < 0)
            return result;
        found = found || line->kind != KIND_KEY;
    }
    if (!found)
        return -ENOENT;
    source->name = section->name;
    return 0;
}

int source_names(const struct source_table *table, struct strings *names)
{
    int result = 0;
    for (size_t index = 0; result == 0 && index < table->section_count; index++)
        result = strings_add(names, table->sections[index].name);
    return result;
}

static int write_section(const struct section *section, struct text *text)
{
    int result = text_printf(text, "[%s]\n", section->name);
    const char *types = "*";
    for (size_t index = 0; result == 0 && index < section->count; index++) {
        const struct line *line = &section->lines[index];
        if (strcmp(types, line->types) != 0)
            result = text_printf(text, "types = %s\n", line->types);
        types = line->types;
        if (result == 0)
            result = text_printf(text, "%s = %s\n", kind_names[line->kind], line->value);
    }
    return result;
}

int source_table_write(const struct source_table *table, struct text *text)
{
    int result = 0;
    for (size_t index = 0; result == 0 && index < table->section_count; index++)
        result = write_section(&table->sections[index], text);
    if (result == 0 && table->replacement_count > 0)
        result = text_append_string(text, "[replace]\n");
    for (size_t index = 0; result == 0 && index < table->replacement_count; index++)
        result = text_printf(text, "%s = %s\n", table->replacements[index].beginning,
                             table->replacements[index].instead);
    return result;
}
