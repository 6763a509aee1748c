/* librpm does the work; it says what it thinks in messages, which are caught. Not safe for several
 * threads at once, as that library is not. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <rpm/rpmcli.h>
#include <rpm/rpmcrypto.h>
#include <rpm/rpmkeyring.h>
#include <rpm/rpmlib.h>
#include <rpm/rpmlog.h>
#include <rpm/rpmts.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "packer/package.h"
#include "payload/base/file.h"
#include "payload/base/scope.h"
#include "payload/base/text.h"

#define KEY_LIMIT ((off_t)1 << 20)

struct package_trust {
    rpmKeyring keyring;
};

static void transaction_free(rpmts *transaction)
{
    (void)rpmtsFree(*transaction);
}

static void file_close(FD_t *file)
{
    if (*file)
        (void)Fclose(*file);
}

#define auto_transaction __attribute__((cleanup(transaction_free)))
#define auto_package_file __attribute__((cleanup(file_close)))

/* The library's configuration, and a user's macros, decide about nothing here: they are not read.
 * What remains of its preparation is this. */
static int prepare_library(struct error *error)
{
    return rpmInitCrypto() == 0 ? 0 : error_set(error, -EIO, "librpm has no cryptography");
}

int package_trust_open(struct package_trust **trust, struct error *error)
{
    int result = prepare_library(error);
    if (result < 0)
        return result;
    struct package_trust *made = calloc(1, sizeof *made);
    if (made)
        made->keyring = rpmKeyringNew();
    if (!made || !made->keyring) {
        free(made);
        return error_system(error, -ENOMEM, "preparing keys");
    }
    *trust = made;
    return 0;
}

void package_trust_close(struct package_trust *trust)
{
    if (!trust)
        return;
    (void)rpmKeyringFree(trust->keyring);
    free(trust);
}

/* A key and those below it that sign in its place. */
static int add_key(struct package_trust *trust, rpmPubkey key)
{
    int count = 0;
    rpmPubkey *subkeys = rpmGetSubkeys(key, &count);
    int result = rpmKeyringAddKey(trust->keyring, key);
    for (int index = 0; index < count; index++) {
        if (result >= 0)
            result = rpmKeyringAddKey(trust->keyring, subkeys[index]);
        (void)rpmPubkeyFree(subkeys[index]);
    }
    free(subkeys);
    return result < 0 ? -ENOMEM : 0;
}

int package_trust_add_file(struct package_trust *trust, const char *path, struct error *error)
{
    auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) < 0)
        return error_system(error, -errno, "reading the key %s", path);
    if (!S_ISREG(status.st_mode) || status.st_size > KEY_LIMIT)
        return error_set(error, -EINVAL, "%s is not a key: no file of at most 1 MiB", path);
    auto_text struct text text = TEXT_INIT;
    int result = file_load_fd(fd, (size_t)KEY_LIMIT, &text);
    if (result < 0)
        return error_system(error, result, "reading the key %s", path);
    rpmPubkey key = rpmPubkeyRead(path);
    if (!key && text.bytes) /* not armoured */
        key = rpmPubkeyNew((const uint8_t *)text.bytes, text.length);
    if (!key)
        return error_set(error, -EINVAL, "%s holds no OpenPGP public key", path);
    result = add_key(trust, key);
    (void)rpmPubkeyFree(key);
    return result < 0 ? error_system(error, result, "reading the key %s", path) : 0;
}

int package_trust_add_directory(struct package_trust *trust, const char *path, struct error *error)
{
    auto_directory DIR *directory = opendir(path);
    if (!directory)
        return error_system(error, -errno, "opening the directory of keys %s", path);
    size_t count = 0;
    int result = 0;
    for (const struct dirent *entry; result == 0 && (entry = readdir(directory));) {
        auto_text struct text name = TEXT_INIT;
        if (entry->d_name[0] == '.')
            continue;
        if (text_printf(&name, "%s/%s", path, entry->d_name) < 0)
            return error_system(error, -ENOMEM, "reading keys");
        result = package_trust_add_file(trust, name.bytes, error);
        count++;
    }
    if (result == 0 && count == 0)
        return error_set(error, -ENOENT, "there is no key in %s", path);
    return result;
}

/* Keeps what the library says, and keeps it from saying it itself. */
static int catch_message(rpmlogRec record, rpmlogCallbackData context)
{
    struct text *words = context;
    (void)text_append_string(words, rpmlogRecMessage(record));
    return 0;
}

/* The lines of a message in one: what stands there goes into a sentence. */
static const char *in_one_line(struct text *words)
{
    while (words->length > 0 && strchr(" \n", words->bytes[words->length - 1]))
        words->bytes[--words->length] = '\0';
    for (size_t index = 0; index < words->length; index++)
        if (words->bytes[index] == '\n')
            words->bytes[index] = ' ';
    return words->length > 0 ? words->bytes : "no reason given";
}

