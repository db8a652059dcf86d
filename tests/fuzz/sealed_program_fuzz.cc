// Hostile plaintext, properly sealed: a TEE loads every program that decode and make_schedule
// accept, runs its segments, and gives the same results in much memory as in as little as the
// header asks for, or the least that will do. Weights are authentic, but hold what no packer has
// written when the header says so.
#include <algorithm>
#include <bit>

#include "kernels/target.h"
#include "program/codec.h"
#include "program_input.h"
#include "reader.h"
#include "sealed_run.h"
#include "store/layout.h"
#include "wire/ring.h"

namespace taoism::fuzz {
namespace {

using program::Program;

constexpr uint64_t kMostBytes = 3 << 20;  // of all tensors, and of all weights
constexpr uint64_t kMostMacs = 8 << 20;
constexpr int64_t kMostAttr = 64;  // of windows and strides: what is slow is not wrong

// Whether it is small enough to be run thousands of times a minute.
bool is_small(const Program& program) {
  uint64_t slot_bytes = 0, weight_bytes = 0, macs = 0;
  for (const program::Slot& slot : program.slots) {
    if (slot.desc.bytes() > kMostBytes) return false;
    slot_bytes += slot.desc.bytes();
  }
  for (const program::Weight& weight : program.weights) {
    if (weight.packed_bytes > kMostBytes) return false;
    weight_bytes += weight.packed_bytes;
  }
  for (const program::Segment& segment : program.segments) {
    for (const program::Instruction& i : segment.instructions) {
      const program::InstructionView holder(program, i);
      const uint64_t batch =
          static_cast<uint64_t>(program.slots[i.outputs[0]].desc.shape.rank() == 0
                                    ? 1
                                    : program.slots[i.outputs[0]].desc.shape[0]);
      const uint64_t one = i.op->cost != nullptr ? i.op->cost(holder.view()).macs : 0;
      if (one > kMostMacs || (macs += one * batch) > kMostMacs) return false;
      if (i.op->role == ops::Role::layout) continue;
      for (const ir::Attrs::Entry& entry : i.attrs.entries()) {
        const auto list = i.attrs.ints(entry.name);
        const auto is_large = [](int64_t v) { return v > kMostAttr; };
        if (std::any_of(list.begin(), list.end(), is_large)) return false;
      }
    }
  }
  return slot_bytes <= kMostBytes && weight_bytes <= kMostBytes;
}

// The least budget, to a page, with a schedule.
uint64_t least_memory(const Program& program, uint64_t enough) {
  uint64_t too_little = 0;
  while (enough - too_little > wire::kPageBytes) {
    const uint64_t middle = too_little + (enough - too_little) / 2;
    (program::make_schedule(program, {middle, 1}).ok() ? enough : too_little) = middle;
  }
  return enough;
}

std::optional<std::vector<float>> run(const Program& program, uint64_t budget,
                                      const fuzz::ProgramHeader& header) {
  budget = round_up(std::max<uint64_t>(budget, 1), wire::kPageBytes);
  const auto schedule = program::make_schedule(program, {budget, 1});
  TAOISM_CHECK(schedule.ok());
  return fuzz::run_sealed(program, *schedule, budget, header);
}

bool is_same(float a, float b) {
  return std::bit_cast<uint32_t>(a) == std::bit_cast<uint32_t>(b) || (a != a && b != b);
}

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  kernels::set_target(kernels::Target::portable);
  fuzz::Reader reader(data, size);
  const auto header = reader.value<fuzz::ProgramHeader>();
  auto program = program::decode(reader.rest());
  if (!program.ok() || program->segments.empty() || !is_small(*program)) return 0;
  const auto target = static_cast<kernels::Target>(header.target % kernels::kTargetCount);
  if (!kernels::force_target_for_testing(target)) return 0;
  fuzz::repair(*program);
  TAOISM_CHECK(program::verify(*program).ok());
  const auto roomy = program::make_schedule(*program, {UINT64_MAX, 1});
  TAOISM_CHECK(roomy.ok());
  if (!is_small(*program) || roomy->arena_bytes() > 2 * kMostBytes) return 0;
  if (program::encode(*program).size() > fuzz::kMostEncodedBytes) return 0;
  const uint64_t most = roomy->arena_bytes();
  const uint64_t asked = std::min<uint64_t>(uint64_t{header.budget_kib} << 10, most);
  const bool is_enough = program::make_schedule(*program, {asked, 1}).ok();
  const auto whole = run(*program, most, header);
  const auto tight = run(*program, is_enough ? asked : least_memory(*program, most), header);
  if (whole && tight) TAOISM_CHECK(std::ranges::equal(*whole, *tight, is_same));
  return 0;
}

}  // namespace taoism::fuzz
