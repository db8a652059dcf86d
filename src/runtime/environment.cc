#include "runtime/environment.h"

#include <sys/utsname.h>

#include <chrono>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <sstream>

#include "kernels/target.h"
#include "runtime/machine.h"

namespace taoism::runtime {
namespace {

// The text after "key : " in a file of such lines.
std::string field(const char* path, const std::string& key) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with(key)) continue;
    size_t colon = line.find(':');
    if (colon == std::string::npos) continue;
    size_t start = line.find_first_not_of(" \t", colon + 1);
    return start == std::string::npos ? std::string() : line.substr(start);
  }
  return {};
}

uint64_t kibibytes(const std::string& text) {
  std::istringstream in(text);
  uint64_t value = 0;
  in >> value;
  return value;
}

std::string quote(const std::string& word) {
  bool plain = !word.empty() && word.find_first_of(" \t\n\"'\\$`;&|<>()*?#") == std::string::npos;
  if (plain) return word;
  std::string quoted = "'";
  for (char c : word) {
    if (c == '\'') quoted += "'\\'";
    quoted += c;
  }
  quoted += '\'';
  return quoted;
}

std::string utc_now() {
  std::time_t now = std::time(nullptr);
  std::tm tm = {};
  gmtime_r(&now, &tm);
  char text[32];
  (void)std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
  return text;
}

void add_noise_warnings(std::vector<std::string>& warnings) {
  double load = 0;
  std::ifstream("/proc/loadavg") >> load;
  if (load > 0.5) {
    char text[128];
    (void)std::snprintf(text, sizeof(text),
                        "other work was running before the start (load average %.2f on %zu cores)",
                        load, core_count());
    warnings.emplace_back(text);
  }
  std::string governor;
  std::ifstream("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor") >> governor;
  if (!governor.empty() && governor != "performance") {
    warnings.push_back("CPU frequency governor is '" + governor + "', not 'performance'");
  }
#ifndef NDEBUG
  warnings.emplace_back("this is not an optimised build");
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  warnings.emplace_back("this build has a sanitizer: timings mean nothing");
#endif
}

}  // namespace

const char* version() { return TAOISM_VERSION; }

Environment describe_environment(const std::vector<std::string>& command) {
  Environment environment;
  auto& machine = environment.machine;
  utsname name = {};
  if (uname(&name) == 0) {
    machine.emplace_back("architecture", name.machine);
    machine.emplace_back("kernel", std::string(name.sysname) + " " + name.release);
  }
  if (std::string cpu = field("/proc/cpuinfo", "model name"); !cpu.empty()) {
    machine.emplace_back("cpu", cpu);
  }
  machine.emplace_back("cores", std::to_string(core_count()));
  if (uint64_t kib = kibibytes(field("/proc/meminfo", "MemTotal")); kib > 0) {
    machine.emplace_back("memory_mib", std::to_string(kib / 1024));
  }
  environment.versions = {
      {"taoism", version()}, {"compiler", __VERSION__}, {"kernel_target", kernels::target_name()}};
  for (const std::string& word : command) {
    if (!environment.command.empty()) environment.command += ' ';
    environment.command += quote(word);
  }
  environment.time = utc_now();
  add_noise_warnings(environment.warnings);
  return environment;
}

}  // namespace taoism::runtime
