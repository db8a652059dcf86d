// taoism.SparseResidual: y, x, w_values [nnz], w_index [nnz], w_rows [out + 1], [bias] ->
// activation(y + sparse(x) + bias). y is what the device computed with the weights it was given, x
// what it computed it from, sparse(x) the part of the operator that stays in the TEE: a convolution
// (kind = conv, the default) or a linear layer (kind = linear). Row r holds entries [w_rows[r],
// w_rows[r + 1]); an index counts within the row of the dense weight. Rows that are no such list
// are a fault.
#include <algorithm>
#include <cstring>
#include <limits>
#include <optional>

#include "kernels/elementwise.h"
#include "kernels/sparse.h"
#include "ops/core/conv_geometry.h"
#include "ops/core/rules.h"
#include "ops/core/split.h"
#include "ops/fused.h"

namespace taoism::ops {
namespace {

constexpr AttrSpec kAttrs[] = {{"kind", AttrSpec::text},
                               {"out_channels", AttrSpec::integer, true},
                               TAOISM_CONV_ATTRS,
                               TAOISM_FUSED_ACTIVATION_ATTRS};
constexpr size_t kY = 0, kX = 1, kValues = 2, kColumns = 3, kRows = 4, kBias = 5;

// The operator whose weights are sparse.
struct Dense {
  std::optional<ConvGeometry> conv;
  kernels::LinearShape linear;
  ir::Shape output;
  int64_t columns = 0;  // weights in a row

