// Hostile .npy bytes: the layout that is accepted covers exactly the file, and its header, written
// again, gives the same layout.
#include "files/npy.h"
#include "reader.h"

namespace taoism::fuzz {

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const ConstByteSpan bytes = fuzz::Reader(data, size).rest();
  const auto layout = files::parse_npy(bytes);
  if (!layout.ok()) {
    TAOISM_CHECK(layout.code() == Code::invalid_argument && !layout.status().message().empty());
    return 0;
  }
  TAOISM_CHECK(layout->data_offset + layout->desc.bytes() == bytes.size());
  std::string again = files::npy_header(layout->desc);
  const size_t header_bytes = again.size();
  again.append(reinterpret_cast<const char*>(bytes.data()) + layout->data_offset,
               layout->desc.bytes());
  const auto read = files::parse_npy(std::as_bytes(std::span(again)));
  TAOISM_CHECK(read.ok() && read->desc == layout->desc && read->data_offset == header_bytes);
  return 0;
}

}  // namespace taoism::fuzz
