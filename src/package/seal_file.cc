#include "package/seal_file.h"

#include <algorithm>
#include <filesystem>

#include "files/file_lock.h"
#include "files/same_file.h"
#include "package/key_file.h"
#include "package/owner_key.h"
#include "package/package_file.h"

namespace taoism::package {
namespace {

// No file takes the place of another that somebody needs.
Status check_files(const std::string& package, const SealedFile& sealed) {
  std::error_code error;
  if (std::filesystem::is_regular_file(package, error) && !is_package(package) &&
      std::filesystem::file_size(package, error) != 0) {
    return invalid_argument(package +
                            ": is there and is no package, so that a package would not replace its "
                            "like: write elsewhere, or move it away");
  }
  const std::pair<const char*, std::string> files[] = {
      {"the package", package},
      {"the file for --key", sealed.key_path},
      {"the file for --owner", sealed.owner_path},
      {"the public half of --owner", public_path(sealed.owner_path)}};
  for (const auto& one : files) {
    for (const auto* other = &one + 1; other != std::end(files); ++other) {
      if (!files::is_same_file(one.second, other->second)) continue;
      return invalid_argument(other->second + ": cannot be both " + one.first + " and " +
                              other->first + ": give each a file of its own");
    }
  }
  return {};
}

// Gives a package its number, 0 for the next, and the key file what it then knows.
Status reserve(store::PackageKey& key, const std::string& key_path, const crypto::SigningKey& owner,
               uint64_t& version) {
  if (key.owners.keys.empty()) key.owners.keys.push_back(owner.public_key());
  TAOISM_ASSIGN_OR_RETURN(const store::Signer signer, store::judge(key.owners, owner.public_key()));
  if (signer != store::Signer::accepted) {
    return invalid_argument("key file " + key_path +
                            (signer == store::Signer::revoked
                                 ? " names this owner as revoked: give another with --owner"
                                 : " does not know this owner, so that what it signs would not "
                                   "open: taoism key " +
                                       key_path + " --trust owner.pub, or another --owner"));
  }
  const uint64_t last = std::max(key.last_version, std::max<uint64_t>(key.least_version, 1) - 1);
  if (last == UINT64_MAX) {
    return invalid_argument("key file " + key_path +
                            " has used the last version that there is: seal under another --key");
  }
  if (version == 0) version = last + 1;
  if (version <= last) {
    return invalid_argument(
        "version " + std::to_string(version) +
        (version == last ? " was sealed under this key already"
                         : " is older than " + std::to_string(last) + ", the last under this key") +
        ": give --version " + std::to_string(last + 1) + ", or leave it out");
  }
  key.last_version = version;
  return {};
}

// A new key file that nobody else has used meanwhile is of no use without its package.
void forget(const std::string& path, uint64_t version) {
  const Result<files::FileLock> lock = files::FileLock::take(path);
  const Result<store::PackageKey> key = read_key_file(path);
  if (lock.ok() && key.ok() && key->last_version == version) std::filesystem::remove(path);
}

Status write(const onnx::Model& model, const partition::Plan& plan, const SealFileOptions& options,
             const crypto::SigningKey& owner, files::OutputFile file, SealedFile& sealed,
             bool& may_be_there) {
  TAOISM_ASSIGN_OR_RETURN(const store::PackageKey key, read_key_file(sealed.key_path));
  TAOISM_ASSIGN_OR_RETURN(sealed.report, seal(model, plan, options.seal, key, owner, file));
  TAOISM_RETURN_IF_ERROR(file.sync());
  return change_key_file(sealed.key_path, [&](store::PackageKey& now) -> Status {
    if (sealed.version < now.least_version) {
      return invalid_argument("version " + std::to_string(sealed.version) +
                              " was retired meanwhile by another seal: seal again");
    }
    may_be_there = true;  // a commit that fails late may have replaced the older package
    TAOISM_RETURN_IF_ERROR(file.commit());
    if (options.retire_older) now.least_version = sealed.version;
    sealed.least_version = now.least_version;
    return {};
  });
}

}  // namespace

Result<SealedFile> seal_file(const onnx::Model& model, const partition::Plan& plan,
                             SealFileOptions options) {
  SealedFile sealed;
  sealed.key_path = options.key_path.empty() ? default_key_path(options.path) : options.key_path;
  sealed.owner_path = options.owner_path;
  if (sealed.owner_path.empty()) {
    TAOISM_ASSIGN_OR_RETURN(sealed.owner_path, default_owner_path());
  }
  TAOISM_RETURN_IF_ERROR(check_files(options.path, sealed));
  TAOISM_ASSIGN_OR_RETURN(files::OutputFile file, files::OutputFile::create(options.path));
  TAOISM_ASSIGN_OR_RETURN(OwnerKey owner, open_owner_key(sealed.owner_path));
  sealed.owner_is_new = owner.is_new;
  TAOISM_RETURN_IF_ERROR(make_or_change_key_file(
      sealed.key_path,
      [&, asked = options.seal.version](store::PackageKey& key) {
        options.seal.version = asked;
        return reserve(key, sealed.key_path, owner.key, options.seal.version);
      },
      sealed.key_is_new));
  sealed.version = options.seal.version;
  bool may_be_there = false;
  const Status written =
      write(model, plan, options, owner.key, std::move(file), sealed, may_be_there);
  // A package without its key is lost: such a key stays.
  if (!written.ok() && sealed.key_is_new && !may_be_there) {
    forget(sealed.key_path, sealed.version);
  }
  if (!written.ok()) return written;
  return sealed;
}

}  // namespace taoism::package
