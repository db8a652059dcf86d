// Region: memory that a host and a TEE share, whose size nobody can change, and behind it the
// package file, if any, for the host to read alone. Host only; Linux. Thread-safety: one owner.
#pragma once

#include "base/bytes.h"
#include "files/descriptor.h"
#include "tee/tee.h"

namespace taoism::tee {

using files::Descriptor;

class Region {
 public:
  // At least `bytes`, in whole pages, then options.package_bytes of options.package_fd. Errors:
  // unavailable.
  static Result<Region> create(size_t bytes, const TeeOptions& options);
  Region(Region&& other) noexcept
      : fd_(std::move(other.fd_)), data_(other.data_), bytes_(other.bytes_) {
    other.data_ = nullptr;
  }
  Region& operator=(Region&&) = delete;
  ~Region();

  // Of the shared part.
  int fd() const { return fd_.get(); }
  ByteSpan bytes() const { return {data_, bytes_}; }
  // A worker has its own mapping then.
  void close_descriptor() { fd_.reset(); }

 private:
  Region() = default;

  Descriptor fd_;
  std::byte* data_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace taoism::tee
