/* The newest manifest from the servers, believed only after the checks of cvmfs-format.md 2.4:
 * manifest, certificate, whitelist, and if they do not fit together, again from the next server
 * (the official client asks one more only, and none about a certificate that is not on the
 * whitelist). */
#ifndef CVMFSEXEC_CLIENT_MANIFEST_FETCH_H
#define CVMFSEXEC_CLIENT_MANIFEST_FETCH_H

#include "payload/base/error.h"
#include "payload/client/blacklist.h"
#include "payload/client/download.h"
#include "payload/client/fetch.h"
#include "payload/client/manifest.h"
#include "payload/client/master_keys.h"

/* What is needed for it; nothing is owned. */
struct manifest_source {
    const char *fqrn;
    struct downloader *downloader;
    struct fetcher *fetcher; /* for the certificate, which is kept in the cache */
    const struct master_keys *keys;
    const struct blacklist *blacklist;
};

/* `known` is the root catalog that is trusted already, or null: a manifest that names it is taken
 * at once, and of such a one nothing but the catalog's hash may be believed. A manifest older than
 * `timestamp` (Unix time) is refused. 0, or a negative errno; what operators look for is in the log
 * then, and `error` says it in detail. */
int manifest_fetch(const struct manifest_source *source, const struct hash *known,
                   uint64_t timestamp, struct manifest *manifest, struct error *error);

#endif
