/* Loading of repository metadata: which files, checked how, and what of them is kept. Questions are
 * answered in repodata_query.c. */
#include "packer/repodata.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "packer/repodata_internal.h"
#include "packer/repomd.h"
#include "payload/base/scope.h"

/* These two need what stands before them. */
#include <solv/repo_rpmmd.h>
#include <solv/solv_xfopen.h>

#define REPOMD_LIMIT (4 * 1000 * 1000)
#define PRIMARY_LIMIT (500 * 1000 * 1000)
#define UNPACKED_LIMIT                                                         \
    UINT64_C(4000000000) /* of primary.xml; the largest known ones have 0.5 GB \
                          */
#define PIECE (256 * 1024)

/* One repository on its way from URLs to packages. */
struct loading {
    struct repodata_repository *repository;
    struct strings bases; /* without slashes at their ends */
    struct strings repomd_urls;
    struct strings primary_urls;
    struct repomd repomd;
    struct download download; /* of repomd.xml, then of primary.xml */
    struct text label;
};

int repodata_open(const char *architecture, struct repodata **repodata, struct error *error)
{
    struct repodata *made = calloc(1, sizeof *made);
    if (made) {
        made->architecture = strdup(architecture);
        made->pool = pool_create();
    }
    if (!made || !made->architecture) {
        repodata_close(made);
        return error_system(error, -ENOMEM, "preparing repositories");
    }
    (void)pool_setdisttype(made->pool, DISTTYPE_RPM); /* Debian's library is for any of them */
    *repodata = made;
    return 0;
}

static void repository_free(struct loaded_repository *repository)
{
    free(repository->name);
    strings_free(&repository->bases);
    free(repository);
}

void repodata_close(struct repodata *repodata)
{
    if (!repodata)
        return;
    if (repodata->pool)
        pool_free(repodata->pool);
    for (size_t index = 0; index < repodata->repository_count; index++)
        repository_free(repodata->repositories[index]);
    free(repodata->repositories);
    for (size_t index = 0; index < repodata->known_count; index++)
        known_package_free(repodata->known[index]);
    free(repodata->known);
    free(repodata->architecture);
    free(repodata);
}

static void loading_free(struct loading *loading)
{
    strings_free(&loading->bases);
    strings_free(&loading->repomd_urls);
    strings_free(&loading->primary_urls);
    repomd_free(&loading->repomd);
    download_free(&loading->download);
    text_free(&loading->label);
}

/* Appends BASE/PATH to `urls` for every base, beginning with the one of that number. */
static int add_urls(const struct strings *bases, size_t first, const char *path,
                    struct strings *urls)
{
    for (size_t index = 0; index < bases->count; index++) {
        auto_text struct text url = TEXT_INIT;
        const char *base = bases->items[(first + index) % bases->count];
        int result = text_printf(&url, "%s/%s", base, path);
        if (result == 0)
            result = strings_take(urls, text_steal(&url));
        if (result < 0)
            return result;
    }
    return 0;
}

static int copy_bases(const struct repodata_repository *repository, struct strings *bases)
{
    for (size_t index = 0; index < repository->base_count; index++) {
        const char *base = repository->bases[index];
        size_t length = strlen(base);
        while (length > 0 && base[length - 1] == '/')
            length--;
        int result = strings_take(bases, strndup(base, length));
        if (result < 0)
            return result;
    }
    return 0;
}

static int loading_begin(struct loading *loading, struct repodata_repository *repository)
{
    loading->repository = repository;
    repository->loaded = false;
    int result = copy_bases(repository, &loading->bases);
    if (result == 0)
        result = add_urls(&loading->bases, 0, "repodata/repomd.xml", &loading->repomd_urls);
    if (result == 0)
        result = text_printf(&loading->label, "%s/repomd.xml", repository->name);
    if (result < 0)
        return result;
    loading->download = (struct download){
        .label = loading->label.bytes,
        .urls = (const char *const *)loading->repomd_urls.items,
        .url_count = loading->repomd_urls.count,
        .limit = REPOMD_LIMIT,
        .optional = repository->optional,
    };
    return 0;
}

/* Reads repomd.xml and prepares the download of primary.xml, first from the mirror that gave the
 * former: others may be older or newer. 1 when the repository has none and need not; 0. */
