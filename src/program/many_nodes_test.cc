// Schedules of programs of many instructions.
#include "program/schedule.h"

#include <gtest/gtest.h>

#include "kernels/target.h"
#include "program/bands.h"
#include "program/schedule_builder.h"
#include "program/stretches.h"

namespace taoism::program {
namespace {

// Programs of so many instructions that what is quadratic in them takes minutes, or hours: in all
// the memory that they want, and in little.
enum class Form : uint8_t {
  chain,       // each reads the one before it
  fan,         // all read the input, all are outputs
  long_lived,  // all are read once more, by the last ones
  weighted,    // a chain of which each reads a weight
};

Program large_program(Form form, uint32_t nodes, int64_t batch) {
  Program program;
  program.target = kernels::target_name();
  const ir::TensorDesc type{ir::DType::f32, {batch, 64}};
  program.slots.push_back({type});
  Segment segment;
  segment.inputs = {0};
  const auto add = [&](const char* op, std::vector<Operand> inputs) {
    const auto slot = static_cast<SlotId>(program.slots.size());
    program.slots.push_back({type});
    segment.instructions.push_back({ops::find_op(op), "n", {}, std::move(inputs), {slot}});
    return slot;
  };
  const auto of = [](SlotId slot) { return Operand{Operand::slot, slot}; };
  SlotId last = 0;
  std::vector<SlotId> made;
  for (uint32_t n = 0; n < nodes; ++n) {
    if (form == Form::weighted) {
      program.weights.push_back({{ir::DType::f32, {1, 64}}, 64 * sizeof(float)});
      last = add("Add", {of(last), {Operand::weight, n}});
    } else if (form == Form::long_lived && n >= nodes / 2) {
      last = add("Add", {of(last), of(made[nodes - 1 - n])});
    } else {
      // Exp is no alias and writes over its input where nobody reads that again.
      last = add(n % 2 == 0 ? "Exp" : "Relu", {of(form == Form::chain ? last : 0)});
    }
    made.push_back(last);
    if (form == Form::fan) segment.outputs.push_back(last);
  }
  if (form != Form::fan) segment.outputs.push_back(last);
  program.segments.push_back(std::move(segment));
  return program;
}

TEST(ScheduleOfManyNodes, IsNearLinear) {
  constexpr uint32_t kNodes = 40'000;
  for (const Form form : {Form::chain, Form::fan, Form::long_lived, Form::weighted}) {
    SCOPED_TRACE(static_cast<int>(form));
    const Program program = large_program(form, kNodes, 4);
    ASSERT_TRUE(verify(program).ok());
    const Result<Schedule> whole = make_schedule(program, {});
    ASSERT_TRUE(whole.ok());
    const Analysis analysis(program);
    BandCosts costs(analysis);
    // Room for a few images of what lives at once at most, where that is little.
    const uint64_t bytes = form == Form::long_lived ? uint64_t{8} << 20 : 4096;
    EXPECT_FALSE(choose_stretches(analysis, costs, bytes).empty());
  }
}

}  // namespace
}  // namespace taoism::program
