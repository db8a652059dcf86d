#include "package/key_file.h"

#include <algorithm>

#include <unistd.h>

#include "crypto/random.h"
#include "files/file_lock.h"
#include "files/output_file.h"
#include "files/private_file.h"

namespace taoism::package {
namespace {

// Zeros behind its end.
using KeyText = SecretBytes<store::kMaxKeyFileBytes>;

Result<files::OutputFile> written(const std::string& path, const KeyText& text, size_t bytes) {
  TAOISM_RETURN_IF_ERROR(files::check_private_folder(path).annotate("key file"));
  TAOISM_ASSIGN_OR_RETURN(files::OutputFile file,
                          files::OutputFile::create(path, files::Access::owner_only));
  TAOISM_RETURN_IF_ERROR(file.append(ConstByteSpan(text.expose_secret()).first(bytes)));
  return file;
}

}  // namespace

Result<store::PackageKey> read_key_file(const std::string& path) {
  SecretBuffer text(store::kMaxKeyFileBytes);
  const Result<size_t> size = files::read_private_file(path, text.span());
  if (!size.ok()) return size.status().annotate("key file");
  Result<store::PackageKey> key = store::parse_key(text.span().first(*size));
  if (!key.ok()) return key.status().annotate("key file " + path);
  return key;
}

Result<store::PackageKey> new_key() {
  store::PackageKey key;
  TAOISM_RETURN_IF_ERROR(crypto::random_bytes(key.secret.expose_secret()));
  return key;
}

Status create_key_file(const std::string& path, const store::PackageKey& key) {
  KeyText text;
  TAOISM_ASSIGN_OR_RETURN(const size_t bytes, store::format_key(key, text.expose_secret()));
  TAOISM_ASSIGN_OR_RETURN(files::OutputFile file, written(path, text, bytes));
  return file.commit_new();
}

Status change_key_file(const std::string& path,
                       const std::function<Status(store::PackageKey&)>& change) {
  const Result<files::FileLock> lock = files::FileLock::take(path);
  if (!lock.ok()) return lock.status().annotate("key file");
  TAOISM_ASSIGN_OR_RETURN(store::PackageKey key, read_key_file(path));
  TAOISM_RETURN_IF_ERROR(files::check_one_name(path).annotate("key file"));
  KeyText before, after;
  TAOISM_RETURN_IF_ERROR(store::format_key(key, before.expose_secret()).status());
  TAOISM_RETURN_IF_ERROR(change(key));
  TAOISM_ASSIGN_OR_RETURN(const size_t bytes, store::format_key(key, after.expose_secret()));
  if (std::ranges::equal(before.expose_secret(), after.expose_secret())) return {};
  TAOISM_ASSIGN_OR_RETURN(files::OutputFile file, written(path, after, bytes));
  return file.commit();
}

Status make_or_change_key_file(const std::string& path,
                               const std::function<Status(store::PackageKey&)>& change,
                               bool& is_new) {
  constexpr int kAttempts = 16;  // it may be made, and removed, by others at the same time
  Status status;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    is_new = false;
    status = change_key_file(path, change);
    if (status.code() != Code::not_found) return status;
    TAOISM_ASSIGN_OR_RETURN(store::PackageKey key, new_key());
    TAOISM_RETURN_IF_ERROR(change(key));
    is_new = true;
    status = create_key_file(path, key);
    if (status.ok() || access(path.c_str(), F_OK) != 0) return status;
  }
  return status;
}

std::string default_key_path(const std::string& package_path) {
  constexpr std::string_view kEnding = ".tao";
  std::string path = package_path;
  if (path.ends_with(kEnding)) path.resize(path.size() - kEnding.size());
  return path + ".key";
}

}  // namespace taoism::package
