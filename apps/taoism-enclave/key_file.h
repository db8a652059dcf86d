// The package key from a development key file: a stand-in for a key that attestation releases. Who
// can read the file has the key, so it must belong to its reader alone (mode 0600). Opened before
// the sandbox closes, by the image itself: no host ever holds what is in it.
#pragma once

#include <optional>

#include "trusted/key_source.h"

namespace taoism::image {

class KeyFile final : public trusted::KeySource {
 public:
  // Reads `path` (null-terminated; empty: no key). Returns 0 or an errno: EACCES (others may read
  // it, or we may not, or it is another user's), EINVAL (not a key file), EPROTONOSUPPORT (an older
  // one), EBADMSG (its MAC is wrong), or what the system says.
  int read(const char* path);

  const store::PackageKey* package_key() const override { return key_ ? &*key_ : nullptr; }

 private:
  std::optional<store::PackageKey> key_;
};

}  // namespace taoism::image
