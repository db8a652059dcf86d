// Where an image has the key of its owner's packages from: a key file that it opened before its
// sandbox closed (for development), or what an attested key release gave it (planned). Trusted.
// Thread-safety: as the implementation says.
#pragma once

#include "store/package_key.h"

namespace taoism::trusted {

class KeySource {
 public:
  virtual ~KeySource() = default;
  // Null: there is none.
  virtual const store::PackageKey* package_key() const = 0;
};

}  // namespace taoism::trusted
