// The entry of the torch module: what abi.h declares, with every exception caught here.
#include <ATen/Parallel.h>
#if __has_include(<torch/headeronly/version.h>)
#include <torch/headeronly/version.h>
#else  // of an older PyTorch, such as 2.4
#include <torch/csrc/api/include/torch/version.h>
#endif

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <new>

#include "device/torch/module/executable.h"
#include "ir/codec.h"

// In libtorch; not in every version that is supported.
extern "C" __attribute__((weak)) uint64_t aoti_torch_abi_version();

namespace taoism::torch_module {
namespace {

namespace abi = device::torch_abi;

struct OpenDevice {
  at::Device device;
  int threads;
  bool staged;
};

template <size_t kSize>
void write_line(char (&to)[kSize], const std::string& text) {
  const size_t size = std::min(text.size(), kSize - 1);
  std::memcpy(to, text.data(), size);
  to[size] = 0;
  std::replace(to, to + size, '\n', ' ');
}

bool fail(abi::Error* error, Code code, const std::string& text) {
  error->code = static_cast<uint8_t>(code);
  write_line(error->text, text);
  return false;
}

bool is_out_of_memory(const c10::Error& error) {
  if (dynamic_cast<const c10::OutOfMemoryError*>(&error) != nullptr) return true;
  return std::strstr(error.what_without_backtrace(), "not enough memory") != nullptr;
}

// Whether `work` came to its end; else the error, of whatever kind.
template <typename Work>
bool guarded(abi::Error* error, Work&& work) {
  try {
    work();
    return true;
  } catch (const Failure& failure) {
    return fail(error, failure.code(), failure.what());
  } catch (const c10::Error& raised) {
    const bool memory = is_out_of_memory(raised);
    return fail(error, memory ? Code::resource_exhausted : Code::internal,
                std::string("PyTorch: ") + raised.what_without_backtrace() +
                    (memory ? ": use a smaller batch" : ""));
  } catch (const std::bad_alloc&) {
    return fail(error, Code::resource_exhausted,
                "no memory for the torch device's part: use a "
                "smaller batch");
  } catch (const std::exception& raised) {
    return fail(error, Code::internal, std::string("PyTorch: ") + raised.what());
  } catch (...) {
    return fail(error, Code::internal, "PyTorch: an unknown exception");
  }
}

ir::PartitionedGraph decode(const abi::Graph& graph) {
  std::vector<std::shared_ptr<const ir::Constant>> constants;
  for (uint64_t i = 0; i < graph.constant_count; ++i) {
    const abi::Constant& from = graph.constants[i];
    auto constant = std::make_shared<ir::Constant>();
    constant->desc = {static_cast<ir::DType>(from.dtype),
                      ir::Shape(std::span<const int64_t>(from.dims, from.rank))};
    constant->data = static_cast<const std::byte*>(from.data);
    constants.push_back(std::move(constant));
  }
  Result<ir::PartitionedGraph> decoded =
      ir::decode(ConstByteSpan(static_cast<const std::byte*>(graph.bytes), graph.size), constants);
  if (!decoded.ok()) throw Failure(internal_error("torch device: " + decoded.status().message()));
  return std::move(*decoded);
}

// A process may have another libtorch than the one this was built against: the linker takes the one
// that is loaded already.
void check_version() {
  if (aoti_torch_abi_version == nullptr) return;
  constexpr int kMinorShift = 48;
  const uint64_t found = aoti_torch_abi_version() >> kMinorShift;  // major, minor: a byte each
  if (found == (TORCH_VERSION_MAJOR << 8 | TORCH_VERSION_MINOR)) return;
  throw Failure(unavailable("torch device: this process has PyTorch " + std::to_string(found >> 8) +
                            "." + std::to_string(found & 0xFF) +
                            " loaded and the module was built against " TORCH_VERSION
                            ": build it again with 'tools/build torch-device --torch PYTHON'"));
}

at::Device parse_device(std::string_view text) {
  if (text == "cpu") return {at::kCPU};
  std::string reason;
  const int count = cuda_device_count(reason);
  int index = -1;
  const auto [end, parsed] =
      text.starts_with("cuda:") ? std::from_chars(text.data() + 5, text.data() + text.size(), index)
                                : std::from_chars_result{nullptr, std::errc::invalid_argument};
  const std::string name = "--device torch:" + std::string(text);
  if (parsed != std::errc() || end != text.data() + text.size() || index < 0) {
    throw Failure(invalid_argument(name + ": no such device; use torch:cpu or torch:cuda:0"));
  }
  if (count == 0) throw Failure(unavailable(name + ": " + reason + "; or use --device torch:cpu"));
  if (index >= count) {
    throw Failure(
        invalid_argument(name + ": there are " + std::to_string(count) + " GPUs, counted from 0"));
  }
  return {at::kCUDA, static_cast<c10::DeviceIndex>(index)};
}

void describe(abi::Info* info) {
  std::memset(info, 0, sizeof(*info));
  abi::Error error = {};
  write_line(info->torch_version, TAOISM_TORCH_VERSION);
  std::string reason;
  if (!guarded(&error, [&] {
        check_version();
        info->cuda_devices = cuda_device_count(reason);
      })) {
    reason = error.text;
  }
  write_line(info->cuda_reason, reason);
}

bool open_device(const abi::OpenOptions* options, void** device, abi::Error* error) {
  return guarded(error, [&] {
    check_version();
    *device = new OpenDevice{parse_device(options->device), static_cast<int>(options->threads),
                             options->staged_for_testing != 0};
  });
}

void close_device(void* device) { delete static_cast<OpenDevice*>(device); }

bool supports(void*, const abi::Graph* graph, abi::Error* error) {
  return guarded(error, [&] { check_supported(decode(*graph)); });
}

bool compile(void* handle, const abi::Graph* graph, void** executable, abi::Error* error) {
  const auto& device = *static_cast<OpenDevice*>(handle);
  return guarded(error, [&] {
    at::set_num_threads(device.threads);
    *executable = new Executable(decode(*graph), device.device, device.staged, device.threads);
  });
}

void release(void* executable) {
  abi::Error error = {};
  (void)guarded(&error, [&] { delete static_cast<Executable*>(executable); });
}

bool run(void* executable, uint64_t segment, const void* const* inputs, void* const* outputs,
         abi::Times* times, abi::Error* error) {
  return guarded(
      error, [&] { static_cast<Executable*>(executable)->run(segment, inputs, outputs, *times); });
}

void* allocate_crossing(void* executable, uint64_t bytes) {
  abi::Error error = {};
  void* memory = nullptr;
  // Without it ordinary memory is used, which is slower and as good.
  (void)guarded(&error,
                [&] { memory = static_cast<Executable*>(executable)->allocate_crossing(bytes); });
  return memory;
}

uint64_t memory_bytes(void* executable) {
  return static_cast<Executable*>(executable)->memory_bytes();
}

constexpr abi::Module kModule = {
    .abi = abi::kAbi,
    .describe = describe,
    .open = open_device,
    .close = close_device,
    .supports = supports,
    .compile = compile,
    .release = release,
    .run = run,
    .allocate_crossing = allocate_crossing,
    .memory_bytes = memory_bytes,
};

}  // namespace
}  // namespace taoism::torch_module

extern "C" __attribute__((visibility("default"))) const taoism::device::torch_abi::Module*
taoism_torch_module() {
  return &taoism::torch_module::kModule;
}