/* The lines that say of something that it is not as it should be. */
static int keep_complaints(const struct text *words, struct text *complaints)
{
    static const char *const signs[] = {"BAD",  "NOTFOUND", "NOTTRUSTED", "NOKEY",
                                        "rror", "not an",   "ailed"};
    int result = 0;
    const char *line = words->bytes ? words->bytes : "";
    while (*line && result == 0) {
        const size_t length = strcspn(line, "\n");
        bool complaint = false;
        for (size_t index = 0; index < sizeof signs / sizeof signs[0]; index++)
            complaint = complaint || memmem(line, length, signs[index], strlen(signs[index]));
        const size_t blanks = strspn(line, " ");
        if (complaint && blanks < length)
            result = text_printf(complaints, "%s%.*s", complaints->length > 0 ? "; " : "",
                                 (int)(length - blanks), line + blanks);
        line += length + (line[length] == '\n');
    }
    return result;
}

/* What of `level` (RPMSIG_...) the package must have and pass. 0; -EBADMSG with `complaints`; or
 * another negative errno. */
static int verify_level(int fd, const char *label, const struct package_trust *trust,
                        rpmVSFlags flags, int level, struct text *complaints)
{
    auto_transaction rpmts transaction = rpmtsCreate();
    if (!transaction || lseek(fd, 0, SEEK_SET) < 0)
        return transaction ? -errno : -ENOMEM;
    auto_package_file FD_t file = fdDup(fd);
    if (!file || rpmtsSetKeyring(transaction, trust->keyring) < 0)
        return -ENOMEM;
    (void)rpmtsSetVSFlags(transaction, flags);
    (void)rpmtsSetVfyFlags(transaction, flags);
    (void)rpmtsSetVfyLevel(transaction, level);
    auto_text struct text words = TEXT_INIT;
    const int mask = rpmlogSetMask(RPMLOG_UPTO(RPMLOG_INFO));
    const rpmlogCallback before = rpmlogSetCallback(catch_message, &words);
    struct rpmQVKArguments_s nothing = {.qva_flags = 0}; /* is looked for, and not looked at */
    int verdict = rpmVerifySignatures(&nothing, transaction, file, label);
    (void)rpmlogSetCallback(before, NULL);
    (void)rpmlogSetMask(mask);
    if (verdict == 0)
        return 0;
    if (keep_complaints(&words, complaints) < 0)
        return -ENOMEM;
    if (complaints->length == 0)
        (void)text_append_string(complaints, in_one_line(&words));
    return -EBADMSG;
}

/* Whether the header names a signature at all. */
static int has_signature(int fd, bool *signature)
{
    auto_transaction rpmts transaction = rpmtsCreate();
    if (!transaction || lseek(fd, 0, SEEK_SET) < 0)
        return transaction ? -errno : -ENOMEM;
    auto_package_file FD_t file = fdDup(fd);
    if (!file)
        return -ENOMEM;
    (void)rpmtsSetVSFlags(transaction, RPMVSF_MASK_NOSIGNATURES | RPMVSF_MASK_NODIGESTS);
    Header header = NULL;
    rpmRC verdict = rpmReadPackageFile(transaction, file, "package", &header);
    if (!header)
        return verdict == RPMRC_OK ? -EIO : -EBADMSG;
    *signature = headerIsEntry(header, RPMTAG_RSAHEADER) ||
                 headerIsEntry(header, RPMTAG_DSAHEADER) || headerIsEntry(header, RPMTAG_SIGPGP) ||
                 headerIsEntry(header, RPMTAG_SIGGPG);
    (void)headerFree(header);
    return 0;
}

int package_verify(int fd, const char *label, const struct package_trust *trust,
                   enum package_signature *signature, struct error *error)
{
    auto_text struct text complaints = TEXT_INIT;
    int result =
        verify_level(fd, label, trust, RPMVSF_MASK_NOSIGNATURES, RPMSIG_DIGEST_TYPE, &complaints);
    bool signed_by_somebody = false;
    if (result == 0)
        result = has_signature(fd, &signed_by_somebody);
    if (result == -EBADMSG)
        return error_set(error, result, "%s is damaged, or no package: %s", label,
                         complaints.bytes ? complaints.bytes : "its header cannot be read");
    if (result < 0)
        return error_system(error, result, "checking %s", label);
    *signature = PACKAGE_UNSIGNED;
    if (!signed_by_somebody)
        return 0;
    result = verify_level(fd, label, trust, 0, RPMSIG_VERIFIABLE_TYPE, &complaints);
    *signature = result == 0 ? PACKAGE_SIGNED : PACKAGE_KEY_UNKNOWN;
    if (result == 0 || (result == -EBADMSG && !strstr(complaints.bytes, "BAD") &&
                        strstr(complaints.bytes, "NOKEY")))
        return 0;
    if (result == -EBADMSG)
        return error_set(error, result, "%s: its signature is wrong: %s", label, complaints.bytes);
    return error_system(error, result, "checking %s", label);
}
