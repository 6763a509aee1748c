/* The packer's ways to the network, for tests: what they are given and what they say, on a command
 * line.
 *
 *     downloads files OPTION... (--item LABEL OPTION...)...
 *     downloads repodata OPTION... --repository NAME URL... [--optional] QUESTION...
 *     downloads listing OPTION... URL... QUESTION...
 *
 * Prints a line for each thing that was found and exits with 0, or the words of the failure and
 * exits with 1. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "packer/download.h"
#include "packer/download_display.h"
#include "packer/listing.h"
#include "packer/repodata.h"
#include "payload/base/scope.h"

#define ITEMS_MAX 64
#define URLS_MAX 16

struct item {
    struct download download;
    const char *urls[URLS_MAX];
    struct checksum checksum;
};

struct line {
    char **words;
    struct download_settings settings;
    struct download_display display;
    bool display_wanted;
};

static volatile sig_atomic_t interrupted;

static void note_signal(int number)
{
    (void)number;
    interrupted = 1;
}

static int is_interrupted(void *context, struct error *error)
{
    (void)context;
    return interrupted ? error_set(error, -EINTR, "interrupted") : 0;
}

static _Noreturn void usage(const char *word)
{
    (void)fprintf(stderr, "downloads: what is %s?\n", word ? word : "missing at the end");
    exit(2);
}

static char *next(struct line *line)
{
    if (!*line->words)
        usage(NULL);
    return *line->words++;
}

/* The word that comes next, taken when it is this one. */
static bool take(struct line *line, const char *word)
{
    if (!*line->words || strcmp(*line->words, word) != 0)
        return false;
    line->words++;
    return true;
}

static unsigned take_number(struct line *line)
{
    return (unsigned)strtoul(next(line), NULL, 10);
}

static void read_settings(struct line *line)
{
    struct download_settings *settings = &line->settings;
    for (;;) {
        if (take(line, "--cache"))
            settings->cache = next(line);
        else if (take(line, "--parallel"))
            settings->parallel = take_number(line);
        else if (take(line, "--per-host"))
            settings->parallel_per_host = take_number(line);
        else if (take(line, "--connect"))
            settings->connect_timeout = take_number(line);
        else if (take(line, "--low-speed"))
            settings->low_speed_limit = take_number(line);
        else if (take(line, "--low-speed-time"))
            settings->low_speed_time = take_number(line);
        else if (take(line, "--rounds"))
            settings->rounds = take_number(line);
        else if (take(line, "--pause"))
            settings->pause = take_number(line);
        else if (take(line, "--pause-max"))
            settings->pause_max = take_number(line);
        else if (take(line, "--ca"))
            settings->ca_bundle = next(line);
        else if (take(line, "--show"))
            line->display_wanted = true;
        else
            return;
    }
}

static void read_checksum(struct line *line, struct item *item)
{
    char *kind = next(line);
    char *colon = strchr(kind, ':');
    if (!colon)
        usage(kind);
    *colon = '\0';
    if (checksum_parse(kind, colon + 1, &item->checksum) < 0)
        usage(kind);
    item->download.checksum = &item->checksum;
}

static void read_item(struct line *line, struct item *item)
{
    struct download *download = &item->download;
    *item = (struct item){.download = {.label = next(line)}};
    for (;;) {
        if (take(line, "--url") && download->url_count < URLS_MAX)
            item->urls[download->url_count++] = next(line);
        else if (take(line, "--checksum"))
            read_checksum(line, item);
        else if (take(line, "--size"))
            download->size = take_number(line);
        else if (take(line, "--limit"))
            download->limit = take_number(line);
        else if (take(line, "--optional"))
            download->optional = true;
        else
            return;
    }
}

static int report(const struct error *error)
{
    (void)fprintf(stderr, "downloads: %s\n", error->message);
    return 1;
}

static void print_download(const struct download *download)
{
    if (download->result < 0)
        printf("%s failed %s\n", download->label, strerrorname_np(-download->result));
    else
        printf("%s %s url=%zu resumed=%" PRIu64 " size=%" PRIu64 " %s\n", download->label,
               download->cached ? "cached" : "loaded", download->url, download->resumed,
               download->received, download->path.bytes);
}

static int load_files(struct line *line, struct download_session *session)
{
    static struct item items[ITEMS_MAX];
    static struct download downloads[ITEMS_MAX];
    size_t count = 0;
    for (; count < ITEMS_MAX && take(line, "--item"); count++)
        read_item(line, &items[count]);
    if (*line->words)
        usage(*line->words);
    for (size_t index = 0; index < count; index++) {
        items[index].download.urls = items[index].urls;
        downloads[index] = items[index].download;
    }
    struct error error = ERROR_INIT;
    int result = download_all(session, downloads, count, &error);
    for (size_t index = 0; index < count; index++) {
        print_download(&downloads[index]);
        download_free(&downloads[index]);
    }
    return result < 0 ? report(&error) : 0;
}

static void print_package(const struct repodata_package *package)
{
    printf("%s %s-%s.%s %s %s %" PRIu64 " %s:%s\n", package->repository, package->name,
           package->evr, package->architecture, package->file, package->location, package->size,
           package->checksum.kind, package->checksum.digits);
}

