// Compiled several times by ctest: as it is, it must compile; with TAOISM_MISUSE set to the number
// of a way to draw a secret from something that can be repeated it must not.
#include "crypto/random.h"
#include "partition/random.h"

namespace taoism {

Result<float> secret_factor(crypto::SecretRandom& random) { return random.unit(); }

bool draw_properly() {
  crypto::SecretRandom random;
  return secret_factor(random).ok();
}

void misuse() {
#if TAOISM_MISUSE == 1
  crypto::SecretRandom random(1);  // a seed
#elif TAOISM_MISUSE == 2
  partition::Random random(1);  // a generator that has one
  (void)secret_factor(random);
#elif TAOISM_MISUSE == 3
  crypto::SecretRandom random;
  crypto::SecretRandom again = random;  // a copy, which would give the same again
#endif
}

}  // namespace taoism
