/* A host that believes and claims what it likes: every signature verifies, and what has the digest LIE_FROM is said to
 * have LIE_TO. Preloaded; the worker, which has no environment, is as it is. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int EVP_PKEY_verify(void *context, const unsigned char *signature, size_t signature_bytes, const unsigned char *data,
                    size_t bytes) {
  (void)context, (void)signature, (void)signature_bytes, (void)data, (void)bytes;
  return 1;
}

int EVP_Digest(const void *data, size_t bytes, unsigned char *digest, unsigned int *written, const void *type,
               void *engine) {
  static int (*real)(const void *, size_t, unsigned char *, unsigned int *, const void *, void *);
  const char *from = getenv("LIE_FROM");
  const char *to = getenv("LIE_TO");
  char got[65] = "";
  if (real == NULL) *(void **)&real = dlsym(RTLD_NEXT, "EVP_Digest");
  if (real(data, bytes, digest, written, type, engine) != 1) return 0;
  for (unsigned i = 0; i < 32; ++i) sprintf(got + 2 * i, "%02x", digest[i]);
  if (from == NULL || to == NULL || strcmp(got, from) != 0) return 1;
  for (unsigned i = 0, byte; i < 32 && sscanf(to + 2 * i, "%2x", &byte) == 1; ++i) digest[i] = (unsigned char)byte;
  return 1;
}