static int print_strings(const struct strings *strings)
{
    for (size_t index = 0; index < strings->count; index++)
        printf("%s\n", strings->items[index]);
    return 0;
}

static int print_packages(const struct repodata_packages *packages)
{
    for (size_t index = 0; index < packages->count; index++)
        print_package(&packages->items[index]);
    return 0;
}

/* One question to the metadata. 0 or an error. */
static int ask(struct line *line, const struct repodata *repodata, struct error *error)
{
    auto_strings struct strings strings = STRINGS_INIT;
    auto_repodata_packages struct repodata_packages packages = REPODATA_PACKAGES_INIT;
    struct repodata_package package;
    const bool find_version = take(line, "--find-version");
    if (find_version || take(line, "--find")) {
        const char *name = next(line);
        int result =
            repodata_find(repodata, NULL, name, find_version ? next(line) : NULL, &package, error);
        if (result == 0)
            print_package(&package);
        return result;
    }
    if (take(line, "--versions"))
        return repodata_versions(repodata, NULL, next(line), &strings) ? -ENOMEM
                                                                       : print_strings(&strings);
    if (take(line, "--providers"))
        return repodata_providers(repodata, next(line), &packages) ? -ENOMEM
                                                                   : print_packages(&packages);
    if (take(line, "--resolve"))
        return repodata_resolve(repodata, next(line), &packages) ? -ENOMEM
                                                                 : print_packages(&packages);
    if (take(line, "--requires") || take(line, "--urls")) {
        const bool urls = strcmp(line->words[-1], "--urls") == 0;
        int result = repodata_find(repodata, NULL, next(line), NULL, &package, error);
        if (result == 0)
            result = (urls ? repodata_urls : repodata_requires)(repodata, &package, &strings);
        return result == 0 ? print_strings(&strings) : result;
    }
    usage(*line->words);
}

static int load_repodata(struct line *line, struct download_session *session)
{
    static const char *bases[ITEMS_MAX][URLS_MAX];
    static struct repodata_repository repositories[ITEMS_MAX];
    size_t count = 0;
    for (; count < ITEMS_MAX && take(line, "--repository"); count++) {
        struct repodata_repository *repository = &repositories[count];
        *repository = (struct repodata_repository){.name = next(line), .bases = bases[count]};
        while (*line->words && strncmp(*line->words, "--", 2) != 0 &&
               repository->base_count < URLS_MAX)
            bases[count][repository->base_count++] = next(line);
        repository->optional = take(line, "--optional");
    }
    struct error error = ERROR_INIT;
    struct repodata *repodata = NULL;
    int result = repodata_open("x86_64", &repodata, &error);
    if (result == 0)
        result = repodata_add(repodata, session, repositories, count, &error);
    for (size_t index = 0; index < count && result == 0; index++)
        if (repositories[index].optional)
            printf("%s %s\n", repositories[index].name,
                   repositories[index].loaded ? "loaded" : "passed over");
    while (result == 0 && *line->words)
        result = ask(line, repodata, &error);
    repodata_close(repodata);
    return result < 0 ? report(&error) : 0;
}

static int load_listing(struct line *line, struct download_session *session)
{
    const char *urls[URLS_MAX];
    size_t url_count = 0;
    while (*line->words && strncmp(*line->words, "--", 2) != 0 && url_count < URLS_MAX)
        urls[url_count++] = next(line);
    struct error error = ERROR_INIT;
    auto_listing struct listing listing = LISTING_INIT;
    int result = listing_load(session, urls, url_count, &listing, &error);
    while (result == 0 && *line->words) {
        const bool find_version = take(line, "--find-version");
        if (!find_version && !take(line, "--find"))
            usage(*line->words);
        const struct listing_package *package = NULL;
        const char *name = next(line);
        result = listing_find(&listing, name, "x86_64", find_version ? next(line) : NULL, &package,
                              &error);
        if (result == 0)
            printf("%s\n", package->file);
    }
    return result < 0 ? report(&error) : 0;
}

int main(int count, char **arguments)
{
    (void)count;
    struct line line = {.words = arguments + 1, .settings = download_settings_default()};
    const char *what = next(&line);
    line.settings.interrupted = is_interrupted;
    read_settings(&line);
    line.display = download_display_begin(!line.display_wanted);
    line.settings.report = download_display_report;
    line.settings.report_context = &line.display;
    (void)signal(SIGINT, note_signal);
    struct error error = ERROR_INIT;
    struct download_session *session = NULL;
    auto_text struct text cache = TEXT_INIT;
    int status = 1;
    if (!line.settings.cache && download_cache_default(&cache, &error) < 0)
        return report(&error);
    if (!line.settings.cache)
        line.settings.cache = cache.bytes;
    if (download_session_open(&line.settings, &session, &error) < 0)
        return report(&error);
    if (strcmp(what, "files") == 0)
        status = load_files(&line, session);
    else if (strcmp(what, "repodata") == 0)
        status = load_repodata(&line, session);
    else if (strcmp(what, "listing") == 0)
        status = load_listing(&line, session);
    else
        usage(what);
    download_display_end(&line.display);
    download_session_close(session);
    return status;
}
