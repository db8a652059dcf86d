// What a measurement must say about where it was taken. Thread-safety: free functions.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace taoism::runtime {

struct Environment {
  std::vector<std::pair<std::string, std::string>> machine;   // cpu, cores, memory, kernel, ...
  std::vector<std::pair<std::string, std::string>> versions;  // taoism, compiler, kernel target
  std::string command;
  std::string time;                   // UTC, ISO 8601
  std::vector<std::string> warnings;  // what makes timings here doubtful
};

// `command`: the arguments as they were given. Reads /proc and /sys; what cannot be read is left
// out.
Environment describe_environment(const std::vector<std::string>& command);

// The version of this build, "0.1.0".
const char* version();

}  // namespace taoism::runtime
