// What scheduling asks about a program: who makes and reads what, when, and how large it is.
// Trusted. Internal. Thread-safety: a value; the program must outlive it and stay where it is.
#pragma once

#include <optional>
#include <vector>

#include "program/program.h"

namespace taoism::program {

// An instruction among all of the program, in the order in which they run.
struct Node {
  const Instruction* instruction = nullptr;
  uint32_t segment = 0;
  uint32_t index = 0;  // in its segment
  bool splits_batch = false;
  bool splits_rows = false;
  uint64_t weight_bytes = 0;  // packed
  uint64_t macs = 0;          // of one image
  int64_t row_step = 1;       // rows that are computed together
};

struct Range32 {
  uint32_t begin = 0, end = 0;
  bool contains(uint32_t i) const { return begin <= i && i < end; }
};

class Analysis {
 public:
  explicit Analysis(const Program& program);

  const Program& program() const { return *program_; }
  const std::vector<Node>& nodes() const { return nodes_; }
  Range32 segment_nodes(uint32_t segment) const { return segments_[segment]; }

  // The batch: dimension 0 of most tensors.
  int64_t batch() const { return batch_; }
  bool is_per_image(SlotId slot) const { return per_image_[slot]; }
  // Of one image, or of the whole tensor where that makes no difference.
  uint64_t unit_bytes(SlotId slot) const {
    const uint64_t bytes = program_->slots[slot].desc.bytes();
    return per_image_[slot] ? bytes / static_cast<uint64_t>(batch_) : bytes;
  }

  // Of the nodes that touch a slot: the first and the last, in one segment or in all. A segment
  // output that no later node reads still counts as read after its segment's last node.
  struct Life {
    uint32_t first = UINT32_MAX;
    uint32_t last = 0;
    bool is_touched() const { return first != UINT32_MAX; }
  };
  const Life& life(SlotId slot) const { return lives_[slot]; }
  // The node that makes it; none for a segment's input.
  std::optional<uint32_t> maker(SlotId slot) const {
    return makers_[slot] == UINT32_MAX ? std::nullopt : std::optional(makers_[slot]);
  }
  bool is_output(SlotId slot) const { return is_output_[slot]; }

  // The slots that node touches: inputs, then outputs; each once.
  const std::vector<SlotId>& touched(uint32_t node) const { return touched_[node]; }

  // The node with `images` of the batch.
  struct Sized {
    std::vector<ops::Input> inputs;
    std::vector<ir::TensorDesc> outputs;
  };
  Sized sized(uint32_t node, int64_t images) const;
  ir::TensorDesc sized_desc(SlotId slot, int64_t images) const;
  uint64_t sized_bytes(SlotId slot, int64_t images) const {
    return per_image_[slot] ? unit_bytes(slot) * static_cast<uint64_t>(images) : unit_bytes(slot);
  }

 private:
  void find_batch();
  void add_node(uint32_t segment, uint32_t index);
  bool can_split_rows(uint32_t node) const;

  const Program* program_;
  int64_t batch_ = 1;
  std::vector<Node> nodes_;
  std::vector<Range32> segments_;
  std::vector<bool> per_image_;
  std::vector<Life> lives_;
  std::vector<uint32_t> makers_;
  std::vector<bool> is_output_;
  std::vector<std::vector<SlotId>> touched_;
};

}  // namespace taoism::program
