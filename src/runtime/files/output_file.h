// OutputFile: a file that appears under its name whole, or not at all. What is written goes to an
// unnamed file in the same folder, which no kill can leave behind, and gets its name at commit().
// A path that names something other than a regular file (a device, a pipe) is written directly.
// Thread-safety: one thread per object.
#pragma once

#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/status.h"

namespace taoism::files {

class OutputFile {
 public:
  // Errors: not_found (no such folder), invalid_argument (a folder, no permission).
  static Result<OutputFile> create(const std::string& path);

  OutputFile(OutputFile&& other) noexcept { swap(other); }
  OutputFile& operator=(OutputFile&& other) noexcept {
    swap(other);
    return *this;
  }
  ~OutputFile();

  // Errors: resource_exhausted when the disk is full; then only destruction is allowed.
  Status append(ConstByteSpan bytes);
  Status append(std::string_view text);
  // Makes the file visible under its name, replacing an older one. Call once.
  Status commit();

 private:
  OutputFile() = default;
  void swap(OutputFile& other) noexcept;
  Status failure(const char* what, int error) const;

  std::string path_;
  std::string folder_;
  std::string temporary_;  // a named temporary, on file systems without unnamed ones
  int fd_ = -1;
  bool direct_ = false;
};

// create, append, commit.
Status write_file(const std::string& path, std::string_view text);

}  // namespace taoism::files
