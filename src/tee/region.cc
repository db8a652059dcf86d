#include "tee/region.h"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "wire/ring.h"

namespace taoism::tee {

Region::~Region() {
  if (data_ != nullptr) munmap(data_, bytes_);
}

Result<Region> Region::create(size_t bytes, const TeeOptions& options) {
  const size_t shared = round_up(bytes, wire::kPageBytes);
  const size_t all = shared + options.package_bytes;
  const auto failed = [&](const char* what) {
    return unavailable(std::string(what) + " of " + std::to_string(all) +
                       " bytes for the TEE: " + std::strerror(errno));
  };
  Region region;
  region.fd_ = Descriptor(memfd_create("taoism-ring", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!region.fd_.is_open() || ftruncate(region.fd_.get(), static_cast<off_t>(shared)) != 0 ||
      fcntl(region.fd_.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
    return failed("shared memory");
  }
  void* data = mmap(nullptr, all, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (data == MAP_FAILED) return failed("addresses");
  region.data_ = static_cast<std::byte*>(data);
  region.bytes_ = all;
  if (mmap(data, shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, region.fd_.get(), 0) ==
      MAP_FAILED) {
    return failed("shared memory");
  }
  if (options.package_bytes != 0 &&
      mmap(region.data_ + shared, options.package_bytes, PROT_READ, MAP_SHARED | MAP_FIXED,
           options.package_fd, 0) == MAP_FAILED) {
    return failed("the package file");
  }
  return region;
}

}  // namespace taoism::tee
