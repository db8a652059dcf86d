// Hostile program bytes: what decode accepts encodes to an equal program, and has schedules that
// keep to their budgets, for one thread and for several.
#include "kernels/target.h"
#include "program/codec.h"
#include "program/schedule.h"
#include "program_input.h"
#include "reader.h"
#include "store/layout.h"

namespace taoism::fuzz {
namespace {

void check_schedule(const program::Program& program, const program::Limits& limits) {
  const auto schedule = program::make_schedule(program, limits);
  if (!schedule.ok()) {
    TAOISM_CHECK(schedule.code() == Code::resource_exhausted);
    return;
  }
  TAOISM_CHECK(schedule->arena_bytes() <= limits.memory_bytes);
  TAOISM_CHECK(schedule->segments.size() == program.segments.size());
  TAOISM_CHECK(schedule->weights.size() == program.weights.size());
  for (size_t w = 0; w < program.weights.size(); ++w) {
    const program::WeightPlan& plan = schedule->weights[w];
    const uint64_t bytes = program.weights[w].packed_bytes;
    TAOISM_CHECK(plan.ends.empty() ? bytes == 0 : plan.ends.back() == bytes);
    if (plan.is_resident) TAOISM_CHECK(plan.offset + bytes <= schedule->weight_bytes);
  }
}

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  kernels::set_target(kernels::Target::portable);
  fuzz::Reader reader(data, size);
  const auto header = reader.value<fuzz::ProgramHeader>();
  const auto program = program::decode(reader.rest());
  if (!program.ok()) {
    TAOISM_CHECK(program.code() == Code::integrity);
    return 0;
  }
  const std::vector<std::byte> bytes = program::encode(*program);
  const auto again = program::decode(bytes);
  TAOISM_CHECK(again.ok() && program::encode(*again) == bytes);
  for (const size_t threads : {1, 4}) {
    check_schedule(*program, {UINT64_MAX, threads});
    check_schedule(*program, {uint64_t{header.budget_kib} << 10, threads});
  }
  const store::WeightLayout layout(*program);
  uint64_t packed_bytes = 0;
  for (const program::Weight& weight : program->weights) packed_bytes += weight.packed_bytes;
  TAOISM_CHECK(layout.bytes() >= packed_bytes);
  return 0;
}

}  // namespace taoism::fuzz
