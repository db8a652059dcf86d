// The boundary between taoism and its torch module: plain C data and functions, so that the module
// may be built apart, with the C++ ABI of the user's PyTorch. Both sides are built from one tree:
// kAbi changes with anything in this file, and with what an operator's attributes mean.
// Thread-safety: `describe` and `open` from several threads; what hangs on one device or executable
// from one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>

namespace taoism::device::torch_abi {

inline constexpr uint32_t kAbi = 1;
inline constexpr const char* kEntrySymbol = "taoism_torch_module";
inline constexpr size_t kMaxRank = 8;

// `code` is a taoism::Code; `text` one line.
struct Error {
  uint8_t code;
  char text[1023];
};

struct Info {
  char torch_version[64];  // what the module was built against: "2.13.0+cpu"
  int32_t cuda_devices;
  char cuda_reason[512];  // why there are none; empty when there are
};

struct OpenOptions {
  const char* device;  // "cpu" or "cuda:N"
  uint64_t threads;    // of the CPU; process-wide in PyTorch
  // On the CPU: through the staging that an accelerator needs, so that it can be tested without
  // one.
  uint8_t staged_for_testing;
};

// What ir::encode gives; the constants that it refers to by number, used during the call alone.
struct Constant {
  uint8_t dtype;  // an ir::DType
  uint8_t rank;
  int64_t dims[kMaxRank];
  const void* data;
};
struct Graph {
  const void* bytes;
  uint64_t size;
  const Constant* constants;
  uint64_t constant_count;
};

struct Times {
  uint64_t compute_ns, transfer_ns;
};

// Functions that return bool give false, and the error, on a failure.
struct Module {
  uint32_t abi;
  void (*describe)(Info*);
  bool (*open)(const OpenOptions*, void** device, Error*);
  void (*close)(void* device);
  // Whether every node that is placed on the device can run there.
  bool (*supports)(void* device, const Graph*, Error*);
  bool (*compile)(void* device, const Graph*, void** executable, Error*);
  void (*release)(void* executable);
  // Tensors in the order of the segment's lists, of their types, contiguous.
  bool (*run)(void* executable, uint64_t segment, const void* const* inputs, void* const* outputs,
              Times*, Error*);
  // Pinned host memory that lives as long as the executable; null: ordinary memory is as good.
  void* (*allocate_crossing)(void* executable, uint64_t bytes);
  uint64_t (*memory_bytes)(void* executable);
};

using EntryFunction = const Module* (*)();

}  // namespace taoism::device::torch_abi
