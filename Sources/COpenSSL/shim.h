#ifndef PASARELA_COPENSSL_H
#define PASARELA_COPENSSL_H
#include <features.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stddef.h>

// EVP_sha256 and EVP_Q_digest are not imported with their engine and library-context arguments in a usable form.
static inline int copenssl_sha256(const void *data, size_t count, unsigned char digest[32]) {
    return EVP_Digest(data, count, digest, NULL, EVP_sha256(), NULL);
}

static inline int copenssl_hmac_sha256(const void *key, int key_count, const void *data,
                                       size_t count, unsigned char mac[32]) {
    unsigned int length = 32;
    return HMAC(EVP_sha256(), key, key_count, (const unsigned char *)data, count, mac, &length) != NULL;
}
#endif
