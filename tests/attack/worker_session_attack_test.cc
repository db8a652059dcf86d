// A hostile host in a session with a real worker: what is left of the owner's secrets when the
// session is over, whoever may look, and whose programs run where the owner's key is.
#include <algorithm>
#include <array>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <optional>
#include <random>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/test_folder.h"
#include "files/descriptor.h"
#include "package/key_file.h"
#include "program/codec.h"
#include "program/lower.h"
#include "program/schedule.h"
#include "store/seal_weights.h"
#include "tee/owner_session.h"
#include "tee/tee.h"
#include "trusted/stacks.h"
#include "worker_watch.h"

namespace taoism::attack {
namespace {

using ::testing::HasSubstr;
using wire::Message;
using wire::MessageType;

constexpr int64_t kChannels = 64;
constexpr int64_t kSide = 12;

std::vector<float> noise(size_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<float> values(count);
  for (float& value : values) value = 0.1F * (static_cast<float>(random() >> 8) * 0x1p-24F - 0.5F);
  return values;
}

// Convolutions with biases, in the TEE; between them are private activations.
struct Model {
  explicit Model(size_t layers) {
    ir::Graph& g = graph.graph;
    const ir::TensorDesc image{ir::DType::f32, {1, kChannels, kSide, kSide}};
    ir::Attrs attrs;
    attrs.set("kernel_shape", std::vector<int64_t>{3, 3});
    attrs.set("pads", std::vector<int64_t>{1, 1, 1, 1});
    graph.segments = {{ir::Placement::tee, {}, {g.add_input("x", image)}, {}}};
    ir::ValueId last = graph.segments[0].inputs[0];
    for (size_t layer = 0; layer < layers; ++layer) {
      const std::string name(1, static_cast<char>('a' + layer));
      const auto w = g.add_constant(
          name + ".w", ir::make_f32_constant({kChannels, kChannels, 3, 3},
                                             noise(kChannels * kChannels * 9, name[0])));
      const auto b = g.add_constant(name + ".b", ir::make_f32_constant({kChannels}, bias));
      const auto y = g.add_value(name + ".y", image);
      graph.segments[0].nodes.push_back(
          g.add_node({"Conv", name, {last, w, b}, {y}, attrs, ir::Placement::tee, "", ""}));
      last = y;
    }
    graph.segments[0].outputs = {last};
    g.set_outputs({last});
  }

  ir::PartitionedGraph graph;
  const std::vector<float> bias = noise(kChannels, 1);
};

// The whole way of a program into a worker, by hand.
class WorkerSession {
 public:
  explicit WorkerSession(const std::string& key_file = "", size_t threads = 1, size_t layers = 2)
      : model_(layers) {
    lowered_ = program::lower(model_.graph, ir::Placement::tee).value();
    const auto schedule = program::make_schedule(lowered_.program, {.threads = threads}).value();
    options_.threads = threads;
    layout_.emplace(lowered_.program);
    encoded_ = program::encode(lowered_.program);
    options_.worker_path = TAOISM_WORKER;
    options_.memory_bytes = schedule.arena_bytes();
    options_.key_file = key_file;
    const size_t staging = tee::OwnerSession::staging_bytes(encoded_.size());
    weights_ = {staging, layout_->bytes()};
    spill_ = {round_up(weights_.offset + weights_.bytes, kAlignment), store::spill_bytes(schedule)};
    tensors_ = round_up(spill_.offset + spill_.bytes, kAlignment);
    start_ = tee::start_process(options_, tensors_ + 2 * image_bytes() + kAlignment);
  }

  const Status& started() const { return start_.status(); }
  tee::Transport& transport() { return **start_; }
  int pid() const { return (*start_)->worker_pid(); }

  Status load() {
    if (!session_.has_value()) {
      TAOISM_ASSIGN_OR_RETURN(session_,
                              tee::OwnerSession::open(transport(), tee::session_terms(options_)));
    }
    TAOISM_ASSIGN_OR_RETURN(header_, store::new_store(1));
    TAOISM_RETURN_IF_ERROR(store::seal_weights(
        lowered_.program, *layout_, header_,
        [&](program::WeightId w, std::byte* packed) {
          program::pack_weight(model_.graph.graph, lowered_, w, packed);
        },
        transport().payload().subspan(weights_.offset, weights_.bytes)));
    TAOISM_ASSIGN_OR_RETURN(id_, session_->load_program(encoded_, header_, weights_, spill_));
    return {};
  }

