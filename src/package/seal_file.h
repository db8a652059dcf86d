// A package on disk with its key file: what an owner does to hand a model out. Host only.
// Thread-safety: a free function; one call at a time per path.
#pragma once

#include <string>

#include "package/seal.h"

namespace taoism::package {

struct SealFileOptions {
  std::string path;           // "m.tao", which appears whole or not at all
  std::string key_path;       // made if there is none; empty: default_key_path(path)
  SealOptions seal;           // version 0: the least that the key opens
  bool retire_older = false;  // then the key opens no package of an older version
};

struct SealedFile {
  SealReport report;
  std::string key_path;
  bool key_is_new = false;
  uint64_t version = 0;
  uint64_t least_version = 0;  // that the key opens
};

// Errors: those of seal(), of key files and of OutputFile. A key that was made for a package that
// could not be written is removed.
Result<SealedFile> seal_file(const onnx::Model& model, const partition::Plan& plan,
                             SealFileOptions options);

}  // namespace taoism::package
