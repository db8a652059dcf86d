#include "files/npy.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>

namespace taoism::files {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr size_t kMaxHeaderBytes = 65536;

struct NpyType {
  std::string_view descr;
  ir::DType dtype;
};
// numpy has no bfloat16: those who have it save its bits as two bytes of nothing.
constexpr NpyType kTypes[] = {
    {"<f4", ir::DType::f32},  {"<f8", ir::DType::f64},     {"<f2", ir::DType::f16},
    {"<i2", ir::DType::i16},  {"<i4", ir::DType::i32},     {"<i8", ir::DType::i64},
    {"<u2", ir::DType::u16},  {"<u4", ir::DType::u32},     {"<u8", ir::DType::u64},
    {"|u1", ir::DType::u8},   {"|i1", ir::DType::i8},      {"<V2", ir::DType::bf16},
    {"|V2", ir::DType::bf16}, {"|b1", ir::DType::boolean},
};

// A cursor over the header's Python dict literal: only what NumPy itself writes is understood.
class Cursor {
 public:
  explicit Cursor(std::string_view text) : text_(text) {}

  bool accept(char c) {
    skip_space();
    if (text_.empty() || text_.front() != c) return false;
    text_.remove_prefix(1);
    return true;
  }
  bool accept(std::string_view word) {
    skip_space();
    if (!text_.starts_with(word)) return false;
    text_.remove_prefix(word.size());
    return true;
  }
  std::optional<std::string_view> quoted() {
    skip_space();
    if (text_.empty() || (text_.front() != '\'' && text_.front() != '"')) return std::nullopt;
    size_t end = text_.find(text_.front(), 1);
    if (end == std::string_view::npos) return std::nullopt;
    std::string_view value = text_.substr(1, end - 1);
    text_.remove_prefix(end + 1);
    return value;
  }
  std::optional<int64_t> integer() {
    skip_space();
    int64_t value = 0;
    auto [end, error] = std::from_chars(text_.data(), text_.data() + text_.size(), value);
    if (error != std::errc() || value < 0) return std::nullopt;
    text_.remove_prefix(static_cast<size_t>(end - text_.data()));
    return value;
  }
  bool at_end() {
    skip_space();
    return text_.empty();
  }

 private:
  void skip_space() {
    while (!text_.empty() && (text_.front() == ' ' || text_.front() == '\n'))
      text_.remove_prefix(1);
  }
  std::string_view text_;
};

// `is_too_deep`: it has more dimensions than a shape holds.
std::optional<ir::Shape> parse_shape(Cursor& cursor, bool& is_too_deep) {
  ir::Shape shape;
  if (!cursor.accept('(')) return std::nullopt;
  while (!cursor.accept(')')) {
    std::optional<int64_t> dim = cursor.integer();
    if (!dim) return std::nullopt;
    if (shape.rank() == ir::kMaxRank) {
      is_too_deep = true;
      return std::nullopt;
    }
    shape.push_back(*dim);
    if (cursor.accept(',')) continue;
    if (!cursor.accept(')')) return std::nullopt;
    break;
  }
  return shape;
}

Status bad_header() {
  return invalid_argument("damaged .npy header; write the file with numpy.save");
}

Status parse_dtype(std::string_view descr, ir::DType& dtype) {
  const auto* type = std::find_if(std::begin(kTypes), std::end(kTypes),
                                  [&](const NpyType& t) { return t.descr == descr; });
  if (type != std::end(kTypes)) {
    dtype = type->dtype;
    return {};
  }
  std::string text(descr.substr(0, 16));
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  if (text.starts_with('>')) {
    return invalid_argument("big-endian .npy data ('" + text +
                            "'); save x.astype(x.dtype.newbyteorder('<'))");
  }
  return invalid_argument(".npy data of type '" + text + "'; save x.astype('float32')");
}

Status parse_dict(std::string_view header, ir::TensorDesc& desc) {
  Cursor cursor(header);
  bool has_descr = false;
  bool has_order = false;
  bool has_shape = false;
  if (!cursor.accept('{')) return bad_header();
  while (!cursor.accept('}')) {
    std::optional<std::string_view> key = cursor.quoted();
    if (!key || !cursor.accept(':')) return bad_header();
    if (*key == "descr" && !has_descr) {
      std::optional<std::string_view> descr = cursor.quoted();
      if (!descr)
        return invalid_argument(".npy data with named fields; save a plain float32 array");
      TAOISM_RETURN_IF_ERROR(parse_dtype(*descr, desc.dtype));
      has_descr = true;
    } else if (*key == "fortran_order" && !has_order) {
      if (cursor.accept("True")) {
        return invalid_argument(".npy data in Fortran order; save numpy.ascontiguousarray(x)");
      }
      if (!cursor.accept("False")) return bad_header();
      has_order = true;
    } else if (*key == "shape" && !has_shape) {
      bool is_too_deep = false;
      std::optional<ir::Shape> shape = parse_shape(cursor, is_too_deep);
      if (is_too_deep) {
        return invalid_argument(".npy data of more than " + std::to_string(ir::kMaxRank) +
                                " dimensions; reshape it");
      }
      if (!shape) return bad_header();
      desc.shape = *shape;
      has_shape = true;
    } else {
      return bad_header();
    }
    if (cursor.accept(',')) continue;
    if (!cursor.accept('}')) return bad_header();
    break;
  }
  if (!has_descr || !has_order || !has_shape || !cursor.at_end()) return bad_header();
  return {};
}

}  // namespace

