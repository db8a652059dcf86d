#include "onnx/tensor_proto.h"

#include <unistd.h>

#include <bit>
#include <charconv>

namespace taoism::onnx {
namespace {

using ::onnx::TensorProto;

size_t element_bytes(int32_t type) {
  switch (type) {
    case TensorProto::INT8:
    case TensorProto::UINT8:
    case TensorProto::BOOL: return 1;
    case TensorProto::INT16:
    case TensorProto::UINT16:
    case TensorProto::FLOAT16:
    case TensorProto::BFLOAT16: return 2;
    case TensorProto::FLOAT:
    case TensorProto::INT32:
    case TensorProto::UINT32: return 4;
    case TensorProto::DOUBLE:
    case TensorProto::INT64:
    case TensorProto::UINT64: return 8;
    default: return 0;
  }
}

float from_half(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000) << 16;
  const uint32_t exponent = (half >> 10) & 31;
  const uint32_t mantissa = half & 1023;
  if (exponent == 0) {  // zero or subnormal: mantissa * 2^-24
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24F;
    return sign != 0 ? -magnitude : magnitude;
  }
  const uint32_t widened = exponent == 31 ? 255 : exponent + 112;
  return std::bit_cast<float>(sign | widened << 23 | mantissa << 13);
}

float from_brain(uint16_t brain) {
  return std::bit_cast<float>(static_cast<uint32_t>(brain) << 16);
}

template <typename From, typename To, typename Convert>
void convert(const std::byte* from, std::byte* to, size_t count, Convert function) {
  for (size_t i = 0; i < count; ++i) {
    From value;
    std::memcpy(&value, from + i * sizeof(From), sizeof(From));
    const To result = function(value);
    std::memcpy(to + i * sizeof(To), &result, sizeof(To));
  }
}

template <typename From>
void widen(const std::byte* from, std::byte* to, size_t count) {
  convert<From, int64_t>(from, to, count, [](From v) { return static_cast<int64_t>(v); });
}

// `from` holds elements of `type`, little-endian and not aligned.
void convert_raw(int32_t type, const std::byte* from, std::byte* to, size_t count) {
  switch (type) {
    case TensorProto::FLOAT:
      if (count > 0) std::memcpy(to, from, count * 4);
      break;
    case TensorProto::INT64:
    case TensorProto::UINT64:
      if (count > 0) std::memcpy(to, from, count * 8);
      break;
    case TensorProto::DOUBLE:
      convert<double, float>(from, to, count, [](double v) { return static_cast<float>(v); });
      break;
    case TensorProto::FLOAT16: convert<uint16_t, float>(from, to, count, from_half); break;
    case TensorProto::BFLOAT16: convert<uint16_t, float>(from, to, count, from_brain); break;
    case TensorProto::INT8: widen<int8_t>(from, to, count); break;
    case TensorProto::UINT8: widen<uint8_t>(from, to, count); break;
    case TensorProto::BOOL:
      convert<uint8_t, uint8_t>(from, to, count, [](uint8_t v) { return uint8_t{v != 0}; });
      break;
    case TensorProto::INT16: widen<int16_t>(from, to, count); break;
    case TensorProto::UINT16: widen<uint16_t>(from, to, count); break;
    case TensorProto::INT32: widen<int32_t>(from, to, count); break;
    case TensorProto::UINT32: widen<uint32_t>(from, to, count); break;
    default: break;
  }
}

template <typename To, typename Field, typename Convert>
Status copy_field(const Field& field, size_t count, std::byte* to, Convert function) {
  if (static_cast<size_t>(field.size()) != count) {
    return invalid_argument("holds " + std::to_string(field.size()) + " elements, its shape says " +
                            std::to_string(count));
  }
  for (size_t i = 0; i < count; ++i) {
    const To value = function(field.Get(static_cast<int>(i)));
    std::memcpy(to + i * sizeof(To), &value, sizeof(To));
  }
  return {};
}

size_t field_elems(const TensorProto& tensor) {
  switch (tensor.data_type()) {
    case TensorProto::FLOAT: return static_cast<size_t>(tensor.float_data_size());
    case TensorProto::DOUBLE: return static_cast<size_t>(tensor.double_data_size());
    case TensorProto::INT64: return static_cast<size_t>(tensor.int64_data_size());
    case TensorProto::UINT32:
    case TensorProto::UINT64: return static_cast<size_t>(tensor.uint64_data_size());
    default: return static_cast<size_t>(tensor.int32_data_size());
  }
}

Status copy_fields(const TensorProto& tensor, size_t count, std::byte* to) {
  const auto to_float = [](auto v) { return static_cast<float>(v); };
  const auto to_int = [](auto v) { return static_cast<int64_t>(v); };
  switch (tensor.data_type()) {
    case TensorProto::FLOAT: return copy_field<float>(tensor.float_data(), count, to, to_float);
    case TensorProto::DOUBLE: return copy_field<float>(tensor.double_data(), count, to, to_float);
    case TensorProto::INT64: return copy_field<int64_t>(tensor.int64_data(), count, to, to_int);
    case TensorProto::UINT32:
    case TensorProto::UINT64: return copy_field<int64_t>(tensor.uint64_data(), count, to, to_int);
    case TensorProto::FLOAT16:
      return copy_field<float>(tensor.int32_data(), count, to,
                               [](int32_t v) { return from_half(static_cast<uint16_t>(v)); });
    case TensorProto::BFLOAT16:
      return copy_field<float>(tensor.int32_data(), count, to,
                               [](int32_t v) { return from_brain(static_cast<uint16_t>(v)); });
    case TensorProto::BOOL:
      return copy_field<uint8_t>(tensor.int32_data(), count, to,
                                 [](int32_t v) { return uint8_t{v != 0}; });
    default: return copy_field<int64_t>(tensor.int32_data(), count, to, to_int);
  }
}

Result<uint64_t> parse_number(const std::string& text, const char* key) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    return invalid_argument(std::string("external data has ") + key + " '" + printable(text) +
                            "', not a number");
  }
  return value;
}

