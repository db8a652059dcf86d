#include "files/idx.h"

#include <algorithm>
#include <cstring>

namespace taoism::files {
namespace {

struct IdxType {
  uint32_t code;
  ir::DType dtype;
};
constexpr IdxType kTypes[] = {{0x08, ir::DType::u8},  {0x09, ir::DType::i8},
                              {0x0B, ir::DType::i16}, {0x0C, ir::DType::i32},
                              {0x0D, ir::DType::f32}, {0x0E, ir::DType::f64}};

}  // namespace

Result<IdxLayout> parse_idx(ConstByteSpan bytes) {
  auto byte = [&](size_t i) { return std::to_integer<uint32_t>(bytes[i]); };
  if (bytes.size() < 4 || byte(0) != 0 || byte(1) != 0) return invalid_argument("not an IDX file");
  const auto* type = std::find_if(std::begin(kTypes), std::end(kTypes),
                                  [&](const IdxType& t) { return t.code == byte(2); });
  if (type == std::end(kTypes)) {
    return invalid_argument("IDX element type " + std::to_string(byte(2)) +
                            "; 8, 9 and 11 to 14 are read");
  }
  size_t rank = byte(3);
  if (rank == 0 || rank > ir::kMaxRank) {
    return invalid_argument("IDX file of " + std::to_string(rank) + " dimensions");
  }
  IdxLayout layout;
  layout.desc.dtype = type->dtype;
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

void copy_idx(const IdxLayout& layout, ConstByteSpan bytes, std::byte* to) {
  const size_t size = layout.desc.bytes(), element = ir::dtype_bytes(layout.desc.dtype);
  if (size == 0) return;
  std::memcpy(to, bytes.data() + layout.data_offset, size);
  for (size_t at = 0; element > 1 && at < size; at += element) {
    std::reverse(to + at, to + at + element);  // to little-endian
  }
}

}  // namespace taoism::files
