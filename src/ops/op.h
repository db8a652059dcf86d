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
#include "ops/outcome.h"

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

// What a node computes from its float inputs, seen by somebody who knows the others and sees its
// output: how much it hides of weights (partition/asking.h). Without a fused activation, which
// reveals.
enum class Form : uint8_t {
  opaque,           // nothing is claimed
  moves,            // each element is one of an input's, or fixed: Reshape, Concat, Pad
  affine,           // affine in all of them together, weights apart: Add, AveragePool
  affine_in_each,   // affine in each while the others are held: Conv, MatMul, Mul
  affine_in_first,  // affine in the first while the others are held: Div, BatchNormalization
  affine_in_rest,   // affine in all but the first while that is held: LayerNormalization
  reveals,          // where it matters, an input element can be told from the output: Relu, MaxPool
  ranks,            // says of the first which element is the largest (smallest): ArgMax
};

// Which element types the inputs may have: all of them the same one of these, unless `own`.
enum class Types : uint8_t {
  real,     // float32
  number,   // float32, int64
  any,      // float32, int64, bool
  logical,  // bool
  own,      // infer checks each
};

struct AttrSpec {
  enum Kind : uint8_t { integer, real, text, integers, reals };
  const char* name;
  Kind kind;
  bool required = false;
  // Says how a weight is packed: OpDef::choose writes it, and nodes that compute have it.
  bool chosen = false;
};

// Attributes that choose writes of weights in tiles: rows in a block, columns in a tile.
#define TAOISM_TILE_ATTRS                                               \
  {.name = "block_depth", .kind = AttrSpec::integer, .chosen = true}, { \
    .name = "tile_width", .kind = AttrSpec::integer, .chosen = true     \
  }

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
  template <typename T>
  const T* in(size_t input) const {
    return input < inputs.size() ? reinterpret_cast<const T*>(inputs[input]) : nullptr;
  }
  template <typename T>
  T* out(size_t output = 0) const {
    return reinterpret_cast<T*>(outputs[output]);
  }
  float* out_f32(size_t output = 0) const { return reinterpret_cast<float*>(outputs[output]); }
};

// Rows of an image tensor: [begin, end) of dimension 2 (of a rank-4 tensor).
struct Rows {
  int64_t begin = 0, end = 0;
  int64_t size() const { return end - begin; }
  bool operator==(const Rows&) const = default;
};

// Which dimension of a tensor counts rows, that is what a batch has many of: dimension `axis` is
// outer * rows * inner, in this order. `axis` -1: none does, all rows see the same tensor.
struct RowAxis {
  int axis = -1;
  int64_t outer = 1, inner = 1;

  bool any() const { return axis >= 0; }
  // Elements of the dimension for each row.
  int64_t per_row() const { return outer * inner; }
  bool operator==(const RowAxis&) const = default;
};

struct OpDef {
  const char* name;  // the ONNX operator's name, or "taoism.X"
  Role role;
  Form form = Form::opaque;
  std::span<const AttrSpec> attrs;
  uint8_t min_inputs = 1;
  uint8_t max_inputs = 1;
  uint8_t max_outputs = 1;
  Types types = Types::real;
  // Bit i: input i says where, or which, and not what: indices, a condition. A constant there is
  // part of the model's structure and no parameter of it.
  uint8_t place_inputs = 0;
  // Whether the output jumps where an element of the first input passes a value. (What makes
  // integers or truth values of numbers jumps anyway.)
  bool jumps = false;
  // Whether inputs may have no elements, in constants that import computes with.
  bool takes_empty = false;
  Storage storage = Storage::fresh;
  Tolerance tolerance;

  // Checks attributes, ranks and types of `node` and gives the outputs' types. Errors:
  // invalid_argument (a contradiction, naming the attribute), unsupported (valid, not implemented).
  // Never reads a constant's data; shapes and attributes of any value must be safe to give.
  Status (*infer)(const NodeView& node, std::span<ir::TensorDesc> outputs);
  // Null: costs nothing.
  Cost (*cost)(const NodeView& node) = nullptr;
  // Chooses a kernel and how the node's weights are packed for it, for the current target, and
  // writes both into `attrs`, a copy of the node's. Independent of the batch. Null: there is
  // nothing to choose. Host.
  void (*choose)(const NodeView& node, ir::Attrs& attrs) = nullptr;
  // Whether this build computes, on the current target, what has been chosen for the node. Called
  // after infer; everything below may be called if so. Null: always.
  bool (*applies)(const NodeView& node) = nullptr;
  // Bytes that weight `input` takes once packed; null, or 0 for an input: it is used as it is.
  size_t (*packed_bytes)(const NodeView& node, size_t input) = nullptr;
  // Writes packed_bytes() bytes to `packed`. `raw` is the constant, row-major.
  void (*pack)(const NodeView& node, size_t input, const std::byte* raw,
               std::byte* packed) = nullptr;
  // Temporary bytes that run can use with so many threads; null: none.
  size_t (*scratch_bytes)(const NodeView& node, size_t threads) = nullptr;
  // The least that run, or run_part, needs: with less than it can use it is slower and gives the
  // same bits. Null: all that it can use.
  size_t (*least_scratch_bytes)(const NodeView& node, size_t threads) = nullptr;
  size_t (*least_part_scratch_bytes)(const NodeView& node, size_t threads) = nullptr;
  // Computes the outputs. Does not allocate. Fails for what only the elements can tell, with a
  // fault of the closed list; the outputs then hold anything, and no access was out of bounds.
  Outcome (*run)(const RunContext& context) = nullptr;
  // The fault that run meets whatever the inputs are whose `constant` is not set: an index of a
  // constant that is out of range. Null: none. Host.
  Outcome (*sure_fault)(const NodeView& node) = nullptr;

