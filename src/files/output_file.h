// OutputFile: a file that appears under its name whole and durable, or not at all. All that the
// project writes goes through it. What is written goes to an unnamed file in the same folder,
// which no kill can leave behind; commit() has it on disk before it gets its name, and the name on
// disk before it returns. An older file of that name is replaced in one step; a kill in the moment
// before that leaves `.NAME.tmp.*`, which the next commit to NAME removes. A path that names
// something other than a regular file (a device, a pipe) is written directly.
// Thread-safety: one thread per object; objects of several processes may have one path.
#pragma once

#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/status.h"

namespace taoism::files {

// As the process's umask says, and as an older file of that name had it; or mode 0600.
enum class Access : uint8_t { usual, owner_only };

class OutputFile {
 public:
  // Errors: not_found (no such folder), invalid_argument (a folder, no permission).
  static Result<OutputFile> create(const std::string& path, Access access = Access::usual);

  OutputFile(OutputFile&& other) noexcept { swap(other); }
  OutputFile& operator=(OutputFile&& other) noexcept {
    swap(other);
    return *this;
  }
  ~OutputFile();

  // Errors: resource_exhausted when the disk is full; then only destruction is allowed.
  Status append(ConstByteSpan bytes);
  Status append(std::string_view text);
  // Of what was appended. Errors: those of append(); a device or a pipe has no place to go back to.
  Status overwrite(uint64_t offset, ConstByteSpan bytes);
  // For a library that writes to a descriptor, from where it stands.
  int descriptor() const { return fd_; }
  // What a failed write to descriptor() means.
  Status failure(const char* what, int error) const;

  // Puts on disk what was written, so that the commit that follows is short.
  Status sync();
  // Makes the file visible under its name, replacing an older one. Call once. After an error the
  // older file is there as it was, or (the folder cannot be put on disk) the new one.
  Status commit();
  // The same where there must be none. Errors: invalid_argument when there is.
  Status commit_new();

 private:
  OutputFile() = default;
  void swap(OutputFile& other) noexcept;
  Status open_unnamed(Access access);
  Status link_as(const std::string& name, bool& exists) const;
  Status replace();
  Status rename_new() const;
  Status finish();

  std::string path_;
  std::string folder_;
  std::string temporary_;  // a named temporary: for a moment, or where there are no unnamed ones
  int fd_ = -1;
  bool direct_ = false;
};

// create, append, commit.
Status write_file(const std::string& path, std::string_view text, Access access = Access::usual);

}  // namespace taoism::files