static int loading_continue(struct loading *loading, struct error *error)
{
    struct download *download = &loading->download;
    if (download->result == -ENOENT && loading->repository->optional)
        return 1;
    if (download->result < 0) { /* optional, but not because it is absent */
        *error = download->error;
        return download->result;
    }
    int result = repomd_read(download->fd, &loading->repomd, error);
    if (result < 0)
        return error_prefix(error, "%s: repomd.xml of %s",
                            loading->repomd_urls.items[download->url], loading->repository->name);
    result = add_urls(&loading->bases, download->url, loading->repomd.location.bytes,
                      &loading->primary_urls);
    download_free(download);
    text_free(&loading->label);
    if (result == 0)
        result = text_printf(&loading->label, "%s/primary.xml", loading->repository->name);
    if (result < 0)
        return error_system(error, result, "loading metadata");
    *download = (struct download){
        .label = loading->label.bytes,
        .urls = (const char *const *)loading->primary_urls.items,
        .url_count = loading->primary_urls.count,
        .checksum = &loading->repomd.checksum,
        .size = loading->repomd.size,
        .limit = PRIMARY_LIMIT,
    };
    return 0;
}

/* Opens the file with what unpacks it, by the name it has on the server. */
static FILE *open_unpacked(const struct loading *loading)
{
    if (lseek(loading->download.fd, 0, SEEK_SET) < 0)
        return NULL;
    auto_fd int copy = fcntl(loading->download.fd, F_DUPFD_CLOEXEC, 0);
    if (copy < 0)
        return NULL;
    FILE *file = solv_xfopen_fd(loading->repomd.location.bytes, copy, "r");
    if (file)
        (void)steal_fd(&copy);
    return file;
}

/* Unpacks all of it once, before a parser sees it: so that it is known to end, and to be what
 * repomd.xml says. */
static int check_unpacked(const struct loading *loading, struct error *error)
{
    const struct checksum *wanted = &loading->repomd.open_checksum;
    auto_file FILE *file = open_unpacked(loading);
    auto_free char *piece = malloc(PIECE);
    struct checksum_stream *stream = NULL;
    if (!piece || checksum_stream_open(checksum_known(wanted) ? wanted->kind : "sha256", &stream))
        return error_system(error, -ENOMEM, "unpacking it");
    if (!file) {
        checksum_stream_close(stream);
        return error_set(error, -EBADMSG, "it cannot be unpacked");
    }
    uint64_t total = 0;
    int result = 0;
    for (size_t length; result == 0 && (length = fread(piece, 1, PIECE, file)) > 0;) {
        total += length;
        result = total > UNPACKED_LIMIT ? -EFBIG : checksum_stream_update(stream, piece, length);
    }
    struct checksum found = CHECKSUM_NONE;
    if (result == 0)
        result = checksum_stream_finish(stream, &found);
    checksum_stream_close(stream);
    if (result == -EFBIG)
        return error_set(error, -EBADMSG, "it has more than %" PRIu64 " bytes unpacked",
                         UNPACKED_LIMIT);
    if (result < 0)
        return error_system(error, result, "unpacking it");
    if (ferror(file))
        return error_set(error, -EBADMSG, "it cannot be unpacked");
    if (checksum_known(wanted) && !checksum_equal(wanted, &found))
        return error_set(error, -EBADMSG, "its %s unpacked is %s instead of %s", wanted->kind,
                         found.digits, wanted->digits);
    return 0;
}

static bool is_of_architecture(const struct repodata *repodata, const Solvable *solvable)
{
    return solvable->arch == ARCH_NOARCH ||
           (solvable->arch &&
            strcmp(pool_id2str(repodata->pool, solvable->arch), repodata->architecture) == 0);
}

/* Takes out what nobody must get. */
static int filter_packages(struct repodata *repodata, Repo *repo)
{
    Id id = 0;
    Solvable *solvable = NULL;
    FOR_REPO_SOLVABLES (repo, id, solvable) {
        auto_text struct text location = TEXT_INIT;
        struct checksum checksum = CHECKSUM_NONE;
        int result = is_of_architecture(repodata, solvable)
                         ? repodata_locate(repodata, id, &location, &checksum)
                         : -EINVAL;
        if (result == -EINVAL)
            repo_free_solvable(repo, id, 0);
        else if (result < 0)
            return result;
    }
    return 0;
}

