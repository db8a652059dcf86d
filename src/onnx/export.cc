#include "onnx/export.h"

#include <onnx/onnx_pb.h>

#include <cerrno>
#include <limits>

#include <google/protobuf/io/zero_copy_stream_impl.h>

#include "files/output_file.h"

namespace taoism::onnx {
namespace {

constexpr int64_t kIrVersion = 8;
constexpr int64_t kOpset = 17;

void set_value_info(::onnx::ValueInfoProto& info, const std::string& name, const ir::Shape& shape) {
  info.set_name(name);
  auto& type = *info.mutable_type()->mutable_tensor_type();
  type.set_elem_type(::onnx::TensorProto::FLOAT);
  auto& dims = *type.mutable_shape();
  for (const int64_t dim : shape) {
    if (dim < 0) {
      dims.add_dim()->set_dim_param("N");
    } else {
      dims.add_dim()->set_dim_value(dim);
    }
  }
}

void set_attribute(::onnx::AttributeProto& attribute, const ir::Attrs::Entry& entry) {
  attribute.set_name(entry.name);
  if (const auto* i = std::get_if<int64_t>(&entry.value)) {
    attribute.set_type(::onnx::AttributeProto::INT);
    attribute.set_i(*i);
  } else if (const auto* f = std::get_if<float>(&entry.value)) {
    attribute.set_type(::onnx::AttributeProto::FLOAT);
    attribute.set_f(*f);
  } else if (const auto* s = std::get_if<std::string>(&entry.value)) {
    attribute.set_type(::onnx::AttributeProto::STRING);
    attribute.set_s(*s);
  } else if (const auto* ints = std::get_if<std::vector<int64_t>>(&entry.value)) {
    attribute.set_type(::onnx::AttributeProto::INTS);
    for (const int64_t value : *ints) attribute.add_ints(value);
  } else if (const auto* floats = std::get_if<std::vector<float>>(&entry.value)) {
    attribute.set_type(::onnx::AttributeProto::FLOATS);
    for (const float value : *floats) attribute.add_floats(value);
  }
}

// 0, or the errno of what went wrong.
int write_to(int descriptor, const ::onnx::ModelProto& model) {
  google::protobuf::io::FileOutputStream stream(descriptor);
  const bool written = model.SerializeToZeroCopyStream(&stream) && stream.Flush();
  if (written) return 0;
  return stream.GetErrno() != 0 ? stream.GetErrno() : EIO;
}

}  // namespace

struct ModelWriter::Proto {
  ::onnx::ModelProto model;
  ::onnx::GraphProto& graph() { return *model.mutable_graph(); }
};

ModelWriter::ModelWriter(const std::string& graph_name) : proto_(std::make_unique<Proto>()) {
  proto_->model.set_ir_version(kIrVersion);
  proto_->model.set_producer_name("taoism");
  proto_->model.add_opset_import()->set_version(kOpset);
  proto_->graph().set_name(graph_name);
}

ModelWriter::ModelWriter(ModelWriter&&) noexcept = default;
ModelWriter::~ModelWriter() = default;

void ModelWriter::set_metadata(const std::string& key, const std::string& value) {
  auto& entry = *proto_->model.add_metadata_props();
  entry.set_key(key);
  entry.set_value(value);
}

void ModelWriter::add_input(const std::string& name, const ir::Shape& shape) {
  set_value_info(*proto_->graph().add_input(), name, shape);
}

void ModelWriter::add_output(const std::string& name, const ir::Shape& shape) {
  set_value_info(*proto_->graph().add_output(), name, shape);
}

void ModelWriter::add_weight(const std::string& name, const ir::Shape& shape,
                             const std::function<void(std::span<float>)>& fill) {
  auto& tensor = *proto_->graph().add_initializer();
  tensor.set_name(name);
  tensor.set_data_type(::onnx::TensorProto::FLOAT);
  for (const int64_t dim : shape) tensor.add_dims(dim);
  std::vector<float> values(static_cast<size_t>(shape.elements()));
  fill(values);
  tensor.set_raw_data(values.data(), values.size() * sizeof(float));
}

void ModelWriter::add_ints(const std::string& name, std::span<const int64_t> values) {
  auto& tensor = *proto_->graph().add_initializer();
  tensor.set_name(name);
  tensor.set_data_type(::onnx::TensorProto::INT64);
  tensor.add_dims(static_cast<int64_t>(values.size()));
  for (const int64_t value : values) tensor.add_int64_data(value);
}

void ModelWriter::add_node(const std::string& op, const std::string& name,
                           const std::vector<std::string>& inputs,
                           const std::vector<std::string>& outputs, const ir::Attrs& attrs) {
  auto& node = *proto_->graph().add_node();
  node.set_op_type(op);
  node.set_name(name);
  for (const std::string& input : inputs) node.add_input(input);
  for (const std::string& output : outputs) node.add_output(output);
  for (const ir::Attrs::Entry& entry : attrs.entries()) set_attribute(*node.add_attribute(), entry);
}

Status ModelWriter::write(const std::string& path) const {
  if (proto_->model.ByteSizeLong() > static_cast<size_t>(std::numeric_limits<int>::max())) {
    return resource_exhausted("'" + path + "' would be over 2 GiB, more than ONNX allows");
  }
  TAOISM_ASSIGN_OR_RETURN(files::OutputFile file, files::OutputFile::create(path));
  try {
    const int error = write_to(file.descriptor(), proto_->model);
    if (error != 0) return file.failure("cannot write", error);
  } catch (const std::exception& error) {
    return invalid_argument("'" + path + "' cannot be written: " + error.what());
  }
  return file.commit();
}

}  // namespace taoism::onnx
