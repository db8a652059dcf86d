// `taoism doctor`: what this machine offers, each thing with the reason and the mend.
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "device/torch/torch_device.h"
#include "exit_code.h"
#include "flags.h"
#include "host/memory.h"
#include "kernels/target.h"
#include "report/units.h"
#include "runtime/environment.h"
#include "runtime/machine.h"
#include "standard_output.h"
#include "tee/tee.h"
#include "verb.h"

namespace taoism::cli {
namespace {

using Json = nlohmann::ordered_json;

struct Finding {
  std::string area;
  std::string name;
  bool available = false;
  std::string reason;
  std::string mend;
};

struct Options {
  std::string worker;
  bool json = false;
};

std::string cpu_flags() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("flags")) return line + " ";
  }
  return {};
}

void add_cpu(std::vector<Finding>& findings) {
  const std::string flags = cpu_flags();
  struct Feature {
    const char* flag;
    const char* use;
  };
  for (Feature feature :
       {Feature{"avx2", "fast kernels"}, Feature{"fma", "fast kernels"},
        Feature{"avx512f", "the widest kernels"}, Feature{"aes", "fast sealing"}}) {
    bool has = flags.find(std::string(" ") + feature.flag + " ") != std::string::npos;
    findings.push_back({"cpu", feature.flag, has, has ? feature.use : "not in /proc/cpuinfo",
                        has ? "" : "none needed: slower code is used instead"});
  }
  findings.push_back(
      {"cpu", "kernels", true, std::string("in use: ") + kernels::target_name(), ""});
}

void add_devices(std::vector<Finding>& findings) {
  findings.push_back({"device", "cpu", true, fmt::format("{} cores", runtime::core_count()), ""});
  const device::TorchFinding torch = device::probe_torch();
  findings.push_back({"device", "torch:cpu", torch.available, torch.text,
                      torch.available ? "" : "use --device cpu"});
  const bool cuda = torch.cuda_devices > 0;
  findings.push_back({"device", "torch:cuda", cuda,
                      cuda ? fmt::format("{} GPUs", torch.cuda_devices) : torch.cuda_reason,
                      cuda ? "" : "use --device torch:cpu or cpu"});
  const bool nvidia = std::filesystem::exists("/dev/nvidiactl");
  findings.push_back({"device", "nvidia driver", nvidia,
                      nvidia ? "/dev/nvidiactl" : "no /dev/nvidiactl",
                      nvidia ? "" : "install NVIDIA's driver where there is a GPU"});
}

void add_memory(std::vector<Finding>& findings) {
  const std::optional<uint64_t> available = host::available_memory_bytes();
  findings.push_back({"memory", "trusted memory", available.has_value(),
                      available ? fmt::format("the process TEE may take any --tee-memory up to {}",
                                              report::bytes_text(*available))
                                : "/proc/meminfo cannot be read",
                      available ? "" : "mount /proc"});
  std::error_code error;
  auto space = std::filesystem::space("/dev/shm", error);
  if (!error) {
    findings.push_back(
        {"memory", "/dev/shm", true, report::bytes_text(space.available) + " free", ""});
  }
}

void add_keys(std::vector<Finding>& findings) {
  findings.push_back({"key files", "roll-back", false,
                      "no monotonic counter: who puts back an older key file opens older packages",
                      "none yet: keep key files where nobody else writes"});
}

Result<int> act(const Options& options) {
  std::vector<Finding> findings;
  for (tee::TeeFeature& feature : tee::probe_tee(options.worker)) {
    findings.push_back({"tee", std::move(feature.name), feature.available,
                        std::move(feature.reason), std::move(feature.mend)});
  }
  add_cpu(findings);
  add_devices(findings);
  add_memory(findings);
  add_keys(findings);
  if (options.json) {
    Json list = Json::array();
    for (const Finding& f : findings) {
      list.push_back({{"area", f.area},
                      {"name", f.name},
                      {"available", f.available},
                      {"reason", f.reason},
                      {"mend", f.mend}});
    }
    Json document = {{"schema", 1}, {"findings", list}};
    print(document.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
    return kExitOk;
  }
  std::string area;
  for (const Finding& f : findings) {
    if (f.area != area) print((area.empty() ? "" : "\n") + f.area + "\n");
    area = f.area;
    print(fmt::format("  {:3}  {:18} {}{}{}\n", f.available ? "yes" : "no", f.name, f.reason,
                      f.mend.empty() ? "" : "; ", f.mend));
  }
  return kExitOk;
}

Action declare(CLI::App& app) {
  auto options = std::make_shared<Options>();
  reads(app.add_option("--worker", options->worker, "path of the program taoism-enclave"));
  app.add_flag("--json", options->json, "print JSON instead of text");
  return [options] { return act(*options); };
}

}  // namespace

extern const Verb kDoctorVerb;
const Verb kDoctorVerb = {"doctor", "what this machine offers: TEE, sandbox, CPU, devices, memory",
                          declare};

}  // namespace taoism::cli