  // Weights in pieces, for weights that are streamed. Where the packed bytes of weight `input` (one
  // whose packed_bytes is not 0) may be cut next: the last cut in (begin, begin + target_bytes], or
  // the first after it when there is none; packed_bytes at the end. `begin` is 0 or such a cut.
  // Independent of the batch and of how many rows are computed. Null: the weight has no cuts.
  size_t (*piece_end)(const NodeView& node, size_t input, size_t begin,
                      size_t target_bytes) = nullptr;
  // run() for the bytes [begin, end) of packed weight `input` alone, both of them cuts, to which
  // context.inputs[input] points. Calls for adjoining ranges from 0 to the end, with nothing else
  // using outputs and scratch in between, give bit for bit what run() gives. Null when piece_end
  // is.
  Outcome (*run_part)(const RunContext& context, size_t input, size_t begin, size_t end) = nullptr;
  // Temporary bytes that run_part can use: the same for all calls of a series.
  size_t (*part_scratch_bytes)(const NodeView& node, size_t threads) = nullptr;

  // What the node does to rows that know nothing of each other. in[i]: where they are in input i,
  // equally many everywhere; at least one input has them. Null and in `out` where they are in the
  // output, when each row of it depends on the same row of the inputs alone; otherwise how the node
  // mixes them, for a message ("it adds them up"). For any number of rows, with the attributes as
  // they are. An `out.axis` that comes in is where they have to go, of several places that the
  // shapes allow. Called after infer. Null: it mixes them.
  const char* (*rows)(const NodeView& node, std::span<const RowAxis> in, RowAxis& out) = nullptr;
  // Whether rows of dimension 2 can be computed from rows of the inputs. If so, for output rows
  // `out` of a node whose outputs have rank 4: in in[i] the rows that input i must bring, clipped
  // to what it has (left alone for weights and absent inputs), and in `attrs`, a copy of the
  // node's, the attributes of a node that computes just these rows from just those. Called after
  // infer, with the node's full shapes. Null: no.
  bool (*split_rows)(const NodeView& node, Rows out, std::span<Rows> in,
                     ir::Attrs& attrs) = nullptr;
  // Rows that a kernel computes together: split_rows gives bit for bit the node's rows where `out`
  // begins at a multiple of this, and ends at one or with the output. Null: 1.
  int64_t (*row_step)(const NodeView& node) = nullptr;
  // The plain definition, float64 accumulation, over unpacked weights: what run is tested against.
  // Null when `run` is itself the plain definition (data movement). It gives run's faults.
  Outcome (*reference)(const RunContext& context) = nullptr;
};

// Begins the definition of an operator where a file has several; CMake looks for it.
#define TAOISM_OP(name)           \
  extern const OpDef k##name##Op; \
  constinit const OpDef k##name##Op

// All operators, sorted by name.
std::span<const OpDef* const> all_ops();
// Null when there is none of this name.
const OpDef* find_op(std::string_view name);

// Arity, attribute names and kinds against `def`, then def.infer, then the outputs' bounds. What
// both import and the TEE call. Nothing that is computed when a model runs is empty; constants that
// import computes may be, where the operator takes_empty.
Status check_and_infer(const OpDef& def, const NodeView& node, std::span<ir::TensorDesc> outputs,
                       bool may_be_empty = false);
// Whether element n of dimension 0 of the output depends on element n of dimension 0 of every input
// that is no weight, and on nothing else of them: the node may be run for a part of the batch, with
// inputs and outputs that hold just that. A consequence of OpDef::rows. Called after infer.
bool splits_batch(const OpDef& def, const NodeView& node);
// Whether the node's outputs are what its operator makes: for a node that comes from outside with
// its types. Errors: check_and_infer's, and invalid_argument for other types.
Status check_types(const OpDef& def, const NodeView& node);
// The node's attributes with what has to be chosen, for a node of which check_types() holds.
ir::Attrs chosen_attrs(const OpDef& def, const NodeView& node);
// Of attributes: whether everything that has to be chosen has been.
bool is_chosen(const OpDef& def, const ir::Attrs& attrs);

}  // namespace taoism::ops
