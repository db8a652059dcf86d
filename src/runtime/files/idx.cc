#include "runtime/files/idx.h"

namespace taoism::files {

Result<IdxLayout> parse_idx(ConstByteSpan bytes) {
  auto byte = [&](size_t i) { return std::to_integer<uint32_t>(bytes[i]); };
  if (bytes.size() < 4 || byte(0) != 0 || byte(1) != 0) return invalid_argument("not an IDX file");
  if (byte(2) != 0x08) {
    return invalid_argument("IDX element type " + std::to_string(byte(2)) +
                            "; only unsigned bytes (8) are read");
  }
  size_t rank = byte(3);
  if (rank == 0 || rank > ir::kMaxRank) {
    return invalid_argument("IDX file of " + std::to_string(rank) + " dimensions");
  }
  IdxLayout layout;
  layout.desc.dtype = ir::DType::u8;
  layout.data_offset = 4 + 4 * rank;
  if (bytes.size() < layout.data_offset) return invalid_argument("truncated IDX header");
  for (size_t i = 0; i < rank; ++i) {
    size_t at = 4 + 4 * i;
    layout.desc.shape.push_back(int64_t{byte(at)} << 24 | byte(at + 1) << 16 | byte(at + 2) << 8 |
                                byte(at + 3));
  }
  if (!layout.desc.shape.is_bounded()) {
    return invalid_argument("IDX shape " + layout.desc.shape.text() + " is too large");
  }
  size_t present = bytes.size() - layout.data_offset;
  if (present != layout.desc.bytes()) {
    return invalid_argument((present < layout.desc.bytes() ? "truncated IDX file: "
                                                           : "bytes after the end of IDX data: ") +
                            std::to_string(present) + " bytes of data, shape " +
                            layout.desc.shape.text() + " needs " +
                            std::to_string(layout.desc.bytes()));
  }
  return layout;
}

}  // namespace taoism::files
