// A shell script to be started in the worker's place: descriptor 3 is the shared memory, 4 the
// control socket. The file ends with the object.
#pragma once

#include <filesystem>
#include <string>

#include "base/test_folder.h"

namespace taoism::attack {

class HostileProgram {
 public:
  explicit HostileProgram(const std::string& script)
      : path_(folder_.write("worker.sh", "#!/bin/sh\n" + script)) {
    std::filesystem::permissions(path_, std::filesystem::perms::owner_all);
  }
  const std::string& path() const { return path_; }

 private:
  const TestFolder folder_;
  const std::string path_;
};

}  // namespace taoism::attack
