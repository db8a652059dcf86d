// Hostile IDX bytes: the layout that is accepted covers exactly the file.
#include "files/idx.h"
#include "reader.h"

namespace taoism::fuzz {

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const ConstByteSpan bytes = fuzz::Reader(data, size).rest();
  const auto layout = files::parse_idx(bytes);
  if (!layout.ok()) {
    TAOISM_CHECK(layout.code() == Code::invalid_argument && !layout.status().message().empty());
    return 0;
  }
  TAOISM_CHECK(layout->data_offset + layout->desc.bytes() == bytes.size());
  TAOISM_CHECK(layout->desc.shape.rank() > 0);
  return 0;
}

}  // namespace taoism::fuzz