/* Makes room in the table of known packages for all that there are now. */
static int extend_known(struct repodata *repodata)
{
    const size_t count = (size_t)repodata->pool->nsolvables;
    if (count <= repodata->known_count)
        return 0;
    struct known_package **longer = realloc(repodata->known, count * sizeof(void *));
    if (!longer)
        return -ENOMEM;
    memset(longer + repodata->known_count, 0, (count - repodata->known_count) * sizeof(void *));
    repodata->known = longer;
    repodata->known_count = count;
    return 0;
}

static int append_repository(struct repodata *repodata, struct loading *loading,
                             struct loaded_repository **added)
{
    struct loaded_repository **longer =
        realloc(repodata->repositories, (repodata->repository_count + 1) * sizeof(void *));
    if (!longer)
        return -ENOMEM;
    repodata->repositories = longer;
    struct loaded_repository *repository = calloc(1, sizeof *repository);
    char *name = strdup(loading->repository->name);
    if (!repository || !name) {
        free(repository);
        free(name);
        return -ENOMEM;
    }
    repository->name = name;
    repository->bases = loading->bases;
    loading->bases = (struct strings)STRINGS_INIT;
    repodata->repositories[repodata->repository_count++] = repository;
    *added = repository;
    return 0;
}

static int loading_end(struct repodata *repodata, struct loading *loading, struct error *error)
{
    int result = check_unpacked(loading, error);
    if (result < 0)
        return result;
    struct loaded_repository *repository = NULL;
    if (append_repository(repodata, loading, &repository) < 0)
        return error_system(error, -ENOMEM, "reading it");
    auto_file FILE *file = open_unpacked(loading);
    if (!file)
        return error_set(error, -EBADMSG, "it cannot be unpacked");
    Repo *repo = repo_create(repodata->pool, repository->name);
    repo->appdata = repository;
    if (repo_add_rpmmd(repo, file, NULL, 0) != 0) {
        (void)error_set(error, -EBADMSG, "it is broken: %.200s", pool_errstr(repodata->pool));
        repo_free(repo, 0);
        return -EBADMSG;
    }
    result = filter_packages(repodata, repo);
    if (result == 0)
        result = extend_known(repodata);
    if (result < 0)
        return error_system(error, result, "reading it");
    loading->repository->loaded = true;
    return 0;
}

/* Downloads what every one of them wants next, all at once. `loadings` belong to the caller, and so
 * do the results. */
static int download_step(struct download_session *session, struct loading **loadings, size_t count,
                         struct error *error)
{
    auto_free struct download *batch = calloc(count + 1, sizeof *batch);
    if (!batch)
        return error_system(error, -ENOMEM, "loading metadata");
    for (size_t index = 0; index < count; index++)
        batch[index] = loadings[index]->download;
    int result = download_all(session, batch, count, error);
    for (size_t index = 0; index < count; index++)
        loadings[index]->download = batch[index];
    return result;
}

static int load_all(struct repodata *repodata, struct download_session *session,
                    struct loading *loadings, struct loading **open, size_t count,
                    struct error *error)
{
    for (size_t index = 0; index < count; index++)
        open[index] = &loadings[index];
    int result = download_step(session, open, count, error);
    size_t left = 0;
    for (size_t index = 0; index < count && result >= 0; index++) {
        result = loading_continue(&loadings[index], error);
        if (result == 0)
            open[left++] = &loadings[index];
    }
    if (result >= 0)
        result = download_step(session, open, left, error);
    for (size_t index = 0; index < left && result >= 0; index++) {
        result = loading_end(repodata, open[index], error);
        if (result < 0)
            (void)error_prefix(error, "%s: primary.xml of %s",
                               open[index]->primary_urls.items[open[index]->download.url],
                               open[index]->repository->name);
    }
    return result;
}

int repodata_add(struct repodata *repodata, struct download_session *session,
                 struct repodata_repository *repositories, size_t count, struct error *error)
{
    auto_free struct loading *loadings = calloc(count + 1, sizeof *loadings);
    auto_free struct loading **open = calloc(count + 1, sizeof(void *));
    int result = loadings && open ? 0 : -ENOMEM;
    for (size_t index = 0; index < count && result == 0; index++)
        result = loading_begin(&loadings[index], &repositories[index]);
    if (result < 0)
        (void)error_system(error, result, "loading metadata");
    if (result == 0)
        result = load_all(repodata, session, loadings, open, count, error);
    for (size_t index = 0; loadings && index < count; index++)
        loading_free(&loadings[index]);
    if (result < 0)
        return result;
    pool_addfileprovides(repodata->pool);
    pool_createwhatprovides(repodata->pool);
    return 0;
}
