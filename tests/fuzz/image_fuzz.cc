// Hostile pictures: what is decoded has the pixels that it says.
#include "files/image.h"
#include "reader.h"

namespace taoism::fuzz {

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const ConstByteSpan bytes = fuzz::Reader(data, size).rest();
  const auto image = files::decode_image(bytes);
  if (image.ok()) {
    TAOISM_CHECK(image->pixels.size() == static_cast<size_t>(3 * image->height * image->width));
    return 0;
  }
  TAOISM_CHECK(image.code() == Code::invalid_argument || image.code() == Code::resource_exhausted);
  TAOISM_CHECK(image.status().message().find('\n') == std::string::npos);
  return 0;
}

}  // namespace taoism::fuzz
