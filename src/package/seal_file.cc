#include "package/seal_file.h"

#include <algorithm>
#include <filesystem>

#include "package/key_file.h"

namespace taoism::package {

Result<SealedFile> seal_file(const onnx::Model& model, const partition::Plan& plan,
                             SealFileOptions options) {
  SealedFile sealed;
  sealed.key_path = options.key_path.empty() ? default_key_path(options.path) : options.key_path;
  sealed.key_is_new = !std::filesystem::exists(sealed.key_path);
  TAOISM_ASSIGN_OR_RETURN(store::PackageKey key,
                          sealed.key_is_new ? new_key() : read_key_file(sealed.key_path));
  if (options.seal.version == 0) {
    options.seal.version = std::max<uint64_t>(1, key.least_version);
  }
  sealed.version = options.seal.version;
  TAOISM_ASSIGN_OR_RETURN(files::OutputFile file, files::OutputFile::create(options.path));
  TAOISM_ASSIGN_OR_RETURN(sealed.report, seal(model, plan, options.seal, key, file));
  // The key first: a package without it would be lost.
  if (sealed.key_is_new) TAOISM_RETURN_IF_ERROR(create_key_file(sealed.key_path, key));
  if (const Status status = file.commit(); !status.ok()) {
    if (sealed.key_is_new) std::filesystem::remove(sealed.key_path);
    return status;
  }
  if (options.retire_older && key.least_version < sealed.version) {
    key.least_version = sealed.version;
    TAOISM_RETURN_IF_ERROR(replace_key_file(sealed.key_path, key));
  }
  sealed.least_version = key.least_version;
  return sealed;
}

}  // namespace taoism::package
