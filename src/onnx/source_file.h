// A regular file that is read in pieces, and the identity by which a later read can tell that it is
// still the same file. Host only. Thread-safety: reads may run at the same time.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "files/descriptor.h"

namespace taoism::onnx {

class SourceFile {
 public:
  // Of a descriptor; none: errno says why it could not be opened. `path` is for
  // messages. Errors: not_found, invalid_argument (a directory, a pipe, ...).
  static Result<SourceFile> of_descriptor(files::Descriptor descriptor, const std::string& path);

  const std::string& path() const { return path_; }
  uint64_t size() const { return size_; }
  int descriptor() const { return descriptor_.get(); }
  // Fills `into` from `offset`. Errors: invalid_argument when the file ends before.
  Status read(uint64_t offset, ByteSpan into) const;
  bool is_same_file(const SourceFile& other) const;
  // Whether it has not been written to or replaced since it was opened.
  bool is_unchanged() const;

 private:
  SourceFile() = default;

  std::string path_;
  files::Descriptor descriptor_;
  uint64_t size_ = 0;
  int64_t modified_ns_ = 0;
};

// SHA-256 over the files' contents, one after the other, in hex: what sha256sum prints for one
// file. Errors: invalid_argument when a file has changed since it was opened.
Result<std::string> hash_files(const std::vector<const SourceFile*>& files);

}  // namespace taoism::onnx
