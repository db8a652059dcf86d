// Whoever chooses the indices of a request reaches nothing but the tensor that they count: each
// operator runs with tensors that end, and then begin, at a page that nobody may touch.
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "case_builder.h"
#include "ops/graph_view.h"

namespace taoism::conformance {
namespace {

// Memory with a page on either side whose touch ends the process.
class Fenced {
 public:
  // `bytes` lie against the upper page, or against the lower one.
  Fenced(size_t bytes, bool at_end) : page_(static_cast<size_t>(sysconf(_SC_PAGESIZE))) {
    inside_ = round_up(std::max<size_t>(bytes, 1), page_);
    void* memory =
        mmap(nullptr, inside_ + 2 * page_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    TAOISM_CHECK(memory != MAP_FAILED);
    base_ = static_cast<std::byte*>(memory);
    TAOISM_CHECK(mprotect(base_ + page_, inside_, PROT_READ | PROT_WRITE) == 0);
    data_ = base_ + page_ + (at_end ? inside_ - bytes : 0);
  }
  Fenced(Fenced&& other) noexcept
      : page_(other.page_), inside_(other.inside_), base_(other.base_), data_(other.data_) {
    other.base_ = nullptr;
  }
  ~Fenced() {
    if (base_ != nullptr) munmap(base_, inside_ + 2 * page_);
  }
  std::byte* data() const { return data_; }

 private:
  size_t page_, inside_;
  std::byte* base_;
  std::byte* data_;
};

struct Attacked {
  const char* op;
  ir::Attrs attrs;
  std::vector<CaseInput> inputs;  // of sizes that are multiples of the alignment
};

std::vector<Attacked> attacked() {
  const ir::Attrs last = attrs({{"axis", int64_t{-1}}});
  return {
      {"Gather", {}, {tensor({5, 16}), indices({8}, 5)}},
      {"Gather", last, {tensor({16, 8}), indices({8}, 8)}},
      {"GatherElements", last, {tensor({16, 8}), indices({16, 4}, 8)}},
      {"GatherND", {}, {tensor({4, 8, 16}), indices({4, 2}, 4)}},
      {"GatherND",
       attrs({{"batch_dims", int64_t{1}}}),
       {tensor({4, 8, 16}), indices({4, 2, 1}, 8)}},
      {"ScatterElements", last, {tensor({16, 8}), indices({16, 4}, 8), tensor({16, 4})}},
      {"ScatterND", {}, {tensor({4, 8, 16}), indices({4, 2}, 4), tensor({4, 16})}},
      {"ScatterND",
       attrs({{"reduction", "add"}}),
       {tensor({4, 8, 16}), indices({8, 1}, 4), tensor({8, 8, 16})}},
  };
}

// Mostly in range, with the numbers that arithmetic gets wrong among them.
void choose(int64_t* to, int64_t count, int64_t dim, std::mt19937_64& random) {
  const int64_t odd[] = {dim,          -dim - 1,  INT64_MIN,       INT64_MAX,
                         -(1LL << 32), 1LL << 61, INT64_MIN + dim, INT64_MAX - dim};
  for (int64_t i = 0; i < count; ++i) {
    const bool is_odd = random() % static_cast<uint64_t>(4 * count) == 0;
    to[i] = is_odd ? odd[random() % std::size(odd)]
                   : static_cast<int64_t>(random() % static_cast<uint64_t>(2 * dim)) - dim;
  }
}

TEST(IndexAttack, NoIndexReachesBesideItsTensor) {
  std::mt19937_64 random(5);
  size_t ran = 0, refused = 0;
  for (const Attacked& target : attacked()) {
    SCOPED_TRACE(target.op);
    const OpCase op_case{"n", target.op, target.attrs, target.inputs};
    const ir::Graph graph = graph_of(op_case);
    const ops::OpDef& def = *ops::find_op(target.op);
    const ops::GraphNodeView holder(graph, graph.node(0));
    for (int round = 0; round < 2000; ++round) {
      std::vector<Fenced> memory;
      std::vector<const std::byte*> inputs;
      for (const CaseInput& input : target.inputs) {
        const ir::TensorDesc desc{dtype_of(input), input.shape};
        memory.emplace_back(desc.bytes(), round % 2 == 0);
        inputs.push_back(memory.back().data());
        if (desc.dtype != ir::DType::i64) continue;
        choose(reinterpret_cast<int64_t*>(memory.back().data()), desc.shape.elements(), input.bound,
               random);
      }
      const Fenced output(holder.view().outputs[0].bytes(), round % 2 == 0);
      std::byte* to = output.data();
      SerialParallel serial;
      const ops::Outcome outcome = def.run({holder.view(), inputs, {&to, 1}, {}, serial});
      ++(outcome.ok() ? ran : refused);
      EXPECT_TRUE(outcome.ok() || outcome.index < -outcome.dim || outcome.index >= outcome.dim);
    }
  }
  EXPECT_GE(ran, 1000U);
  EXPECT_GE(refused, 1000U);
}

}  // namespace
}  // namespace taoism::conformance
