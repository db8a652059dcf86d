// Schedule: how a program runs within a budget of memory. It says where everything lies in one
// arena, which weights stay there and which are streamed through a ring, in how many images at a
// time each stretch of instructions runs, which tensors wait outside in between, and which
// instructions are computed in bands of rows because not even one image fits. Made from nothing but
// the program and the limits, by whoever executes: the TEE makes its own, and a host that makes the
// same one knows the peak before anything starts. Trusted. Thread-safety: values, a pure function.
#pragma once

#include <string>
#include <vector>

#include "program/program.h"

namespace taoism::program {

struct Limits {
  uint64_t memory_bytes = UINT64_MAX;
  size_t threads = 1;
};

// Weights are sealed, and activations spilled, in pieces of about this size: large enough for the
// cipher's full speed, small enough to be spread over threads.
inline constexpr size_t kPieceBytes = size_t{64} << 10;

// Rows of planes, copied between a whole tensor and a band of it.
struct RowCopy {
  uint64_t planes = 0;
  uint64_t bytes = 0;  // of the rows that are copied, in each plane
  uint64_t from_plane_bytes = 0;
  uint64_t from_skip_bytes = 0;  // before the rows
  uint64_t to_plane_bytes = 0;
  uint64_t to_skip_bytes = 0;
};

struct Step {
  enum Kind : uint8_t {
    compute,  // instruction `index` of the segment
    read,     // segment input `index` -> memory at offsets[0]
    write,    // memory at offsets[0] -> segment output `index`
    spill,    // memory at offsets[0] -> outside, slot `index`
    fetch,    // and back
    rows,     // memory at offsets[0] -> memory at offsets[1]
  };
  Kind kind = compute;
  uint32_t index = 0;
  uint64_t bytes = 0;  // of read, write, spill, fetch
  RowCopy row_copy;
  // Of compute: the node as it is computed here (a part of the batch, a band of rows).
  ir::Attrs attrs;
  std::vector<ops::Input> inputs;
  std::vector<ir::TensorDesc> outputs;
  // In the activation area. Of compute: inputs (unused for weights), then outputs.
  std::vector<uint64_t> offsets;
  // Of what holds the whole batch while this is done for a part of it: from image to image. Empty:
  // nothing does.
  std::vector<uint64_t> strides;
  // Of compute: its scratch lies from here, above all that is in use then, to the arena's end.
  uint64_t scratch_offset = 0;
};

// A call of a kernel with a part of a streamed weight: its pieces [first, last).
struct Call {
  WeightId weight = 0;
  uint32_t first_piece = 0, last_piece = 0;
};

// What is done for some images of the batch.
struct Part {
  uint32_t images = 0;
  std::vector<Step> steps;
  std::vector<Call> calls;  // in the order in which the steps need them
};

// A stretch of instructions that runs for `full.images` images after the other, then for the rest.
struct Group {
  uint32_t full_parts = 1;
  Part full;
  Part rest;  // no images: there is none
};

struct WeightPlan {
  bool is_resident = true;
  uint64_t offset = 0;         // in the weight area, of a resident one
  std::vector<uint64_t> ends;  // of its pieces, in packed bytes
  std::vector<Call> calls;     // of a streamed one, in order
  uint64_t begin_of(uint32_t piece) const { return piece == 0 ? 0 : ends[piece - 1]; }
};

// A slot that waits outside in between: `count` chunks of at most kPieceBytes.
struct SpillPlan {
  uint64_t image_bytes = 0;  // a chunk never spans images
  uint32_t images = 0;
  uint32_t chunks_per_image = 0;
  uint64_t first_chunk = 0;  // among all chunks of the program
};

struct Schedule {
  size_t threads = 1;
  std::vector<std::vector<Group>> segments;
  std::vector<WeightPlan> weights;
  std::vector<SpillPlan> spills;  // by slot; no images: never spilled
  uint64_t spill_chunks = 0;

  // The arena: resident weights, ring, activations, and scratch beside the largest of them: a step
  // has for scratch what its activations leave of both. Multiples of kAlignment.
  uint64_t weight_bytes = 0;
  uint64_t ring_bytes = 0;
  uint64_t activation_bytes = 0;
  uint64_t scratch_bytes = 0;
  uint64_t arena_bytes() const {
    return weight_bytes + ring_bytes + activation_bytes + scratch_bytes;
  }
  uint64_t scratch_of(const Step& step) const {
    return activation_bytes + scratch_bytes - step.scratch_offset;
  }

  // What a run costs beyond the computation itself: bytes that are opened again and again, bytes
  // that are sealed and opened once each, and multiplications (of one image, as costs are counted)
  // done twice because bands overlap.
  uint64_t streamed_bytes = 0;
  uint64_t spilled_bytes = 0;
  uint64_t repeated_macs = 0;
  uint32_t bands = 0;  // of the instruction that is cut into most; 0: none is
};

// The cheapest schedule found whose arena keeps to the limits. `program` passed verify(). Errors:
// resource_exhausted when there is none; smallest_memory() says what would do.
// Near linear in the instructions, whose number comes from outside. Of 1,000, 10,000 and 100,000 of
// them it took 1, 5 to 14 and 75 to 230 ms without a limit, whether each reads the one before it,
// all live long, or all are outputs; one choice of stretches in little memory 0.3, 3 and 27 to 36
// ms.
Result<Schedule> make_schedule(const Program& program, const Limits& limits);

// The smallest budget, to the next 64 KiB (or what holds everything, to the next KiB), for which
// there is a schedule.
uint64_t smallest_memory(const Program& program, size_t threads);

// The pieces of weight `input` of an instruction: the packed bytes at which they end.
std::vector<uint64_t> piece_ends(const ops::OpDef& op, const ops::NodeView& node, size_t input,
                                 uint64_t packed_bytes);

}  // namespace taoism::program