Result<NpyLayout> parse_npy(ConstByteSpan bytes) {
  std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (!text.starts_with(kMagic))
    return invalid_argument(
        "no .npy, .npz, IDX, PNG, JPEG or PPM file; raw elements are for --input-type");
  if (text.size() < 12) return invalid_argument("truncated .npy header");
  auto byte = [&](size_t i) { return static_cast<size_t>(static_cast<unsigned char>(text[i])); };
  size_t major = byte(6);
  if (major < 1 || major > 3) {
    return invalid_argument(".npy version " + std::to_string(major) + "; versions 1 to 3 are read");
  }
  size_t prefix = major == 1 ? 10 : 12;
  size_t header_bytes = byte(8) | byte(9) << 8;
  if (major > 1) header_bytes |= byte(10) << 16 | byte(11) << 24;
  if (header_bytes > kMaxHeaderBytes) return bad_header();
  if (text.size() < prefix + header_bytes) return invalid_argument("truncated .npy header");

  NpyLayout layout;
  TAOISM_RETURN_IF_ERROR(parse_dict(text.substr(prefix, header_bytes), layout.desc));
  layout.data_offset = prefix + header_bytes;
  if (!layout.desc.shape.is_bounded()) {
    return invalid_argument(".npy shape " + layout.desc.shape.text() + " is too large");
  }
  size_t present = text.size() - layout.data_offset;
  if (present != layout.desc.bytes()) {
    return invalid_argument((present < layout.desc.bytes() ? "truncated .npy file: "
                                                           : "bytes after the end of .npy data: ") +
                            std::to_string(present) + " bytes of data, shape " +
                            layout.desc.shape.text() + " of " + ir::dtype_name(layout.desc.dtype) +
                            " needs " + std::to_string(layout.desc.bytes()));
  }
  return layout;
}

std::string npy_header(const ir::TensorDesc& desc) {
  const auto* type = std::find_if(std::begin(kTypes), std::end(kTypes),
                                  [&](const NpyType& t) { return t.dtype == desc.dtype; });
  TAOISM_CHECK(type != std::end(kTypes));
  std::string dict =
      "{'descr': '" + std::string(type->descr) + "', 'fortran_order': False, 'shape': (";
  for (int64_t dim : desc.shape) dict += std::to_string(dim) + ", ";
  if (desc.shape.rank() > 1) dict.resize(dict.size() - 2);
  if (desc.shape.rank() == 1) dict.pop_back();
  dict += "), }";
  constexpr size_t kPrefix = 10;
  dict.append(round_up(kPrefix + dict.size() + 1, kAlignment) - kPrefix - dict.size() - 1, ' ');
  dict += '\n';
  std::string header(kMagic);
  header += '\x01';
  header += '\x00';
  header += static_cast<char>(dict.size() & 0xff);
  header += static_cast<char>(dict.size() >> 8);
  return header + dict;
}

}  // namespace taoism::files
