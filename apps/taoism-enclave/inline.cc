// The TEE image that runs in the caller's process: for debugging, it protects nothing.

#include <sys/mman.h>

#include "key_file.h"
#include "start_config.h"
#include "trusted/image.h"
#include "wire/abi.h"
#include "worker_pool.h"

namespace taoism::image {
namespace {

struct Mapping {
  explicit Mapping(uint64_t bytes) : bytes(bytes) {
    if (bytes == 0) return;
    void* p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) return;
    data = static_cast<std::byte*>(p);
    madvise(data, bytes, MADV_HUGEPAGE);
  }
  ~Mapping() {
    if (data != nullptr) munmap(data, bytes);
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ByteSpan span() const { return {data, data == nullptr ? 0 : bytes}; }

  std::byte* data = nullptr;
  size_t bytes;
};

struct InlineImage {
  explicit InlineImage(const wire::Config& config)
      : memory(config.budget_bytes),
        pool(config.threads, config.spin_ns != 0),
        image(memory.span(), pool, &keys) {}

  KeyFile keys;
  Mapping memory;
  WorkerPool pool;
  trusted::Image image;
};

void refuse(wire::Reply& reply, Code code, wire::Text text) {
  reply = {};
  reply.code = static_cast<uint32_t>(code);
  reply.text = static_cast<uint32_t>(text);
}

}  // namespace
}  // namespace taoism::image

using taoism::Code;
using taoism::image::InlineImage;
using taoism::wire::Text;

extern "C" {

__attribute__((visibility("default"))) void* taoism_tee_init(
    const taoism::wire::Config* untrusted_config, taoism::wire::Reply* reply) {
  taoism::wire::Config config = *untrusted_config;
  if (!taoism::image::accept_config(config)) {
    taoism::image::refuse(*reply, Code::invalid_argument, Text::bad_config);
    return nullptr;
  }
  auto image = std::make_unique<InlineImage>(config);
  if (image->memory.span().size() != config.budget_bytes) {
    taoism::image::refuse(*reply, Code::resource_exhausted, Text::arena_too_small);
    return nullptr;
  }
  if (image->keys.read(config.key_file) != 0) {
    taoism::image::refuse(*reply, Code::invalid_argument, Text::bad_key_file);
    return nullptr;
  }
  *reply = {};
  return image.release();
}

__attribute__((visibility("default"))) void taoism_tee_call(void* image,
                                                            const taoism::wire::Message* message,
                                                            std::byte* payload,
                                                            uint64_t payload_bytes,
                                                            taoism::wire::Reply* reply) {
  static_cast<InlineImage*>(image)->image.call(*message, {payload, payload_bytes}, *reply);
}

__attribute__((visibility("default"))) void taoism_tee_close(void* image) {
  delete static_cast<InlineImage*>(image);
}

}  // extern "C"