struct ExternalRange {
  const SourceFile* file = nullptr;
  uint64_t offset = 0;
};

Result<ExternalRange> external_range(const TensorProto& tensor, uint64_t bytes,
                                     ExternalFiles& files) {
  std::string location;
  uint64_t offset = 0, length = bytes;
  for (const auto& entry : tensor.external_data()) {
    if (entry.key() == "location") location = entry.value();
    if (entry.key() == "offset") {
      TAOISM_ASSIGN_OR_RETURN(offset, parse_number(entry.value(), "offset"));
    }
    if (entry.key() == "length") {
      TAOISM_ASSIGN_OR_RETURN(length, parse_number(entry.value(), "length"));
    }
  }
  TAOISM_ASSIGN_OR_RETURN(const SourceFile* file, files.open(location));
  if (length != bytes) {
    return invalid_argument("external data has " + std::to_string(length) +
                            " bytes, its shape says " + std::to_string(bytes));
  }
  if (offset > file->size() || bytes > file->size() - offset) {
    return invalid_argument("external data at " + std::to_string(offset) + " needs " +
                            std::to_string(bytes) + " bytes, '" + printable(location) + "' has " +
                            std::to_string(file->size()));
  }
  return ExternalRange{file, offset};
}

// Memory that this machine cannot have would end the process when it is touched.
Status check_memory(uint64_t bytes) {
  static const uint64_t physical = static_cast<uint64_t>(::sysconf(_SC_PHYS_PAGES)) *
                                   static_cast<uint64_t>(::sysconf(_SC_PAGE_SIZE));
  if (bytes <= physical) return {};
  return resource_exhausted("takes " + std::to_string(bytes) + " bytes, this machine has " +
                            std::to_string(physical));
}

Result<ConstantPtr> read_external(const TensorProto& tensor, const ir::TensorDesc& desc,
                                  size_t count, ExternalFiles& files) {
  const uint64_t bytes = count * element_bytes(tensor.data_type());
  TAOISM_ASSIGN_OR_RETURN(const ExternalRange range, external_range(tensor, bytes, files));
  TAOISM_RETURN_IF_ERROR(check_memory(2 * bytes + desc.bytes()));
  auto [constant, data] = ir::make_constant(desc);
  const bool as_it_is =
      tensor.data_type() == TensorProto::FLOAT || tensor.data_type() == TensorProto::INT64;
  if (as_it_is) {
    TAOISM_RETURN_IF_ERROR(range.file->read(range.offset, {data, bytes}));
  } else {
    AlignedBuffer raw(bytes);
    TAOISM_RETURN_IF_ERROR(range.file->read(range.offset, raw.span()));
    convert_raw(tensor.data_type(), raw.data(), data, count);
  }
  return ConstantPtr(std::move(constant));
}