  Status run() {
    const wire::Range slots[] = {{tensors_, image_bytes()},
                                 {tensors_ + image_bytes(), image_bytes()}};
    std::byte* payload = transport().payload().data();
    std::memcpy(payload, slots, sizeof(slots));
    const std::vector<float> input = noise(image_bytes() / sizeof(float), 3);
    std::memcpy(payload + tensors_, input.data(), image_bytes());
    wire::RunSegment request{};
    request.program = id_;
    request.slots = {0, sizeof(slots)};
    wire::Reply reply;
    return transport().call(Message::of(MessageType::run_segment, request), reply);
  }

  Status close() {
    wire::Reply reply;
    return transport().call(
        Message::of(MessageType::close_program, wire::CloseProgram{.program = id_}), reply);
  }

  std::string answer() {
    return text(transport().payload().data() + tensors_ + image_bytes(), image_bytes());
  }
  // What nobody may find: weights as they are packed, biases, and the secret of their store.
  std::vector<std::string> secrets() const {
    std::vector<std::string> secrets;
    for (program::WeightId w = 0; w < lowered_.program.weights.size(); ++w) {
      AlignedBuffer packed(lowered_.program.weights[w].packed_bytes);
      program::pack_weight(model_.graph.graph, lowered_, w, packed.data());
      secrets.push_back(text(packed.data(), packed.size()));
    }
    secrets.push_back(text(header_.secret.data(), header_.secret.size()));
    return secrets;
  }

 private:
  static std::string text(const void* bytes, size_t count) {
    return {static_cast<const char*>(bytes), count};
  }
  static size_t image_bytes() { return kChannels * kSide * kSide * sizeof(float); }

  const Model model_;
  program::Lowered lowered_;
  std::optional<store::WeightLayout> layout_;
  std::vector<std::byte> encoded_;
  store::StoreHeader header_{};
  wire::ProgramId id_{};
  tee::TeeOptions options_;
  wire::Range weights_{}, spill_{};
  size_t tensors_ = 0;
  Result<std::unique_ptr<tee::Transport>> start_ = unavailable("not yet");
  std::optional<tee::OwnerSession> session_;
};

// Any 16 bytes of secrets, which lie at whole words, but such that are the same word over and over.
class Needles {
 public:
  explicit Needles(const std::vector<std::string>& secrets) {
    for (const std::string& secret : secrets) {
      for (size_t at = 0; at + sizeof(Words) <= secret.size(); at += sizeof(uint32_t)) {
        Words words;
        std::memcpy(words.data(), secret.data() + at, sizeof(words));
        if (std::ranges::count(words, words[0]) == 4) continue;
        words_.push_back(words);
        first_[hash(words[0])] = true;
      }
    }
    std::ranges::sort(words_);
  }
  size_t count_in(std::string_view bytes) const {
    size_t found = 0;
    for (size_t at = 0; at + sizeof(Words) <= bytes.size(); at += sizeof(uint32_t)) {
      Words words;
      std::memcpy(words.data(), bytes.data() + at, sizeof(words));
      if (first_[hash(words[0])] && std::ranges::binary_search(words_, words)) ++found;
    }
    return found;
  }

 private:
  using Words = std::array<uint32_t, 4>;
  static size_t hash(uint32_t word) { return word * 2654435769U >> 10; }

