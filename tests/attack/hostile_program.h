// A shell script to be started in the worker's place: descriptor 3 is the shared memory, 4 the
// control socket. The file ends with the object.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>

#include <unistd.h>

namespace taoism::attack {

class HostileProgram {
 public:
  explicit HostileProgram(const std::string& script)
      : path_(std::filesystem::temp_directory_path() /
              ("taoism-hostile-" + std::to_string(getpid()) + ".sh")) {
    std::ofstream(path_) << "#!/bin/sh\n" << script;
    std::filesystem::permissions(path_, std::filesystem::perms::owner_all);
  }
  HostileProgram(const HostileProgram&) = delete;
  HostileProgram& operator=(const HostileProgram&) = delete;
  ~HostileProgram() {
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
  }
  std::string path() const { return path_.string(); }

 private:
  const std::filesystem::path path_;
};

}  // namespace taoism::attack
