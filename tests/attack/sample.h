// What the hostile-host suite runs: a small program that fits its memory, and a larger one that in
// little memory streams weights, spills activations and works in bands. With each come its sealed
// weights and the answers by the operators' plain definitions. Deterministic but for keys.
#pragma once

#include <map>
#include <span>
#include <vector>

#include "program/lower.h"
#include "program/schedule.h"
#include "store/seal_weights.h"
#include "wire/message.h"

namespace taoism::attack {

using Floats = std::vector<float>;

class Sample {
 public:
  // Every segment has one input and is placed in the TEE.
  explicit Sample(ir::PartitionedGraph partition);
  Sample(const Sample&) = delete;
  Sample& operator=(const Sample&) = delete;

  const program::Program& program() const { return lowered_.program; }
  const std::vector<std::byte>& encoded() const { return encoded_; }
  const wire::ProgramId& id() const { return id_; }
  const store::WeightLayout& layout() const { return layout_; }

  // The owner's store, and the same weights sealed under another header.
  const store::StoreHeader& header() const { return header_; }
  const std::vector<std::byte>& sealed_weights() const { return sealed_weights_; }
  std::vector<std::byte> seal_weights(const store::StoreHeader& header) const;
  AlignedBuffer packed_weight(program::WeightId weight) const;

  // What a TEE with so much memory makes of the program; null when it cannot run it. Budget 0: no
  // limit.
  const program::Schedule* schedule(uint64_t budget_bytes, size_t threads = 1) const;

  Floats input(uint32_t segment, int seed) const;
  // By segment and output; `inputs` by segment.
  std::vector<std::vector<Floats>> reference(std::span<const Floats> inputs) const;

 private:
  ir::PartitionedGraph partition_;
  program::Lowered lowered_;
  std::vector<std::byte> encoded_;
  wire::ProgramId id_;
  store::WeightLayout layout_;
  store::StoreHeader header_;
  std::vector<std::byte> sealed_weights_;
  mutable std::map<std::pair<uint64_t, size_t>, std::unique_ptr<program::Schedule>> schedules_;
};

// Two segments with state between them: x -> Conv, Relu | y -> Add(relu, y), Relu.
const Sample& small_sample();
// Two segments of convolutions, pools and Linear, batch 4: each has a weight of 288 KiB, in the
// second a map has 288 KiB an image, and a map and a vector wait from one segment for the other.
const Sample& large_sample();
// The least memory in which the large sample runs.
uint64_t tight_budget(size_t threads = 1);

}  // namespace taoism::attack
