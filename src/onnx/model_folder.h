// The folder that a model lies in, held open: the model and every file that it names are opened
// beneath it, whatever becomes of its name meanwhile. Host only. Thread-safety: const functions.
#pragma once

#include <string>
#include <utility>

#include "files/descriptor.h"
#include "onnx/source_file.h"

namespace taoism::onnx {

class ModelFolder {
 public:
  // Opens the folder of `path`, and in it the model. Errors: those of SourceFile.
  static Result<ModelFolder> of(const std::string& path);

  const SourceFile& model() const { return model_; }
  SourceFile take_model() && { return std::move(model_); }

  // The file `location` names, relative to the folder, or to that in which the model lies where
  // `path` is itself a symbolic link (caches of models are made of such links). Symbolic links on
  // the way may lead from one place in the folder to another. The kernel holds the confinement
  // while it opens (openat2, or a walk that follows no link where that is not to be had): nothing
  // that is renamed or linked meanwhile leads out. Errors: invalid_argument (outside of the folder,
  // not a regular file, a key: a weight may be published), not_found.
  Result<SourceFile> open(const std::string& location) const;

 private:
  ModelFolder(std::string path, SourceFile model, files::Descriptor folder,
              files::Descriptor real_folder)
      : path_(std::move(path)),
        model_(std::move(model)),
        folder_(std::move(folder)),
        real_folder_(std::move(real_folder)) {}

  std::string path_;  // of the model, as it was named
  SourceFile model_;
  files::Descriptor folder_;
  files::Descriptor real_folder_;  // of a model that is a link
};

// Opens `relative` beneath a folder, following no link: for tests of the walk. A descriptor, or -1
// and errno: ELOOP where a link is on the way, EXDEV where it leads out.
enum class Confinement : uint8_t { kernel, walk };
int open_beneath(int folder, const std::string& relative, Confinement confinement);

}  // namespace taoism::onnx
