// What fuzzers of files share: a folder that goes away with the program, and how a refusal looks.
#pragma once

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <string>

#include "base/status.h"

namespace taoism::fuzz {

class ScratchFolder {
 public:
  ScratchFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "taoism_fuzz_XXXXXX").string();
    TAOISM_CHECK(::mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  ~ScratchFolder() { std::filesystem::remove_all(path_); }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;

  // A new file each time: the one before may still be mapped. Returns its path.
  std::string write(const char* name, const std::string& bytes) const {
    std::string file = path_ / name;
    std::filesystem::remove(file);
    std::ofstream(file, std::ios::binary) << bytes;
    return file;
  }

 private:
  std::filesystem::path path_;
};

// One of the codes, and one line.
inline void check_refusal(const Status& status, std::initializer_list<Code> allowed) {
  TAOISM_CHECK(std::find(allowed.begin(), allowed.end(), status.code()) != allowed.end());
  TAOISM_CHECK(!status.message().empty());
  TAOISM_CHECK(status.message().find('\n') == std::string::npos);
}

}  // namespace taoism::fuzz
