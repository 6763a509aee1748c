/* How the crypto library is started. What is done with it is in hash, signature and certificate. */
#include "payload/client/crypto.h"

#include <openssl/crypto.h>
#include <pthread.h>

static void prepare(void)
{
    /* A failure shows again at the first use of an algorithm. */
    (void)OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_LOAD_CRYPTO_STRINGS,
                              NULL);
}

void crypto_prepare(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, prepare);
}
