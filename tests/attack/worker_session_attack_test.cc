// A hostile host in a session with a real worker: what is left of the owner's secrets when the
// session is over, whoever may look, and whose programs run where the owner's key is.
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <random>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "package/key_file.h"
#include "program/codec.h"
#include "program/lower.h"
#include "program/schedule.h"
#include "store/seal_weights.h"
#include "tee/owner_session.h"
#include "tee/tee.h"
#include "worker_watch.h"

namespace taoism::attack {
namespace {

namespace fs = std::filesystem;
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

// Two convolutions with biases, in the TEE; between them are private activations.
struct Model {
  Model() {
    ir::Graph& g = graph.graph;
    const ir::TensorDesc image{ir::DType::f32, {1, kChannels, kSide, kSide}};
    ir::Attrs attrs;
    attrs.set("kernel_shape", std::vector<int64_t>{3, 3});
    attrs.set("pads", std::vector<int64_t>{1, 1, 1, 1});
    graph.segments = {{ir::Placement::tee, {}, {g.add_input("x", image)}, {}}};
    ir::ValueId last = graph.segments[0].inputs[0];
    for (const std::string name : {"a", "b"}) {
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
  explicit WorkerSession(const std::string& key_file = "") {
    lowered_ = program::lower(model_.graph, ir::Placement::tee).value();
    const auto schedule = program::make_schedule(lowered_.program, {}).value();
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
    TAOISM_ASSIGN_OR_RETURN(tee::OwnerSession session,
                            tee::OwnerSession::open(transport(), tee::session_terms(options_)));
    TAOISM_ASSIGN_OR_RETURN(header_, store::new_store(1));
    TAOISM_RETURN_IF_ERROR(store::seal_weights(
        lowered_.program, *layout_, header_,
        [&](program::WeightId w, std::byte* packed) {
          program::pack_weight(model_.graph.graph, lowered_, w, packed);
        },
        transport().payload().subspan(weights_.offset, weights_.bytes)));
    TAOISM_ASSIGN_OR_RETURN(id_, session.load_program(encoded_, header_, weights_, spill_));
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

  // What nobody may find: the bias as it lies anywhere, and the secret of the weights' store.
  std::vector<std::string> secrets() const {
    return {{reinterpret_cast<const char*>(model_.bias.data()), 4 * sizeof(float)},
            {reinterpret_cast<const char*>(header_.secret.data()), header_.secret.size()}};
  }

 private:
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
};

// How often they are found in what a process has mapped; nothing where we may not look, or it is
// gone.
std::optional<size_t> count_in_all_mappings(int pid, const std::vector<std::string>& secrets) {
  const std::string proc = "/proc/" + std::to_string(pid);
  const int memory = open((proc + "/mem").c_str(), O_RDONLY | O_CLOEXEC);
  if (memory < 0) return std::nullopt;
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
    const ssize_t got = pread(memory, bytes.data(), bytes.size(), static_cast<off_t>(begin));
    if (got <= 0) continue;
    ++mappings;
    for (const std::string& secret : secrets) {
      for (size_t at = bytes.find(secret); at != std::string::npos;
           at = bytes.find(secret, at + 1)) {
        ++found;
      }
    }
  }
  close(memory);
  return mappings == 0 ? std::nullopt : std::optional(found);
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

TEST_P(DeadSession, LeavesNothingOfTheOwnersInAnyMapping) {
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

// A worker that was given the owner's key, and a host that has no package but a program.
TEST(StrangersProgram, IsRefusedByAWorkerWithAKey) {
  for (const tee::TeeFeature& feature : tee::probe_tee(TAOISM_WORKER)) {
    if (feature.name != "process: closed memory" || feature.available) continue;
    GTEST_SKIP() << "no worker takes a key here: " << feature.reason << " (" << feature.mend << ")";
  }
  const fs::path folder = fs::temp_directory_path() / ("taoism-key-" + std::to_string(getpid()));
  fs::create_directory(folder);
  fs::permissions(folder, fs::perms::owner_all);
  const std::string file = folder / "owner.key";
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
  fs::remove_all(folder);
}

}  // namespace
}  // namespace taoism::attack
