// Normalisation over what a layer computes from its input: layers, groups, instances.
#include "onnx/node_import.h"
#include "onnx/shape_rules.h"

namespace taoism::onnx {
namespace {

// The mean of `x` from axis `first` on.
Result<Tensor> mean_from(NodeImport& node, const Tensor& x, size_t first, const char* suffix) {
  std::vector<int64_t> axes;
  for (size_t i = first; i < node.desc(x).shape.rank(); ++i) {
    axes.push_back(static_cast<int64_t>(i));
  }
  ir::Attrs attrs;
  attrs.set("axes", std::move(axes));
  return node.emit("ReduceMean", {x}, std::move(attrs), suffix);
}

// The mean and 1 / sqrt(variance + epsilon), where somebody reads them.
Status give_moments(NodeImport& node, size_t first, float epsilon) {
  if (!node.is_read(1) && !node.is_read(2)) return {};
  TAOISM_ASSIGN_OR_RETURN(Tensor mean, mean_from(node, node.input(0), first, "/mean"));
  if (node.is_read(2)) {
    TAOISM_ASSIGN_OR_RETURN(Tensor y, node.emit("Sub", {node.input(0), mean}, {}, "/centered"));
    TAOISM_ASSIGN_OR_RETURN(y, node.emit("Mul", {y, y}, {}, "/squares"));
    TAOISM_ASSIGN_OR_RETURN(y, mean_from(node, y, first, "/variance"));
    const Tensor small{.name = node.name() + "/epsilon",
                       .constant = ir::make_f32_constant({}, {&epsilon, 1})};
    TAOISM_ASSIGN_OR_RETURN(y, node.emit("Add", {y, small}, {}, "/raised"));
    TAOISM_ASSIGN_OR_RETURN(y, node.emit("Sqrt", {y}, {}, "/deviation"));
    TAOISM_ASSIGN_OR_RETURN(y, node.emit("Reciprocal", {y}, {}, "/inverse"));
    TAOISM_RETURN_IF_ERROR(node.give(std::move(y), 2));
  }
  return node.give(std::move(mean), 1);
}

// Scale and bias in the shape of what is normalised together.
Status import_layer(NodeImport& node) {
  TAOISM_RETURN_IF_ERROR(node.expect_inputs(2));
  node.attrs.ignore("stash_type");  // float32 is what is computed with
  const ir::Shape& x = node.shape(0);
  const int64_t axis = node.attrs.i("axis", -1);
  TAOISM_ASSIGN_OR_RETURN(const size_t first, resolve_axis(axis, x.rank()));
  const ir::Shape row(x.dims().subspan(first));
  ir::Attrs attrs;
  attrs.set("axis", axis);
  const float epsilon = node.attrs.f("epsilon", 1e-5F);
  attrs.set("epsilon", epsilon);
  if (node.op() == "LayerNormalization") TAOISM_RETURN_IF_ERROR(give_moments(node, first, epsilon));
  std::vector<Tensor> inputs{node.input(0)};
  for (size_t i = 1; i < node.inputs(); ++i) {
    Tensor factor = node.input(i);
    if (factor.exists() && node.desc(factor).shape.elements() == row.elements()) {
      TAOISM_ASSIGN_OR_RETURN(factor, node.reshape(factor, row, i == 1 ? "/scale" : "/bias"));
    }
    inputs.push_back(std::move(factor));
  }
  TAOISM_ASSIGN_OR_RETURN(Tensor y, node.emit(node.op().c_str(), inputs, std::move(attrs)));
  return node.give(std::move(y));
}

// One value a group, as before opset 21, becomes one a channel.
Result<Tensor> per_channel(NodeImport& node, Tensor factor, int64_t groups, int64_t channels,
                           const char* suffix) {
  if (node.opset() >= 21 || groups == channels || groups < 1 || channels % groups != 0) {
    return factor;
  }
  ir::Attrs attrs;
  attrs.set("shape", std::vector<int64_t>{groups, channels / groups});
  const std::string name = suffix;
  TAOISM_ASSIGN_OR_RETURN(factor, node.reshape(factor, {groups, 1}, (name + "/column").c_str()));
  TAOISM_ASSIGN_OR_RETURN(
      factor, node.emit("Expand", {factor}, std::move(attrs), (name + "/repeat").c_str()));
  return node.reshape(factor, {channels}, suffix);
}

Status import_group(NodeImport& node) {
  TAOISM_RETURN_IF_ERROR(node.expect_inputs(3));
  node.attrs.ignore("stash_type");
  if (node.shape(0).rank() < 2) return invalid_argument("x has shape " + node.shape(0).text());
  const int64_t channels = node.shape(0)[1];
  const bool instance = node.op() == "InstanceNormalization";
  const int64_t groups = instance ? channels : node.attrs.i("num_groups", 0);
  ir::Attrs attrs;
  attrs.set("num_groups", groups);
  attrs.set("epsilon", node.attrs.f("epsilon", 1e-5F));
  TAOISM_ASSIGN_OR_RETURN(const Tensor scale,
                          per_channel(node, node.input(1), groups, channels, "/scale"));
  TAOISM_ASSIGN_OR_RETURN(const Tensor bias,
                          per_channel(node, node.input(2), groups, channels, "/bias"));
  TAOISM_ASSIGN_OR_RETURN(
      Tensor y, node.emit("GroupNormalization", {node.input(0), scale, bias}, std::move(attrs)));
  return node.give(std::move(y));
}

constexpr ImportEntry kImports[] = {
    {"LayerNormalization", import_layer},
    {"RMSNormalization", import_layer},
    {"GroupNormalization", import_group},
    {"InstanceNormalization", import_group},
};

}  // namespace

std::span<const ImportEntry> normalization_imports() { return kImports; }

}  // namespace taoism::onnx