  std::vector<Words> words_;
  std::vector<bool> first_ = std::vector<bool>(1 << 22);
};

// How often they are found in what a process has mapped; nothing where we may not look, or it is
// gone.
std::optional<size_t> count_in_all_mappings(int pid, const std::vector<std::string>& secrets,
                                            std::string* where = nullptr) {
  const Needles needles(secrets);
  const std::string proc = "/proc/" + std::to_string(pid);
  const files::Descriptor memory(open((proc + "/mem").c_str(), O_RDONLY | O_CLOEXEC));
  if (!memory.is_open()) return std::nullopt;
  size_t mappings = 0;
  size_t found = 0;
  std::ifstream maps(proc + "/maps");
  for (std::string line; std::getline(maps, line);) {
    uintptr_t begin = 0;
    uintptr_t end = 0;
    char access = '-';
    if (std::sscanf(line.c_str(), "%" SCNxPTR "-%" SCNxPTR " %c", &begin, &end, &access) != 3 ||
        access != 'r' || line.ends_with("[vvar]") || line.ends_with("[vsyscall]")) {
      continue;
    }
    std::string bytes(end - begin, '\0');
    const ssize_t got = pread(memory.get(), bytes.data(), bytes.size(), static_cast<off_t>(begin));
    if (got <= 0) continue;
    ++mappings;
    const size_t here = needles.count_in(bytes);
    if (here != 0 && where != nullptr) *where += line + ": " + std::to_string(here) + "\n";
    found += here;
  }
  return mappings == 0 ? std::nullopt : std::optional(found);
}

// What those functions write below themselves, and what wiping leaves of its own (77 bytes by g++ 14).
constexpr size_t kWaiting = 1024;
constexpr size_t kReturn = 128;

// Of a thread that waits: how far below it anything is on its stack, and how many bytes beyond
// kWaiting are not 0.
struct Stack {
  std::string mapping;
  size_t deepest_bytes = 0;
  size_t left_bytes = 0;
};

// Nothing where we may not look.
std::optional<std::vector<Stack>> stacks_of(int pid) {
  const std::string proc = "/proc/" + std::to_string(pid);
  const files::Descriptor memory(open((proc + "/mem").c_str(), O_RDONLY | O_CLOEXEC));
  if (!memory.is_open()) return std::nullopt;
  std::vector<Stack> stacks;
  for (const int thread : threads_of(pid)) {
    const std::string file = proc + "/task/" + std::to_string(thread) + "/syscall";
    uintptr_t top = 0;
    EXPECT_TRUE(becomes_true([&] {  // one that runs has no such number
      std::vector<std::string> words;
      std::ifstream in(file);
      for (std::string word; in >> word;) words.push_back(word);
      if (words.size() < 3) return false;
      top = std::stoul(words[words.size() - 2], nullptr, 16);
      return true;
    }));
    std::ifstream maps(proc + "/maps");
    for (std::string line; std::getline(maps, line);) {
      uintptr_t begin = 0;
      uintptr_t end = 0;
      if (std::sscanf(line.c_str(), "%" SCNxPTR "-%" SCNxPTR, &begin, &end) != 2 || top < begin ||
          end <= top) {
        continue;
      }
      std::string bytes(top - begin, '\0');
      EXPECT_EQ(pread(memory.get(), bytes.data(), bytes.size(), static_cast<off_t>(begin)),
                static_cast<ssize_t>(bytes.size()));
      const size_t lowest = std::min(bytes.find_first_not_of('\0'), bytes.size());
      const size_t deepest = bytes.size() - lowest;
      bytes.resize(bytes.size() - std::min(bytes.size(), kWaiting));
      const auto zeros = static_cast<size_t>(std::ranges::count(bytes, '\0'));
      stacks.push_back({line, deepest, bytes.size() - zeros});
    }
  }
  return stacks;
}

struct End {
  const char* name;
  // Makes the worker answer that its session is over.
  Status (*provoke)(WorkerSession&);
};

const End kEnds[] = {
    {"AnUnknownMessage",
     [](WorkerSession& session) {
       wire::Reply reply;
       return session.transport().call(Message::of(static_cast<MessageType>(99)), reply);
     }},
    {"ASecondSession",
     [](WorkerSession& session) {
       wire::Reply reply;
       return session.transport().call(Message::of(MessageType::open_session, wire::OpenSession{}),
                                       reply);
     }},
    {"AnUnknownProgram",
     [](WorkerSession& session) {
       wire::Reply reply;
       return session.transport().call(
           Message::of(MessageType::close_program, wire::CloseProgram{}), reply);
     }},
};

class DeadSession : public ::testing::TestWithParam<End> {};

TEST_P(DeadSession, EndsTheWorker) {
  WorkerSession session;
  ASSERT_TRUE(session.started().ok()) << session.started().message();
  ASSERT_TRUE(session.load().ok());
  ASSERT_TRUE(session.run().ok());
  // Root may look, and sees that there is something to be found.
  if (const auto before = count_in_all_mappings(session.pid(), session.secrets())) {
    EXPECT_GT(*before, 0U);
  }

  const Status end = GetParam().provoke(session);
  EXPECT_TRUE(end.code() == Code::policy || end.code() == Code::integrity) << end.message();
  const int pid = session.pid();
  // Of a process that has ended nothing is mapped.
  EXPECT_TRUE(becomes_true([pid] { return state_of(pid) == 'Z' || !exists(pid); }));
  // Its host says the same for ever.
  wire::Reply reply;
  EXPECT_EQ(session.transport().call(Message::of(MessageType::ping), reply).message(),
            end.message());
  EXPECT_EQ(session.run().message(), end.message());
}

INSTANTIATE_TEST_SUITE_P(Ends, DeadSession, ::testing::ValuesIn(kEnds),
                         [](const auto& info) { return std::string(info.param.name); });

// A worker whose session goes on keeps nothing of a program that was closed: in no mapping, on no
// thread's stack.
class ClosedProgram : public ::testing::TestWithParam<size_t> {
 protected:
  void SetUp() override {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    GTEST_SKIP() << "needs a build without sanitizer, which keeps copies of its own";
#endif
  }
};

TEST_P(ClosedProgram, LeavesNothingOfTheOwnersInAnyMapping) {
  std::string between;
  {
    WorkerSession first("", GetParam(), 1);
    ASSERT_TRUE(first.load().ok());
    ASSERT_TRUE(first.run().ok());
    between = first.answer();
  }
  WorkerSession session("", GetParam());
  ASSERT_TRUE(session.started().ok()) << session.started().message();
  for (int round = 0; round < 2; ++round) {
    ASSERT_TRUE(session.load().ok());
    ASSERT_TRUE(session.run().ok());
    std::vector<std::string> secrets = session.secrets();
    secrets.push_back(between);
    const auto before = count_in_all_mappings(session.pid(), secrets);
    if (!before.has_value()) GTEST_SKIP() << "only root may look into a worker";
    EXPECT_GT(*before, 0U);
    EXPECT_GT(count_in_all_mappings(session.pid(), {between}).value(), 0U);
    ASSERT_TRUE(session.close().ok());
    std::string where;
    EXPECT_EQ(count_in_all_mappings(session.pid(), secrets, &where), 0U) << where;
  }
}

// Nor anything else that was computed with: below the functions that wait for the next message
// there is nothing but where the wiping function returned to.
TEST_P(ClosedProgram, LeavesNothingOnTheStacks) {
  WorkerSession session("", GetParam());
  ASSERT_TRUE(session.started().ok()) << session.started().message();
  ASSERT_TRUE(session.load().ok());
  ASSERT_TRUE(session.run().ok());
  const auto before = stacks_of(session.pid());
  if (!before.has_value()) GTEST_SKIP() << "only root may look into a worker";
  // Of many threads not each has had something to do.
  EXPECT_TRUE(std::ranges::any_of(*before, [](const Stack& s) { return s.left_bytes > kReturn; }));
  ASSERT_TRUE(session.close().ok());
  const auto after = stacks_of(session.pid());
  EXPECT_GT(after->size(), GetParam());  // one more watches the host
  for (const Stack& stack : *after) {
    EXPECT_LE(stack.left_bytes, kReturn) << stack.mapping;
    EXPECT_LE(stack.deepest_bytes, trusted::kStackBytes + kWaiting) << stack.mapping;
  }
}

INSTANTIATE_TEST_SUITE_P(Threads, ClosedProgram, ::testing::Values(1, 2, 5));

// A worker that was given the owner's key, and a host that has no package but a program.
TEST(StrangersProgram, IsRefusedByAWorkerWithAKey) {
  for (const tee::TeeFeature& feature : tee::probe_tee(TAOISM_WORKER)) {
    if (feature.name != "process: closed memory" || feature.available) continue;
    GTEST_SKIP() << "no worker takes a key here: " << feature.reason << " (" << feature.mend << ")";
  }
  const TestFolder folder;
  const std::string file = folder.file("owner.key");
  const store::PackageKey key = package::new_key().value();
  ASSERT_TRUE(package::create_key_file(file, key).ok());
  const std::vector<std::string> secret{
      {reinterpret_cast<const char*>(key.secret.expose_secret().data()), key.secret.size()}};
  {
    WorkerSession session(file);
    ASSERT_TRUE(session.started().ok()) << session.started().message();
    const int pid = session.pid();
    if (const auto before = count_in_all_mappings(pid, secret)) {
      EXPECT_GT(*before, 0U);
    }
    const Status refused = session.load();
    EXPECT_EQ(refused.code(), Code::policy);
    EXPECT_THAT(refused.message(), HasSubstr("takes packages alone"));
    // Nor does the key outlive the session.
    EXPECT_TRUE(becomes_true([pid] { return state_of(pid) == 'Z' || !exists(pid); }));
  }
}

}  // namespace
}  // namespace taoism::attack
