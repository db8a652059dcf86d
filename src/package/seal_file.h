// A package on disk with its key file: what an owner does to hand a model out. Host only.
// Thread-safety: a free function, also of several processes at once with one key.
#pragma once

#include <string>

#include "package/seal.h"

namespace taoism::package {

struct SealFileOptions {
  std::string path;           // "m.tao", which appears whole or not at all
  std::string key_path;       // made if there is none; empty: default_key_path(path)
  std::string owner_path;     // signs; made if there is none; empty: default_owner_path()
  SealOptions seal;           // version 0: the one after the last that the key was used for
  bool retire_older = false;  // then the key opens no package of an older version
};

struct SealedFile {
  SealReport report;
  std::string key_path;
  bool key_is_new = false;
  std::string owner_path;
  bool owner_is_new = false;
  uint64_t version = 0;
  uint64_t least_version = 0;  // that the key opens
};

// A version grows with every package under a key: one that is not above the last is refused. The
// key file has the new number before the package appears, and retires older ones after. Errors:
// those of seal(), of key files and of OutputFile; invalid_argument (the version; an owner whom the
// key file does not accept; a file in the package's place that is none, or named for two things). A
// key that was made for a package that could not be written is removed.
Result<SealedFile> seal_file(const onnx::Model& model, const partition::Plan& plan,
                             SealFileOptions options);

}  // namespace taoism::package
