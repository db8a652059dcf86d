// The owner's side of a development key file. Who runs a package never reads it in this process:
// the TEE image does (apps/taoism-enclave/key_file.h). Host only. Thread-safety: free functions.
#pragma once

#include <string>

#include "store/package_key.h"

namespace taoism::package {

// Errors: not_found; invalid_argument (no key file, or one that others may read).
Result<store::PackageKey> read_key_file(const std::string& path);
// A fresh key. Errors: internal (the crypto provider).
Result<store::PackageKey> new_key();
// Makes the file, which must not exist, or replaces it whole; mode 0600. Errors: invalid_argument,
// not_found, resource_exhausted.
Status create_key_file(const std::string& path, const store::PackageKey& key);
Status replace_key_file(const std::string& path, const store::PackageKey& key);

// "m.key" of "m.tao".
std::string default_key_path(const std::string& package_path);

}  // namespace taoism::package
