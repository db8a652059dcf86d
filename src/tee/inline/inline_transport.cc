// `--tee inline`: the image as a library in this process, called directly. Protects nothing.
#include <dlfcn.h>

#include <deque>

#include "tee/find_image.h"
#include "tee/region.h"
#include "tee/transport.h"
#include "wire/abi.h"

namespace taoism::tee {
namespace {

struct CloseLibrary {
  void operator()(void* handle) const { dlclose(handle); }
};
using Library = std::unique_ptr<void, CloseLibrary>;

struct Entries {
  wire::InitFunction init;
  wire::CallFunction call;
  wire::CloseFunction close;
};

class InlineTransport final : public Transport {
 public:
  InlineTransport(Library library, const Entries& entries, void* image, Region payload)
      : library_(std::move(library)),
        entries_(entries),
        image_(image),
        payload_(std::move(payload)) {}
  ~InlineTransport() override { entries_.close(image_); }

  ByteSpan payload() override { return payload_.bytes(); }
  std::vector<std::string> warnings() const override {
    return {"--tee inline runs trusted code in this process: for debugging, it protects nothing"};
  }

 protected:
  Status send(uint32_t, const wire::Message& message) override {
    const ByteSpan all = payload_.bytes();
    entries_.call(image_, &message, all.data(), all.size(), &replies_.emplace_back());
    return {};
  }
  Status receive(uint32_t, wire::Reply& reply) override {
    reply = replies_.front();
    replies_.pop_front();
    return {};
  }

 private:
  Library library_;
  Entries entries_;
  void* image_;
  Region payload_;
  std::deque<wire::Reply> replies_;
};

}  // namespace

Result<std::unique_ptr<Transport>> start_inline(const TeeOptions& options, size_t payload_bytes) {
  TAOISM_ASSIGN_OR_RETURN(const std::string path,
                          find_image(options.worker_path, "libtaoism-inline.so"));
  Library library(dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL));
  if (library == nullptr) return unavailable("TEE image " + path + ": " + dlerror());
  const Entries entries{
      reinterpret_cast<wire::InitFunction>(dlsym(library.get(), wire::kInitSymbol)),
      reinterpret_cast<wire::CallFunction>(dlsym(library.get(), wire::kCallSymbol)),
      reinterpret_cast<wire::CloseFunction>(dlsym(library.get(), wire::kCloseSymbol))};
  if (entries.init == nullptr || entries.call == nullptr || entries.close == nullptr) {
    return unavailable("TEE image " + path + " is no inline image of taoism: rebuild it");
  }
  TAOISM_ASSIGN_OR_RETURN(wire::Config config, make_config(options));
  config.spin_ns = 1;
  TAOISM_ASSIGN_OR_RETURN(Region payload, Region::create(payload_bytes, options));
  wire::Reply reply;
  void* image = entries.init(&config, &reply);
  if (image == nullptr) return status_of(reply);
  return std::unique_ptr<Transport>(
      std::make_unique<InlineTransport>(std::move(library), entries, image, std::move(payload)));
}

}  // namespace taoism::tee
