// OpDef: everything the system knows about one operator. Each operator is one file of this folder
// that defines one constant OpDef; CMake derives the table of all of them from the folder, so that
// adding an operator touches no other file. Trusted: the shape rule and the kernel run inside the
// TEE on programs that were authenticated but are checked all the same.
// Thread-safety: constants; `run` may be called from one thread at a time per RunContext.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "base/parallel.h"
#include "base/status.h"
#include "ir/attrs.h"
#include "ir/types.h"

namespace taoism::ops {

// What an operator is to a strategy.
enum class Role : uint8_t {
  linear,     // linear in its first input with weights: Conv, Linear, MatMul by a constant
  affine,     // per-channel scale and shift: BatchNormalization
  nonlinear,  // Relu, MaxPool, Softmax, ...
  combine,    // joins tensors: Add, Concat, Mul
  layout,     // moves elements: Reshape, Transpose, Slice, Pad
  protocol,   // ours, inserted by a strategy
};

struct AttrSpec {
  enum Kind : uint8_t { integer, real, text, integers, reals };
  const char* name;
  Kind kind;
  bool required = false;
};

// One input of a node. `constant` is set for weights on the host; inside the TEE only `is_weight`.
struct Input {
  ir::TensorDesc desc;
  bool present = false;
  bool is_weight = false;
  const ir::Constant* constant = nullptr;
};

// A node with its types: what every rule below looks at.
struct NodeView {
  std::string_view name;  // for messages
  const ir::Attrs& attrs;
  std::span<const Input> inputs;
  std::span<const ir::TensorDesc> outputs;  // empty while infer runs

  bool has(size_t input) const { return input < inputs.size() && inputs[input].present; }
  const ir::Shape& shape(size_t input) const { return inputs[input].desc.shape; }
};

// FIELD's counting: conv = H_out*W_out*C_in/groups*C_out*kh*kw, batch-norm = 2*H*W*C,
// linear = in*out + out; everything else is free. Per image (batch 1). Parameters: conv and linear
// weights and biases, batch-norm scale and shift.
struct Cost {
  uint64_t macs = 0;
  uint64_t params = 0;
};

// How far a kernel may be from the reference: |x - r| <= absolute + relative * max|r|.
struct Tolerance {
  float relative = 0;
  float absolute = 0;
};

// Where the first output may live.
enum class Storage : uint8_t {
  fresh,     // memory of its own
  in_place,  // may overwrite the first input when nobody reads it afterwards
  alias,     // is the first input under another shape: nothing is computed
};

// One node with its memory. `inputs[i]` is null when absent; for a packed weight it points to what
// `pack` wrote. All pointers are kAlignment-aligned and of the size that the rules declare.
struct RunContext {
  const NodeView& node;
  std::span<const std::byte* const> inputs;
  std::span<std::byte* const> outputs;
  ByteSpan scratch;
  Parallel& parallel;

  const float* f32(size_t input) const {
    return input < inputs.size() ? reinterpret_cast<const float*>(inputs[input]) : nullptr;
  }
  float* out_f32(size_t output = 0) const { return reinterpret_cast<float*>(outputs[output]); }
};

struct OpDef {
  const char* name;  // the ONNX operator's name, or "taoism.X"
  Role role;
  std::span<const AttrSpec> attrs;
  uint8_t min_inputs = 1;
  uint8_t max_inputs = 1;
  uint8_t max_outputs = 1;
  Storage storage = Storage::fresh;
  Tolerance tolerance;

  // Checks attributes, ranks and types of `node` and gives the outputs' types. Errors:
  // invalid_argument (a contradiction, naming the attribute), unsupported (valid, not implemented).
  // Never reads a constant's data; shapes and attributes of any value must be safe to give.
  Status (*infer)(const NodeView& node, std::span<ir::TensorDesc> outputs);
  // Null: costs nothing.
  Cost (*cost)(const NodeView& node) = nullptr;
  // Bytes that weight `input` takes once packed for this machine's kernels; null, or 0 for an
  // input: it is used as it is.
  size_t (*packed_bytes)(const NodeView& node, size_t input) = nullptr;
  // Writes packed_bytes() bytes to `packed`. `raw` is the constant, row-major.
  void (*pack)(const NodeView& node, size_t input, const std::byte* raw,
               std::byte* packed) = nullptr;
  // Temporary bytes that run needs with so many threads; null: none.
  size_t (*scratch_bytes)(const NodeView& node, size_t threads) = nullptr;
  // Computes the outputs. Does not allocate, does not fail: infer has accepted the node.
  void (*run)(const RunContext& context) = nullptr;
  // The plain definition, float64 accumulation, over unpacked weights: what run is tested against.
  // Null when `run` is itself the plain definition (data movement).
  void (*reference)(const RunContext& context) = nullptr;
};

// All operators, sorted by name.
std::span<const OpDef* const> all_ops();
// Null when there is none of this name.
const OpDef* find_op(std::string_view name);

// Arity, attribute names and kinds against `def`, then def.infer, then the outputs' bounds. What
// both import and the TEE call.
Status check_and_infer(const OpDef& def, const NodeView& node, std::span<ir::TensorDesc> outputs);

}  // namespace taoism::ops
