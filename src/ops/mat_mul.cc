// MatMul of two operands under numpy's rules: batch dimensions broadcast, a vector on the left is a
// row, one on the right a column.
#include "kernels/matmul.h"

#include <algorithm>

#include "ops/core/index.h"
#include "ops/core/rows.h"
#include "ops/core/rules.h"

namespace taoism::ops {
namespace {

// C[batch] = A . B, with the batch dimensions apart from the matrices'.
struct Product {
  int64_t m = 1, k = 1, n = 1;
  int64_t right_k = 1;
  ir::Shape a_batch, b_batch, batch;
};

ir::Shape leading(const ir::Shape& shape) {
  return ir::Shape(shape.dims().first(shape.rank() < 2 ? 0 : shape.rank() - 2));
}

Result<Product> product_of(const NodeView& node) {
  const ir::Shape& a = node.shape(0);
  const ir::Shape& b = node.shape(1);
  Product p;
  p.a_batch = leading(a);
  p.b_batch = leading(b);
  if (a.rank() > 1) p.m = a[a.rank() - 2];
  p.k = a[a.rank() - 1];
  if (b.rank() > 1) p.n = b[b.rank() - 1];
  p.right_k = b[b.rank() > 1 ? b.rank() - 2 : 0];
  TAOISM_ASSIGN_OR_RETURN(p.batch, broadcast_shape(p.a_batch, p.b_batch));
  return p;
}

Status infer(const NodeView& node, std::span<ir::TensorDesc> outputs) {
  TAOISM_RETURN_IF_ERROR(expect_rank(node, 0, "a", 1, ir::kMaxRank));
  TAOISM_RETURN_IF_ERROR(expect_rank(node, 1, "b", 1, ir::kMaxRank));
  TAOISM_ASSIGN_OR_RETURN(const Product p, product_of(node));
  if (p.k != p.right_k) {
    return invalid_argument("shapes " + node.shape(0).text() + " and " + node.shape(1).text() +
                            " do not multiply");
  }
  ir::Shape shape = p.batch;
  if (node.shape(0).rank() > 1) shape.push_back(p.m);
  if (node.shape(1).rank() > 1) shape.push_back(p.n);
  outputs[0] = {ir::DType::f32, shape};
  return {};
}

// How the kernel is called: `calls` times over one run of batches with one stride for each operand.
struct Plan {
  kernels::MatmulShape shape;
  size_t outer_rank = 0;                 // batch dimensions that are walked here
  Index a_strides = {}, b_strides = {};  // in matrices
};

Plan plan_of(const Product& p) {
  Plan plan;
  plan.a_strides = broadcast_strides(p.a_batch, p.batch);
  plan.b_strides = broadcast_strides(p.b_batch, p.batch);
  plan.outer_rank = p.batch.rank();
  plan.shape = {.batch = 1, .m = p.m, .n = p.n, .k = p.k};
  int64_t a_step = 0, b_step = 0;
  while (plan.outer_rank > 0) {
    const size_t i = plan.outer_rank - 1;
    const int64_t count = plan.shape.batch;
    if (p.batch[i] != 1) {
      const bool joins = count == 1 || (plan.a_strides[i] == a_step * count &&
                                        plan.b_strides[i] == b_step * count);
      if (!joins) break;
      if (count == 1) {
        a_step = plan.a_strides[i];
        b_step = plan.b_strides[i];
      }
      plan.shape.batch *= p.batch[i];
    }
    --plan.outer_rank;
  }
  if (b_step == 0 && a_step == 1) {  // one right-hand matrix: the left ones are one tall matrix
    plan.shape.m *= plan.shape.batch;
    plan.shape.batch = 1;
  }
  plan.shape.a_batch_stride = a_step * p.m * p.k;
  plan.shape.b_batch_stride = b_step * p.k * p.n;
  return plan;
}

size_t scratch_bytes(const NodeView& node, size_t threads) {
  return kernels::matmul_scratch_bytes(plan_of(*product_of(node)).shape, threads);
}

Outcome run(const RunContext& context) {
  const Product p = *product_of(context.node);
  const Plan plan = plan_of(p);
  const ir::Shape outer(p.batch.dims().first(plan.outer_rank));
  const int64_t out_elems = plan.shape.batch * plan.shape.m * plan.shape.n;
  for_each_index(outer, [&](const Index& index, int64_t position) {
    const int64_t a = offset_of(index, plan.a_strides, outer.rank()) * p.m * p.k;
    const int64_t b = offset_of(index, plan.b_strides, outer.rank()) * p.k * p.n;
    kernels::matmul(plan.shape, context.f32(0) + a, context.f32(1) + b,
                    context.out_f32() + position * out_elems, context.scratch, context.parallel);
  });
  return {};
}

Outcome reference(const RunContext& context) {
  const Product p = *product_of(context.node);
  const Index a_strides = broadcast_strides(p.a_batch, p.batch);
  const Index b_strides = broadcast_strides(p.b_batch, p.batch);
  for_each_index(p.batch, [&](const Index& index, int64_t position) {
    const float* a = context.f32(0) + offset_of(index, a_strides, p.batch.rank()) * p.m * p.k;
    const float* b = context.f32(1) + offset_of(index, b_strides, p.batch.rank()) * p.k * p.n;
    float* c = context.out_f32() + position * p.m * p.n;
    for (int64_t i = 0; i < p.m; ++i) {
      for (int64_t j = 0; j < p.n; ++j) {
        double sum = 0;
        for (int64_t k = 0; k < p.k; ++k) {
          sum += static_cast<double>(a[i * p.k + k]) * b[k * p.n + j];
        }
        c[i * p.n + j] = static_cast<float>(sum);
      }
    }
  });
  return {};
}

// Rows may be counted by what counts matrices, by the left one's rows or by the right one's
// columns.
const char* rows(const NodeView& node, std::span<const RowAxis> in, RowAxis& out) {
  const auto batch = static_cast<int>(product_of(node)->batch.rank());
  out = {};
  for (size_t i = 0; i < 2; ++i) {
    if (!in[i].any()) continue;
    const auto rank = static_cast<int>(node.shape(i).rank());
    const int from_end = rank - in[i].axis;  // 1: the last
    if (rank == 1 || from_end == (i == 0 ? 1 : 2)) return "it adds them up";
    RowAxis here = in[i];
    here.axis = from_end > 2 ? batch + 2 - from_end
                             : static_cast<int>(node.outputs[0].shape.rank()) - from_end;
    // What a vector leaves out lies behind the rows of the left one.
    if (i == 0 && from_end == 2) here.axis = batch;
    if (out.any() && !(out == here && from_end > 2)) return kMixesInputs;
    out = here;
  }
  if (out.axis >= batch) return nullptr;
  for (size_t i = 0; i < 2; ++i) {
    const int axis = out.axis - batch - 2 + static_cast<int>(node.shape(i).rank());
    const bool same = axis < 0 || node.shape(i)[static_cast<size_t>(axis)] == 1;
    if (!in[i].any() && !same) return kMixesInputs;
  }
  return nullptr;
}

}  // namespace

extern const OpDef kMatMulOp;
constinit const OpDef kMatMulOp = {
    .name = "MatMul",
    .role = Role::combine,
    .form = Form::affine_in_each,
    .min_inputs = 2,
    .max_inputs = 2,
    .tolerance = {.relative = 1e-5F, .absolute = 1e-5F},
    .infer = infer,
    .scratch_bytes = scratch_bytes,
    .run = run,
    .rows = rows,
    .reference = reference,
};

}  // namespace taoism::ops