  int64_t rows() const { return conv ? conv->shape.out_channels : linear.out_features; }
  // The output as [outer][rows][inner].
  int64_t outer() const { return conv ? conv->shape.batch : linear.rows; }
  int64_t inner() const { return conv ? conv->shape.out_h * conv->shape.out_w : 1; }
};

Result<Dense> dense_of(const NodeView& node) {
  const ir::Shape& x = node.shape(kX);
  const int64_t out = node.attrs.i("out_channels");
  const std::string_view kind = node.attrs.s("kind", "conv");
  if (out < 1 || static_cast<uint64_t>(out) > ir::kMaxElements) {
    return invalid_argument("out_channels must be >= 1, got " + std::to_string(out));
  }
  Dense dense;
  if (kind == "linear") {
    TAOISM_RETURN_IF_ERROR(expect_rank(node, kX, "x", 1, ir::kMaxRank));
    dense.linear = {
        .rows = x.product(0, x.rank() - 1), .in_features = x[x.rank() - 1], .out_features = out};
    dense.output = x;
    dense.output[x.rank() - 1] = out;
    dense.columns = dense.linear.in_features;
    return dense;
  }
  if (kind != "conv") return unsupported("kind must be conv or linear, got " + std::string(kind));
  TAOISM_RETURN_IF_ERROR(expect_rank(node, kX, "x", 3, 4));
  TAOISM_ASSIGN_OR_RETURN(dense.conv, conv_geometry(node.attrs, x, out, {}));
  dense.output = dense.conv->output;
  // Kernel extents come from an attribute here: nothing else has bounded their product.
  const auto columns =
      checked_mul(static_cast<uint64_t>(dense.conv->shape.kernel_h * dense.conv->shape.kernel_w),
                  static_cast<uint64_t>(x[1] / dense.conv->shape.groups));
  if (!columns || *columns > ir::kMaxElements) {
    return invalid_argument("kernel_shape is too large: " +
                            list_text(node.attrs.ints("kernel_shape")));
  }
  dense.columns = static_cast<int64_t>(*columns);
  return dense;
}

Status check_types(const NodeView& node) {
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    if (!node.has(i)) continue;
    const ir::DType dtype = node.inputs[i].desc.dtype;
    const bool is_index = i == kColumns || i == kRows;
    const bool fits =
        is_index ? dtype == ir::DType::i64 || dtype == ir::DType::i32 : dtype == ir::DType::f32;
    if (!fits) {
      return invalid_argument("input " + std::to_string(i) + " must be " +
                              (is_index ? "int32 or int64" : "float32") + ", got " +
                              ir::dtype_name(dtype));
    }
  }
  return {};
}

Status infer(const NodeView& node, std::span<ir::TensorDesc> outputs) {
  TAOISM_RETURN_IF_ERROR(check_types(node));
  if (node.shape(kX).elements() == 0) return invalid_argument("x is empty");
  TAOISM_ASSIGN_OR_RETURN(const Dense dense, dense_of(node));
  if (!(node.shape(kY) == dense.output)) {
    return invalid_argument("y must have shape " + dense.output.text() + ", got " +
                            node.shape(kY).text());
  }
  TAOISM_RETURN_IF_ERROR(expect_rank(node, kValues, "w_values", 1, 1));
  const ir::Shape& values = node.shape(kValues);
  if (values.elements() > std::numeric_limits<int32_t>::max()) {
    return unsupported("w_values has too many elements: " + values.text());
  }
  TAOISM_RETURN_IF_ERROR(expect_weight(node, kValues, "w_values", values));
  TAOISM_RETURN_IF_ERROR(expect_weight(node, kColumns, "w_index", values));
  TAOISM_RETURN_IF_ERROR(expect_weight(node, kRows, "w_rows", {dense.rows() + 1}));
  if (node.has(kBias)) TAOISM_RETURN_IF_ERROR(expect_weight(node, kBias, "bias", {dense.rows()}));
  TAOISM_RETURN_IF_ERROR(fused_activation(node.attrs).status());
  outputs[0] = node.inputs[kY].desc;
  return {};
}

Cost cost(const NodeView& node) {
  const auto entries = static_cast<uint64_t>(node.shape(kValues).elements());
  const Dense dense = *dense_of(node);
  uint64_t positions = static_cast<uint64_t>(dense.inner());
  const ir::Shape& x = node.shape(kX);
  if (!dense.conv && x.rank() > 2) positions = static_cast<uint64_t>(x.product(1, x.rank() - 1));
  const auto bias = node.has(kBias) ? static_cast<uint64_t>(dense.rows()) : 0;
  return {.macs = saturating_mul(entries, positions), .params = entries + bias};
}

bool is_index_input(size_t input) { return input == kColumns || input == kRows; }

size_t packed_bytes(const NodeView& node, size_t input) {
  return is_index_input(input)
             ? static_cast<size_t>(node.shape(input).elements()) * sizeof(uint32_t)
             : 0;
}

// What no row may hold: it makes the whole list invalid.
constexpr uint32_t kInvalid = std::numeric_limits<uint32_t>::max();

uint32_t index_at(ir::DType dtype, const std::byte* raw, int64_t i) {
  const int64_t value = dtype == ir::DType::i64 ? reinterpret_cast<const int64_t*>(raw)[i]
                                                : reinterpret_cast<const int32_t*>(raw)[i];
  return value < 0 || value >= kInvalid ? kInvalid : static_cast<uint32_t>(value);
}

void pack(const NodeView& node, size_t input, const std::byte* raw, std::byte* packed) {
  auto* to = reinterpret_cast<uint32_t*>(packed);
  const int64_t elements = node.shape(input).elements();
  for (int64_t i = 0; i < elements; ++i) to[i] = index_at(node.inputs[input].desc.dtype, raw, i);
}

// Of lists that are none, whichever entry it is.
Outcome no_list(const Dense& dense) {
  return {.fault = Fault::index_out_of_range, .index = dense.columns, .dim = dense.columns};
}

Outcome run(const RunContext& context) {
  const Dense dense = *dense_of(context.node);
  const kernels::SparseRows sparse = {
      .rows = dense.rows(),
      .row_begin = reinterpret_cast<const uint32_t*>(context.inputs[kRows]),
      .columns = reinterpret_cast<const uint32_t*>(context.inputs[kColumns]),
      .values = context.f32(kValues)};
  const auto entries = static_cast<uint64_t>(context.node.shape(kValues).elements());
  if (!kernels::sparse_rows_valid(sparse, entries, static_cast<uint64_t>(dense.columns))) {
    return no_list(dense);
  }
  float* out = context.out_f32();
  const auto elements = static_cast<size_t>(context.node.shape(kY).elements());
  if (out != context.f32(kY)) std::memcpy(out, context.f32(kY), elements * sizeof(float));
  if (dense.conv) {
    kernels::sparse_conv2d_add(dense.conv->shape, context.f32(kX), sparse, out, context.parallel);
  } else {
    kernels::sparse_linear_add(dense.linear, context.f32(kX), sparse, out, context.parallel);
  }
  const kernels::Activation activation = *fused_activation(context.node.attrs);
  const float* bias = context.f32(kBias);
  if (bias == nullptr && activation.kind == kernels::ActivationKind::none) return {};
  kernels::scale_shift(dense.outer(), dense.rows(), dense.inner(), out, nullptr, bias, out,
                       activation, context.parallel);
  return {};
}

// Over the unpacked lists. An entry that repeats a column adds to it.
Outcome reference(const RunContext& context) {
  const Dense dense = *dense_of(context.node);
  const kernels::Activation activation = *fused_activation(context.node.attrs);
  const auto at = [&](size_t input, int64_t i) -> int64_t {
    return index_at(context.node.inputs[input].desc.dtype, context.inputs[input], i);
  };
  const int64_t entries = context.node.shape(kValues).elements();
  bool valid = at(kRows, 0) == 0 && at(kRows, dense.rows()) == entries;
  for (int64_t r = 0; r < dense.rows(); ++r) valid &= at(kRows, r) <= at(kRows, r + 1);
  for (int64_t e = 0; e < entries; ++e) valid &= at(kColumns, e) < dense.columns;
  if (!valid) return no_list(dense);
  const int64_t width = dense.conv ? dense.conv->shape.out_w : 1;
  int64_t position = 0;
  for (int64_t n = 0; n < dense.outer(); ++n) {
    for (int64_t r = 0; r < dense.rows(); ++r) {
      const int64_t begin = at(kRows, r), end = at(kRows, r + 1);
      const auto weight = [&](int64_t k) {
        double sum = 0;
        for (int64_t e = begin; e < end; ++e) {
          if (at(kColumns, e) == k) sum += context.f32(kValues)[e];
        }
        return sum;
      };
      for (int64_t i = 0; i < dense.inner(); ++i, ++position) {
        double sum = context.f32(kY)[position];
        if (dense.conv) {
          sum += conv_sum(dense.conv->shape, context.f32(kX), n, r, i / width, i % width, weight);
        } else {
          for (int64_t e = begin; e < end; ++e) {
            const float x = context.f32(kX)[n * dense.columns + at(kColumns, e)];
            sum += static_cast<double>(x) * context.f32(kValues)[e];
          }
        }
        if (context.f32(kBias) != nullptr) sum += context.f32(kBias)[r];
        context.out_f32()[position] = static_cast<float>(activate(sum, activation));
      }
    }
  }
  return {};
}

const char* rows(const NodeView& node, std::span<const RowAxis> in, RowAxis& out) {
  if (node.shape(kX).rank() < 2 || !(in[kX] == in[kY])) return kMixesInputs;
  return rows_of_images(node, in.first(1), out);
}

bool split_rows(const NodeView& node, Rows out, std::span<Rows> in, ir::Attrs& attrs) {
  if (node.inputs[kY].is_weight || !dense_of(node)->conv || !has_rows(node, out)) return false;
  in[kY] = out;
  return split_window_rows(node, *window_of(node.attrs, 2, {}), kX, out, in, attrs);
}

}  // namespace

extern const OpDef kSparseResidualOp;
constinit const OpDef kSparseResidualOp = {
    .name = "taoism.SparseResidual",
    .role = Role::protocol,
    .form = Form::affine,
    .attrs = kAttrs,
    .min_inputs = 5,
    .max_inputs = 6,
    .types = Types::own,
    .place_inputs = 1 << 3 | 1 << 4,
    .storage = Storage::in_place,
    .tolerance = {.relative = 1e-5F, .absolute = 1e-5F},
    .infer = infer,
    .cost = cost,
    .packed_bytes = packed_bytes,
    .pack = pack,
    .run = run,
    .rows = rows,
    .split_rows = split_rows,
    .reference = reference,
};

}  // namespace taoism::ops
