// The keys of a model's owner that sign packages, as files in PEM that other programs (openssl,
// security modules) read and write: `owner.key` holds the pair and never leaves its owner,
// `owner.pub` is for whoever deploys. Host only. Thread-safety: free functions.
#pragma once

#include <string>
#include <vector>

#include "crypto/signature.h"
#include "store/owners.h"

namespace taoism::package {

// PKCS #8, as `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256` writes it. Errors:
// not_found; invalid_argument (no such key, or one that others may read).
Result<crypto::SigningKey> read_owner_key(const std::string& path);

struct OwnerKey {
  crypto::SigningKey key;
  bool is_new = false;
};
// The same, and where there is none a new pair: in `path`, mode 0600, and its public half in
// public_path(path), which is written anew where it alone is missing. Errors also: invalid_argument
// (the public half alone is there).
Result<OwnerKey> open_owner_key(const std::string& path);
// "owner.pub" of "owner.key".
std::string public_path(const std::string& path);
// taoism/owner.key in the user's folder for settings. Errors: invalid_argument (there is no such).
Result<std::string> default_owner_path();

// Whom a deployer trusts, as parse_owners reads it: a file, or a pipe to its end, of 64 KiB at
// most. Errors: not_found, invalid_argument.
Result<store::Owners> read_owners(const std::string& path);

std::string public_pem(const crypto::PublicKey& key);
// Public keys in PEM, lines "revoked: ID" for owners whose packages are refused, blank lines and
// comments behind '#'. Errors: invalid_argument, with the line: anything else, or no key in it.
Result<store::Owners> parse_owners(std::string_view text);

// 64 digits; what is printed and written after "revoked:".
std::string id_text(const store::OwnerId& id);

}  // namespace taoism::package
