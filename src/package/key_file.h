// The owner's side of a development key file. Who runs a package never reads it in this process:
// the TEE image does (apps/taoism-enclave/key_file.h). It is changed under a lock and replaced
// whole. Host only. Thread-safety: free functions, also of several processes at once.
#pragma once

#include <functional>
#include <string>

#include "store/package_key.h"

namespace taoism::package {

// Errors: not_found; invalid_argument (no key file, or not its user's alone); unsupported (an older
// one); integrity (its MAC is wrong).
Result<store::PackageKey> read_key_file(const std::string& path);
// A fresh key. Errors: internal (the crypto provider).
Result<store::PackageKey> new_key();
// Makes the file, which must not exist; mode 0600. Errors: invalid_argument, not_found,
// resource_exhausted.
Status create_key_file(const std::string& path, const store::PackageKey& key);

// Reads the file, has `change` change what it says, and replaces it, if it says something else
// then: nobody else does in between. One that has another name, a hard link, is refused: what was
// retired and revoked would stay good there. An error of `change` is given back, and the file is as
// it was.
Status change_key_file(const std::string& path,
                       const std::function<Status(store::PackageKey&)>& change);
// The same; where there is none it is made, and is_new told.
Status make_or_change_key_file(const std::string& path,
                               const std::function<Status(store::PackageKey&)>& change,
                               bool& is_new);

// "m.key" of "m.tao".
std::string default_key_path(const std::string& package_path);

}  // namespace taoism::package
