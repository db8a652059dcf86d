// `taoism key`: what a key file accepts, and changing it: owners that come and go, versions that
// are no longer to be opened.
#include <fmt/format.h>

#include <algorithm>

#include "exit_code.h"
#include "flags.h"
#include "package/key_file.h"
#include "package/owner_key.h"
#include "standard_output.h"
#include "verb.h"

namespace taoism::cli {
namespace {

struct Options {
  std::string path;
  std::string trust;
  std::string revoke;
  uint64_t retire_before = 0;
};

// For good, whether or not it is accepted now.
Status refuse(const store::OwnerId& gone, store::Owners& owners) {
  for (size_t k = owners.keys.size(); k-- > 0;) {
    TAOISM_ASSIGN_OR_RETURN(const store::OwnerId id, store::owner_id(owners.keys[k]));
    if (id == gone) owners.keys.erase(owners.keys.begin() + static_cast<std::ptrdiff_t>(k));
  }
  if (std::ranges::find(owners.revoked, gone) != owners.revoked.end()) return {};
  if (owners.revoked.size() == store::Owners::kMostRevoked) {
    return invalid_argument("a key file has room for " +
                            std::to_string(store::Owners::kMostRevoked) +
                            " revoked owners: seal under a new key file");
  }
  owners.revoked.push_back(gone);
  return {};
}

// As --owner has it: what the file revokes is refused, whatever keys it holds.
Status trust(const std::string& path, store::Owners& owners) {
  TAOISM_ASSIGN_OR_RETURN(const store::Owners more, package::read_owners(path));
  for (const store::OwnerId& id : more.revoked) TAOISM_RETURN_IF_ERROR(refuse(id, owners));
  for (const crypto::PublicKey& key : more.keys) {
    TAOISM_ASSIGN_OR_RETURN(const store::Signer in_file, store::judge(more, key));
    TAOISM_ASSIGN_OR_RETURN(const store::Signer known, store::judge(owners, key));
    if (in_file == store::Signer::revoked || known == store::Signer::accepted) continue;
    if (known == store::Signer::revoked) {
      return invalid_argument("'" + path +
                              "' holds an owner that this key file revokes, for good: seal under a "
                              "new key file");
    }
    if (owners.keys.size() == store::Owners::kMostKeys) {
      return invalid_argument("a key file has room for " +
                              std::to_string(store::Owners::kMostKeys) +
                              " owners: --revoke one first");
    }
    owners.keys.push_back(key);
  }
  return {};
}

// All that the file names.
Status revoke(const std::string& path, store::Owners& owners) {
  TAOISM_ASSIGN_OR_RETURN(const store::Owners gone, package::read_owners(path));
  for (const store::OwnerId& id : gone.revoked) TAOISM_RETURN_IF_ERROR(refuse(id, owners));
  for (const crypto::PublicKey& key : gone.keys) {
    TAOISM_ASSIGN_OR_RETURN(const store::OwnerId id, store::owner_id(key));
    TAOISM_RETURN_IF_ERROR(refuse(id, owners));
  }
  return {};
}

Status change(const Options& options, store::PackageKey& key) {
  if (!options.trust.empty()) {
    TAOISM_RETURN_IF_ERROR(trust(options.trust, key.owners).annotate("--trust"));
  }
  if (!options.revoke.empty()) {
    TAOISM_RETURN_IF_ERROR(revoke(options.revoke, key.owners).annotate("--revoke"));
  }
  if (key.owners.keys.empty() && !(options.trust.empty() && options.revoke.empty())) {
    return invalid_argument(std::string(options.revoke.empty() ? "--trust" : "--revoke") +
                            ": no owner would be left: --trust another in the same call");
  }
  if (options.retire_before > key.last_version) {
    return invalid_argument("--retire-before " + std::to_string(options.retire_before) +
                            ": no package of that version was sealed; the last is " +
                            std::to_string(key.last_version));
  }
  key.least_version = std::max(key.least_version, options.retire_before);
  return {};
}

Result<int> act(const Options& options) {
  if (!options.trust.empty() || !options.revoke.empty() || options.retire_before != 0) {
    TAOISM_RETURN_IF_ERROR(package::change_key_file(
        options.path, [&](store::PackageKey& key) { return change(options, key); }));
  }
  TAOISM_ASSIGN_OR_RETURN(const store::PackageKey key, package::read_key_file(options.path));
  std::string text = fmt::format(
      "{}: who has it has the weights\n  last version sealed  {}\n  opens versions from  {}\n",
      one_line(options.path), key.last_version, key.least_version);
  for (const crypto::PublicKey& owner : key.owners.keys) {
    TAOISM_ASSIGN_OR_RETURN(const store::OwnerId id, store::owner_id(owner));
    text += "  accepts owner        " + package::id_text(id) + "\n";
  }
  for (const store::OwnerId& id : key.owners.revoked) {
    text += "  revoked owner        " + package::id_text(id) + "\n";
  }
  print(text);
  return kExitOk;
}

Action declare(CLI::App& app) {
  auto options = std::make_shared<Options>();
  reads(app.add_option("file", options->path, "m.key"))->required();
  reads(app.add_option("--trust", options->trust,
                       "owner.pub: accept what this owner signs too (a new key of yours, say); "
                       "what the file revokes is revoked"));
  reads(app.add_option("--revoke", options->revoke,
                       "owner.pub: never again accept what this owner signs"));
  app.add_option("--retire-before", options->retire_before,
                 "open no package of an older version than this")
      ->check(CLI::Range(uint64_t{1}, UINT64_MAX));
  return [options] { return act(*options); };
}

}  // namespace

extern const Verb kKeyVerb;
const Verb kKeyVerb = {"key", "a key file: whom it accepts, which versions it opens", declare};

}  // namespace taoism::cli