Result<ConstantPtr> read_named(const TensorProto& tensor, ExternalFiles& files) {
  const int32_t type = tensor.data_type();
  if (element_bytes(type) == 0) return unsupported("has type " + element_type_name(type));
  if (tensor.has_segment()) return unsupported("is stored in segments");
  if (static_cast<size_t>(tensor.dims_size()) > ir::kMaxRank) {
    return unsupported("has " + std::to_string(tensor.dims_size()) + " dimensions, at most " +
                       std::to_string(ir::kMaxRank) + " are supported");
  }
  ir::TensorDesc desc{dtype_inside(type), {}};
  for (const int64_t dim : tensor.dims()) {
    if (dim < 0) return invalid_argument("has a dimension of " + std::to_string(dim));
    desc.shape.push_back(dim);
  }
  if (!desc.shape.is_bounded()) return invalid_argument("is too large: " + desc.shape.text());
  const auto count = static_cast<size_t>(desc.shape.elements());
  if (tensor.data_location() == TensorProto::EXTERNAL) {
    return read_external(tensor, desc, count, files);
  }
  const bool raw = tensor.has_raw_data();
  // Compared before anything of that size is allocated.
  const size_t held = raw ? tensor.raw_data().size() : field_elems(tensor);
  const size_t expected = raw ? count * element_bytes(type) : count;
  if (held != expected) {
    return invalid_argument("holds " + std::to_string(held) + (raw ? " bytes" : " elements") +
                            ", its shape says " + std::to_string(expected));
  }
  auto [constant, data] = ir::make_constant(desc);
  if (raw) {
    convert_raw(type, reinterpret_cast<const std::byte*>(tensor.raw_data().data()), data, count);
  } else {
    TAOISM_RETURN_IF_ERROR(copy_fields(tensor, count, data));
  }
  return ConstantPtr(std::move(constant));
}

}  // namespace

Result<const SourceFile*> ExternalFiles::open(const std::string& location) {
  if (const auto it = files_.find(location); it != files_.end()) return &it->second;
  namespace fs = std::filesystem;
  const fs::path relative(location);
  bool inside =
      !location.empty() && relative.is_relative() && location.find('\0') == std::string::npos;
  for (const fs::path& part : relative) inside = inside && part != "..";
  std::error_code error;
  const fs::path root = fs::weakly_canonical(folder_, error);
  // A symbolic link may leave the folder although the name does not.
  const fs::path full = fs::weakly_canonical(folder_ / relative, error);
  const auto [mismatch, ignored] =
      std::mismatch(root.begin(), root.end(), full.begin(), full.end());
  if (!inside || error || mismatch != root.end()) {
    return invalid_argument("external data '" + printable(location) +
                            "' is outside the model's folder");
  }
  auto file = SourceFile::open(full.string());
  if (!file.ok()) {
    return Status(file.code(), printable(file.status().message())).annotate("external data");
  }
  return &files_.emplace(location, std::move(*file)).first->second;
}

Result<ConstantPtr> read_tensor(const TensorProto& tensor, ExternalFiles& files) {
  auto constant = read_named(tensor, files);
  if (constant.ok()) return constant;
  return constant.status().annotate("tensor '" + printable(tensor.name()) + "'");
}

std::string element_type_name(int32_t type) {
  static constexpr const char* kNames[] = {
      "undefined",      "float32",    "uint8",          "int8",       "uint16",   "int16",
      "int32",          "int64",      "string",         "bool",       "float16",  "float64",
      "uint32",         "uint64",     "complex64",      "complex128", "bfloat16", "float8e4m3fn",
      "float8e4m3fnuz", "float8e5m2", "float8e5m2fnuz", "uint4",      "int4",     "float4e2m1"};
  if (type >= 0 && static_cast<size_t>(type) < std::size(kNames)) return kNames[type];
  return "type " + std::to_string(type);
}

bool is_float_type(int32_t type) {
  return type == TensorProto::FLOAT || type == TensorProto::DOUBLE ||
         type == TensorProto::FLOAT16 || type == TensorProto::BFLOAT16;
}

ir::DType dtype_inside(int32_t type) {
  if (is_float_type(type)) return ir::DType::f32;
  return type == TensorProto::BOOL ? ir::DType::boolean : ir::DType::i64;
}

}  // namespace taoism::onnx
