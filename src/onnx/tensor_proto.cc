#include "onnx/tensor_proto.h"

#include <charconv>

#include "host/memory.h"

namespace taoism::onnx {
namespace {

using ::onnx::TensorProto;

// Bytes that are no 0 are true.
void tidy_bools(ir::DType dtype, std::byte* data, size_t count) {
  if (dtype != ir::DType::boolean) return;
  for (size_t i = 0; i < count; ++i) data[i] = std::byte{data[i] != std::byte{0}};
}

// Elements of To from a field of wider numbers, of which they are the lower bits.
template <typename To, typename Field>
Status copy_field(const Field& field, size_t count, std::byte* to) {
  if (static_cast<size_t>(field.size()) != count) {
    return invalid_argument("holds " + std::to_string(field.size()) + " elements, its shape says " +
                            std::to_string(count));
  }
  for (size_t i = 0; i < count; ++i) {
    const auto value = static_cast<To>(field.Get(static_cast<int>(i)));
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

Status copy_fields(const TensorProto& tensor, ir::DType dtype, size_t count, std::byte* to) {
  switch (dtype) {
    case ir::DType::f32: return copy_field<float>(tensor.float_data(), count, to);
    case ir::DType::f64: return copy_field<double>(tensor.double_data(), count, to);
    case ir::DType::i64: return copy_field<int64_t>(tensor.int64_data(), count, to);
    case ir::DType::u64: return copy_field<uint64_t>(tensor.uint64_data(), count, to);
    case ir::DType::u32: return copy_field<uint32_t>(tensor.uint64_data(), count, to);
    case ir::DType::i32: return copy_field<int32_t>(tensor.int32_data(), count, to);
    case ir::DType::f16:
    case ir::DType::bf16:  // as their bits
    case ir::DType::i16:
    case ir::DType::u16: return copy_field<uint16_t>(tensor.int32_data(), count, to);
    case ir::DType::i8:
    case ir::DType::u8: return copy_field<uint8_t>(tensor.int32_data(), count, to);
    case ir::DType::boolean: return copy_field<bool>(tensor.int32_data(), count, to);
  }
  return internal_error("an element type without a field");
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
                                     ExternalFiles* files) {
  std::string location;
  uint64_t offset = 0, length = bytes;
  if (files == nullptr) return unsupported("external data is supported of weights alone");
  if (!tensor.raw_data().empty() || field_elems(tensor) > 0) {
    return invalid_argument("holds data, and names a file that has it");
  }
  for (const auto& entry : tensor.external_data()) {
    if (entry.key() == "location") location = entry.value();
    if (entry.key() == "offset") {
      TAOISM_ASSIGN_OR_RETURN(offset, parse_number(entry.value(), "offset"));
    }
    if (entry.key() == "length") {
      TAOISM_ASSIGN_OR_RETURN(length, parse_number(entry.value(), "length"));
    }
  }
  TAOISM_ASSIGN_OR_RETURN(const SourceFile* file, files->open(location));
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

Result<ConstantPtr> read_external(const TensorProto& tensor, const ir::TensorDesc& desc,
                                  ExternalFiles* files) {
  const uint64_t bytes = desc.bytes();
  TAOISM_ASSIGN_OR_RETURN(const ExternalRange range, external_range(tensor, bytes, files));
  TAOISM_RETURN_IF_ERROR(host::check_memory(bytes));
  auto [constant, data] = ir::make_constant(desc);
  TAOISM_RETURN_IF_ERROR(range.file->read(range.offset, {data, bytes}));
  tidy_bools(desc.dtype, data, bytes);
  return ConstantPtr(std::move(constant));
}

Result<ConstantPtr> read_named(const TensorProto& tensor, ExternalFiles* files) {
  const std::optional<ir::DType> dtype = dtype_of(tensor.data_type());
  if (!dtype) return unsupported("has type " + element_type_name(tensor.data_type()));
  if (tensor.has_segment()) return unsupported("is stored in segments");
  if (static_cast<size_t>(tensor.dims_size()) > ir::kMaxRank) {
    return unsupported("has " + std::to_string(tensor.dims_size()) + " dimensions, at most " +
                       std::to_string(ir::kMaxRank) + " are supported");
  }
  ir::TensorDesc desc{*dtype, {}};
  for (const int64_t dim : tensor.dims()) {
    if (dim < 0) return invalid_argument("has a dimension of " + std::to_string(dim));
    desc.shape.push_back(dim);
  }
  if (!desc.shape.is_bounded()) return invalid_argument("is too large: " + desc.shape.text());
  const auto count = static_cast<size_t>(desc.shape.elements());
  if (tensor.data_location() == TensorProto::EXTERNAL) {
    return read_external(tensor, desc, files);
  }
  const bool raw = tensor.has_raw_data();
  // Compared before anything of that size is allocated.
  const size_t held = raw ? tensor.raw_data().size() : field_elems(tensor);
  const size_t expected = raw ? desc.bytes() : count;
  if (held != expected) {
    return invalid_argument("holds " + std::to_string(held) + (raw ? " bytes" : " elements") +
                            ", its shape says " + std::to_string(expected));
  }
  TAOISM_RETURN_IF_ERROR(host::check_memory(desc.bytes()));
  auto [constant, data] = ir::make_constant(desc);
  if (raw) {
    if (held > 0) std::memcpy(data, tensor.raw_data().data(), held);
    tidy_bools(*dtype, data, held);
  } else {
    TAOISM_RETURN_IF_ERROR(copy_fields(tensor, *dtype, count, data));
  }
  return ConstantPtr(std::move(constant));
}

}  // namespace

Result<const SourceFile*> ExternalFiles::open(const std::string& location) {
  if (const auto it = files_.find(location); it != files_.end()) return &it->second;
  auto file = folder_.open(location);
  if (!file.ok()) {
    return Status(file.code(), printable(file.status().message())).annotate("external data");
  }
  if (file->is_same_file(folder_.model())) {
    return invalid_argument("external data '" + printable(location) + "' is the model itself");
  }
  return &files_.emplace(location, std::move(*file)).first->second;
}

Result<ConstantPtr> read_tensor(const TensorProto& tensor, ExternalFiles* files) {
  auto constant = read_named(tensor, files);
  if (constant.ok()) return constant;
  return constant.status().annotate("tensor '" + printable(tensor.name()) + "'");
}

}  // namespace taoism::onnx
