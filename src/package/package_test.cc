// Packages end to end: sealed, opened in a TEE, and every way that a file can be other than what
// was sealed.
#include "package/package.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>

#include "base/test_folder.h"
#include "base/text.h"
#include "package/key_file.h"
#include "package/public_part.h"
#include "package/seal.h"
#include "runtime/session.h"
#include "runtime/small_model.h"
#include "runtime/tensors.h"
#include "tee/transport.h"

namespace taoism::package {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using Answer = std::vector<float>;

constexpr const char* kStrategies[] = {"full",      "deep:k=1",  "shallow:k=1",
                                       "nonlinear", "magnitude", "intermediate:theta=0.5"};

std::string read_all(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void write_all(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

class PackageTest : public testing::Test {
 protected:
  void SetUp() override {
    runtime::write_small_model(path("m.onnx"));
    Result<store::PackageKey> key = new_key();
    ASSERT_TRUE(key.ok());
    key_ = std::move(*key);
    key_.owners.keys.push_back(owner_.public_key());
    ASSERT_TRUE(create_key_file(path("m.key"), key_).ok());
  }

  std::string path(const std::string& name) const { return folder_ + "/" + name; }

  // Made once: what a plan draws, it draws anew.
  Result<partition::Plan> plan(const std::string& strategy) const {
    if (const auto made = plans_.find(strategy); made != plans_.end()) return made->second;
    TAOISM_ASSIGN_OR_RETURN(onnx::Model model, onnx::Model::load(path("m.onnx")));
    TAOISM_ASSIGN_OR_RETURN(std::string hash, model.hash());
    TAOISM_ASSIGN_OR_RETURN(ir::Graph graph, model.bind());
    TAOISM_ASSIGN_OR_RETURN(partition::StrategySpec spec, partition::StrategySpec::parse(strategy));
    TAOISM_ASSIGN_OR_RETURN(partition::Plan plan, partition::make_plan(graph, spec, hash));
    return plans_.emplace(strategy, std::move(plan)).first->second;
  }

  Status seal_as(const std::string& strategy, const std::string& name,
                 std::vector<int64_t> batches = {1, 4}, uint64_t version = 1) const {
    TAOISM_ASSIGN_OR_RETURN(onnx::Model model, onnx::Model::load(path("m.onnx")));
    TAOISM_ASSIGN_OR_RETURN(partition::Plan plan, this->plan(strategy));
    TAOISM_ASSIGN_OR_RETURN(files::OutputFile file, files::OutputFile::create(path(name)));
    SealOptions options{.allow_exposed = true};
    options.batches = std::move(batches);
    options.version = version;
    TAOISM_RETURN_IF_ERROR(seal(model, plan, options, key_, owner_, file).status());
    return file.commit();
  }

  runtime::Machine machine(const std::string& tee = "inline") const {
    runtime::Machine machine = runtime::test_machine();
    machine.tee = tee;
    if (tee == "inline") machine.worker_path = TAOISM_INLINE;
    machine.key_file = path("m.key");
    return machine;
  }

  static Result<Answer> answer(const runtime::Source& source, int64_t batch,
                               const runtime::Machine& machine) {
    TAOISM_ASSIGN_OR_RETURN(runtime::Prepared prepared, source.prepare(batch, machine));
    TAOISM_ASSIGN_OR_RETURN(std::unique_ptr<runtime::Session> session,
                            runtime::Session::open(prepared, machine));
    runtime::Tensors inputs(session->inputs());
    runtime::Tensors outputs(session->outputs());
    runtime::fill_normal(inputs.views(), 5);
    runtime::RunProfile profile;
    TAOISM_RETURN_IF_ERROR(session->run(inputs.const_views(), outputs.views(), profile));
    const ir::ConstTensorView out = outputs.const_views()[0];
    return Answer(out.f32(), out.f32() + out.desc.shape.elements());
  }
  Result<Answer> answer_of_package(const std::string& name, int64_t batch,
                                   const runtime::Machine& machine) const {
    TAOISM_ASSIGN_OR_RETURN(std::unique_ptr<Package> package, Package::open(path(name)));
    return answer(*package, batch, machine);
  }
  Result<Answer> answer_of_model(const std::string& strategy, int64_t batch) const {
    TAOISM_ASSIGN_OR_RETURN(onnx::Model model, onnx::Model::load(path("m.onnx")));
    TAOISM_ASSIGN_OR_RETURN(partition::Plan plan, this->plan(strategy));
    TAOISM_ASSIGN_OR_RETURN(std::unique_ptr<runtime::Source> source,
                            runtime::open_source(model, plan, {.batch = batch}));
    return answer(*source, batch, machine());
  }

  mutable std::map<std::string, partition::Plan> plans_;

  // What the key file says, changed as its fields here are.
  void put_key() const {
    ASSERT_TRUE(change_key_file(path("m.key"), [&](store::PackageKey& key) -> Status {
                  key.least_version = key_.least_version;
                  key.owners = key_.owners;
                  return {};
                }).ok());
  }

  const TestFolder temporary_;
  const std::string folder_ = temporary_.path();
  store::PackageKey key_;
  crypto::SigningKey owner_ = crypto::SigningKey::create().value();
};

TEST_F(PackageTest, AnswersAsTheModelDoes) {
  for (const char* strategy : kStrategies) {
    SCOPED_TRACE(strategy);
    const Status sealed = seal_as(strategy, "m.tao");
    ASSERT_TRUE(sealed.ok()) << sealed.message();
    for (const int64_t batch : {1, 4}) {
      const Result<Answer> want = answer_of_model(strategy, batch);
      ASSERT_TRUE(want.ok()) << want.status().message();
      for (const char* tee : {"process", "inline"}) {
        const Result<Answer> got = answer_of_package("m.tao", batch, machine(tee));
        ASSERT_TRUE(got.ok()) << tee << ": " << got.status().message();
        EXPECT_EQ(*got, *want) << tee << " " << batch;  // to the bit
      }
    }
  }
}

TEST_F(PackageTest, RunsInAnyBudgetAndNamesTheLeast) {
  ASSERT_TRUE(seal_as("full", "m.tao").ok());
  const Result<Answer> want = answer_of_package("m.tao", 4, machine());
  ASSERT_TRUE(want.ok()) << want.status().message();
  runtime::Machine small = machine();
  small.tee_memory_bytes = 1000;
  const Result<Answer> refused = answer_of_package("m.tao", 4, small);
  ASSERT_EQ(refused.code(), Code::resource_exhausted) << refused.status().message();
  const std::string text = refused.status().message();
  const size_t at = text.rfind("--tee-memory ");
  ASSERT_NE(at, std::string::npos) << text;
  small.tee_memory_bytes = std::stoull(text.substr(at + 13)) * 1024;
  ASSERT_THAT(text, HasSubstr("KiB"));
  const Result<Answer> least = answer_of_package("m.tao", 4, small);
  ASSERT_TRUE(least.ok()) << least.status().message();
  EXPECT_EQ(*least, *want);
}

// The file has no weight that the plan keeps in the TEE, nor its plan.
TEST_F(PackageTest, WhatIsPrivateIsNotInTheFile) {
  Result<onnx::Model> model = onnx::Model::load(path("m.onnx"));
  ASSERT_TRUE(model.ok());
  Result<ir::Graph> graph = model->bind();
  ASSERT_TRUE(graph.ok());
  // Any four values in a row, as ONNX has them; the ramp of the test model repeats, so that a
  // window is one of few: what of them is public depends on the plan alone.
  const auto holds_weight = [&](const std::string& file, const std::string& name) {
    for (ir::ValueId v = 0; v < static_cast<ir::ValueId>(graph->value_count()); ++v) {
      const ir::Value& value = graph->value(v);
      if (value.name != name || !value.is_constant()) continue;
      const std::string_view window(reinterpret_cast<const char*>(value.constant->data), 16);
      return file.find(window) != std::string::npos;
    }
    ADD_FAILURE() << "no weight " << name;
    return true;
  };
  ASSERT_TRUE(seal_as("full", "m.tao").ok());
  const std::string sealed = read_all(path("m.tao"));
  for (const char* name : {"w1", "w2", "w3", "b3"}) EXPECT_FALSE(holds_weight(sealed, name));
  for (const char* name : {"conv1", "conv2", "relu", "\"nodes\""}) {
    EXPECT_EQ(sealed.find(name), std::string::npos) << name;
  }
  // The check can fail: what the plan exposes is there.
  ASSERT_TRUE(seal_as("deep:k=1", "m.tao").ok());
  EXPECT_TRUE(holds_weight(read_all(path("m.tao")), "w1"));
}

TEST_F(PackageTest, BatchesShareTheirWeights) {
  ASSERT_TRUE(seal_as("full", "one.tao", {1}).ok());
  ASSERT_TRUE(seal_as("full", "many.tao", {1, 2, 3, 4, 8, 16}).ok());
  const auto package = Package::open(path("many.tao"));
  ASSERT_TRUE(package.ok()) << package.status().message();
  EXPECT_EQ((*package)->file().head().count(store::PartKind::weights), 1U);
  EXPECT_EQ((*package)->file().head().count(store::PartKind::program), 6U);
  EXPECT_EQ((*package)->batch_at_most(7), 4);
  EXPECT_EQ((*package)->batch_at_most(100), 16);
  ASSERT_TRUE(seal_as("full", "large.tao", {4}).ok());
  const auto large = Package::open(path("large.tao"));
  ASSERT_TRUE(large.ok());
  EXPECT_EQ((*large)->batch_at_most(3), 0);
  EXPECT_THAT((*large)->no_batch_for(3).message(), HasSubstr("batches of 4"));
}

TEST_F(PackageTest, WhatCanBeHadByAskingIsNotSealed) {
  const auto model = onnx::Model::load(path("m.onnx"));
  for (const char* strategy : {"deep:k=1", "shallow:k=1", "magnitude", "full"}) {
    const auto plan = this->plan(strategy);
    ASSERT_TRUE(plan.ok());
    auto file = files::OutputFile::create(path("asked.tao"));
    ASSERT_TRUE(file.ok());
    const Status status = seal(*model, *plan, {}, key_, owner_, *file).status();
    if (std::string(strategy) == "full") {
      EXPECT_TRUE(status.ok()) << status.message();
    } else {
      EXPECT_EQ(status.code(), Code::policy) << strategy;
      EXPECT_NE(status.message().find("--allow-exposed"), std::string::npos);
    }
  }
}

TEST_F(PackageTest, APlanWithoutATeeIsNothingToSeal) {
  const Status status = seal_as("none", "m.tao");
  EXPECT_EQ(status.code(), Code::invalid_argument);
  EXPECT_THAT(status.message(), HasSubstr("nothing to seal"));
  EXPECT_FALSE(fs::exists(path("m.tao")));
}

TEST_F(PackageTest, TheOwnerGetsThePlanBack) {
  ASSERT_TRUE(seal_as("deep:k=1", "m.tao").ok());
  const auto file = PackageFile::open(path("m.tao"));
  ASSERT_TRUE(file.ok());
  const Result<std::string> json = open_plan(**file, key_);
  ASSERT_TRUE(json.ok()) << json.status().message();
  Result<onnx::Model> model = onnx::Model::load(path("m.onnx"));
  Result<ir::Graph> graph = model->bind();
  const Result<partition::Plan> read = partition::read_plan(*json, *graph, *model->hash());
  ASSERT_TRUE(read.ok()) << read.status().message();
  // Its names in clear are of no use without the key.
  const std::string hash = partition::plan_hash(*read, *graph);
  EXPECT_EQ(hex(*store::keyed_name(key_, hash)), (*file)->manifest().plan_id);
  EXPECT_EQ(hex(*store::keyed_name(key_, *model->hash())), (*file)->manifest().model_id);
  EXPECT_EQ(read_all(path("m.tao")).find(*model->hash()), std::string::npos);

  Result<store::PackageKey> other = new_key();
  EXPECT_EQ(open_plan(**file, *other).code(), Code::integrity);
  other->owners = key_.owners;
  EXPECT_EQ(open_plan(**file, *other).code(), Code::integrity);
}

// Every byte of a small package, one bit each: an error of the right kind, or the right answer.
TEST_F(PackageTest, NoFlippedBitGivesAWrongAnswer) {
  ASSERT_TRUE(seal_as("deep:k=1", "m.tao", {1}).ok());
  const Result<Answer> want = answer_of_package("m.tao", 1, machine());
  ASSERT_TRUE(want.ok()) << want.status().message();
  const std::string whole = read_all(path("m.tao"));
  std::mt19937_64 random(1);
  size_t errors = 0;
  size_t answers = 0;
  // All of the header, and a sample of everything else.
  for (size_t at = 0; at < whole.size(); at += at < 256 ? 1 : 1 + random() % 13) {
    std::string bytes = whole;
    bytes[at] = static_cast<char>(bytes[at] ^ 1 << random() % 8);
    write_all(path("flipped.tao"), bytes);
    const Result<Answer> got = answer_of_package("flipped.tao", 1, machine());
    if (got.ok()) {
      EXPECT_EQ(*got, *want) << at;
      ++answers;
      continue;
    }
    ++errors;
    EXPECT_THAT(got.code(), testing::AnyOf(Code::integrity, Code::policy, Code::invalid_argument,
                                           Code::unsupported))
        << at << ": " << got.status().message();
  }
  // Only what is not read may be changed: padding and the sealed plan.
  EXPECT_GT(errors, 5 * answers);
}

TEST_F(PackageTest, NoByteOfTheGraphMayDiffer) {
  ASSERT_TRUE(seal_as("deep:k=1", "m.tao", {1}).ok());
  const auto file = PackageFile::open(path("m.tao"));
  ASSERT_TRUE(file.ok());
  const store::PackagePart& graph = *(*file)->head().find(store::PartKind::graph, 0);
  const std::string whole = read_all(path("m.tao"));
  for (uint64_t at = 0; at < graph.bytes; ++at) {
    std::string bytes = whole;
    bytes[graph.offset + at] ^= 1;
    write_all(path("flipped.tao"), bytes);
    EXPECT_EQ(Package::open(path("flipped.tao")).code(), Code::integrity) << at;
  }
}

// Whatever the head says, it is signed or refused before anything is read by it.
TEST_F(PackageTest, NoHeadLeadsOutOfTheFile) {
  ASSERT_TRUE(seal_as("full", "m.tao", {1}).ok());
  const std::string whole = read_all(path("m.tao"));
  constexpr size_t kFirstPart = sizeof(store::PackageHeader);
  for (const size_t field :
       {offsetof(store::PackageHeader, parts), offsetof(store::PackageHeader, file_bytes),
        kFirstPart + offsetof(store::PackagePart, offset),
        kFirstPart + offsetof(store::PackagePart, bytes)}) {
    for (const uint32_t number : {0U, 1U, 63U, 64U, 1U << 16, ~0U}) {
      std::string bytes = whole;
      std::memcpy(bytes.data() + field, &number, sizeof(number));
      if (bytes == whole) continue;
      write_all(path("head.tao"), bytes);
      EXPECT_EQ(Package::open(path("head.tao")).code(), Code::integrity) << field << " " << number;
    }
  }
}

// What is not to be had without the owner: cut out, swapped, added, replaced, signed by others.
TEST_F(PackageTest, WhoIsNotTheOwnerMakesNoPackage) {
  ASSERT_TRUE(seal_as("deep:k=1", "m.tao", {1}).ok());
  const std::string whole = read_all(path("m.tao"));
  const crypto::SigningKey stranger = crypto::SigningKey::create().value();
  store::PackageHead head = *store::PackageHead::read(std::as_bytes(std::span(whole)));
  ASSERT_TRUE(head.sign(stranger).ok());
  std::string forged = whole;
  std::memcpy(forged.data(), head.encode().data(), head.encode().size());
  write_all(path("forged.tao"), forged);
  const store::Owners owners = key_.owners;
  EXPECT_TRUE(PackageFile::open(path("m.tao"), &owners).ok());
  EXPECT_TRUE(PackageFile::open(path("forged.tao")).ok());  // nobody said who may sign
  const auto refused = PackageFile::open(path("forged.tao"), &owners);
  EXPECT_EQ(refused.code(), Code::integrity);
  EXPECT_THAT(refused.status().message(), HasSubstr("none of those in --owner"));
  for (const char* tee : {"process", "inline"}) {
    const Result<Answer> got = answer_of_package("forged.tao", 1, machine(tee));
    EXPECT_EQ(got.code(), Code::integrity);
    EXPECT_THAT(got.status().message(), HasSubstr("an owner whom its key file does not know"));
  }
  // Every byte of the file counts for who looks at all of it.
  ASSERT_TRUE((*PackageFile::open(path("m.tao"), &owners))->check_all().ok());
  std::mt19937_64 random(1);
  for (size_t at = 0; at < whole.size(); at += 1 + random() % 29) {
    std::string bytes = whole;
    bytes[at] = static_cast<char>(bytes[at] ^ 1 << random() % 8);
    write_all(path("flipped.tao"), bytes);
    const auto file = PackageFile::open(path("flipped.tao"), &owners);
    EXPECT_FALSE(file.ok() && (*file)->check_all().ok()) << at;
  }
  // The next owner, and the end of the first.
  key_.owners.keys.push_back(stranger.public_key());
  key_.owners.revoked.push_back(*store::owner_id(owner_.public_key()));
  put_key();
  EXPECT_TRUE(answer_of_package("forged.tao", 1, machine()).ok());
  const Result<Answer> revoked = answer_of_package("m.tao", 1, machine());
  EXPECT_EQ(revoked.code(), Code::integrity);
  EXPECT_THAT(revoked.status().message(), HasSubstr("revoked"));
}

TEST_F(PackageTest, NoOtherLengthOpens) {
  ASSERT_TRUE(seal_as("full", "m.tao", {1}).ok());
  const std::string whole = read_all(path("m.tao"));
  for (size_t bytes = 0; bytes < whole.size(); bytes += bytes < 128 ? 1 : 97) {
    write_all(path("cut.tao"), whole.substr(0, bytes));
    const auto package = Package::open(path("cut.tao"));
    EXPECT_THAT(package.code(), testing::AnyOf(Code::integrity, Code::invalid_argument)) << bytes;
  }
  for (const std::string& other : {whole + "x", whole.substr(0, whole.size() - 1)}) {
    write_all(path("cut.tao"), other);
    const auto package = Package::open(path("cut.tao"));
    EXPECT_EQ(package.code(), Code::integrity);
    EXPECT_THAT(package.status().message(), HasSubstr("was sealed with"));
  }
}

// Two packages of one owner: no part of one passes in the other.
TEST_F(PackageTest, PartsOfAnotherPackageDoNotOpen) {
  ASSERT_TRUE(seal_as("full", "a.tao", {1}, 1).ok());
  ASSERT_TRUE(seal_as("full", "b.tao", {1}, 1).ok());
  const std::string a = read_all(path("a.tao"));
  const std::string b = read_all(path("b.tao"));
  ASSERT_EQ(a.size(), b.size());
  const auto file = PackageFile::open(path("a.tao"));
  ASSERT_TRUE(file.ok());
  for (const auto kind : {store::PartKind::program, store::PartKind::weights}) {
    const store::PackagePart& part = *(*file)->head().find(kind, 0);
    std::string mixed = a;
    mixed.replace(part.offset, part.bytes, b, part.offset, part.bytes);
    write_all(path("mixed.tao"), mixed);
    EXPECT_EQ(answer_of_package("mixed.tao", 1, machine()).code(), Code::integrity);
  }
  // Nor does the head of one go with the parts of the other.
  const size_t head = store::PackageHead::bytes_of((*file)->head().parts().size());
  write_all(path("mixed.tao"), b.substr(0, head) + a.substr(head));
  EXPECT_EQ(answer_of_package("mixed.tao", 1, machine()).code(), Code::integrity);
  // Nor does a part in the place of another of its own package.
  ASSERT_TRUE(seal_as("full", "two.tao", {1, 4}).ok());
  const auto two = PackageFile::open(path("two.tao"));
  ASSERT_TRUE(two.ok());
  std::string text = read_all(path("two.tao"));
  const store::PackagePart& first = *(*two)->head().find(store::PartKind::program, 0);
  const store::PackagePart& second = *(*two)->head().find(store::PartKind::program, 1);
  if (first.bytes == second.bytes) {
    text.replace(first.offset, first.bytes, text, second.offset, second.bytes);
    write_all(path("swapped.tao"), text);
    EXPECT_EQ(answer_of_package("swapped.tao", 1, machine()).code(), Code::integrity);
  }
}

TEST_F(PackageTest, AnOlderPackageThanTheKeyAcceptsIsRefused) {
  ASSERT_TRUE(seal_as("full", "old.tao", {1}, 3).ok());
  ASSERT_TRUE(answer_of_package("old.tao", 1, machine()).ok());
  key_.least_version = 4;
  put_key();
  for (const char* tee : {"process", "inline"}) {
    const Result<Answer> old = answer_of_package("old.tao", 1, machine(tee));
    EXPECT_EQ(old.code(), Code::policy);
    EXPECT_THAT(old.status().message(), HasSubstr("older than its key accepts"));
  }
  const auto file = PackageFile::open(path("old.tao"));
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(open_plan(**file, key_).code(), Code::policy);
  // The number in the header is sealed too: raising it does not help.
  std::string bytes = read_all(path("old.tao"));
  bytes[offsetof(store::PackageHeader, version)] = 4;
  write_all(path("old.tao"), bytes);
  EXPECT_EQ(answer_of_package("old.tao", 1, machine()).code(), Code::integrity);

  ASSERT_TRUE(seal_as("full", "new.tao", {1}, 4).ok());
  EXPECT_TRUE(answer_of_package("new.tao", 1, machine()).ok());
}

TEST_F(PackageTest, OnlyTheKeyOpensIt) {
  ASSERT_TRUE(seal_as("full", "m.tao", {1}).ok());
  for (const char* tee : {"process", "inline"}) {
    SCOPED_TRACE(tee);
    runtime::Machine wrong = machine(tee);
    Result<store::PackageKey> other = new_key();
    ASSERT_TRUE(other.ok());
    other->owners = key_.owners;
    wrong.key_file = path(std::string(tee) + ".key");
    ASSERT_TRUE(create_key_file(wrong.key_file, *other).ok());
    EXPECT_EQ(answer_of_package("m.tao", 1, wrong).code(), Code::integrity);
    wrong.key_file = path("none.key");
    EXPECT_EQ(answer_of_package("m.tao", 1, wrong).code(), Code::not_found);
    wrong.key_file = "";
    EXPECT_EQ(answer_of_package("m.tao", 1, wrong).code(), Code::invalid_argument);
    wrong.key_file = path("m.key");
    for (const mode_t mode : {0640, 0604, 0666}) {
      ASSERT_EQ(chmod(wrong.key_file.c_str(), mode), 0);
      const Result<Answer> loose = answer_of_package("m.tao", 1, wrong);
      EXPECT_EQ(loose.code(), Code::invalid_argument);
      EXPECT_THAT(loose.status().message(), HasSubstr("chmod 600"));
      EXPECT_EQ(read_key_file(wrong.key_file).code(), Code::invalid_argument);
      // Nor does the image take it, whatever the host has looked at.
      tee::TeeOptions options;
      options.worker_path = wrong.worker_path;
      options.key_file = wrong.key_file;
      const auto start = tee == std::string("process") ? tee::start_process : tee::start_inline;
      EXPECT_THAT(start(options, 4096).code(),
                  testing::AnyOf(Code::invalid_argument, Code::policy));
    }
    ASSERT_EQ(chmod(wrong.key_file.c_str(), 0600), 0);
    ASSERT_TRUE(answer_of_package("m.tao", 1, wrong).ok());
    wrong.key_file = path("bad.key");
    write_all(wrong.key_file, "taoism key 1\nnot one\n");
    ASSERT_EQ(chmod(wrong.key_file.c_str(), 0600), 0);
    EXPECT_FALSE(answer_of_package("m.tao", 1, wrong).ok());
    fs::remove(wrong.key_file);
  }
}

TEST_F(PackageTest, AKeyFileIsNeverOverwrittenByANewOne) {
  const std::string before = read_all(path("m.key"));
  EXPECT_FALSE(create_key_file(path("m.key"), key_).ok());
  EXPECT_EQ(read_all(path("m.key")), before);
  struct stat status;
  ASSERT_EQ(stat(path("m.key").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600U);
  EXPECT_EQ(default_key_path("a/m.tao"), "a/m.key");
  EXPECT_EQ(default_key_path("model"), "model.key");
}

// Opening reads the public part; a run reads the weights of what it runs.
TEST_F(PackageTest, WhatIsNotNeededMayBeBroken) {
  ASSERT_TRUE(seal_as("full", "m.tao", {1, 4}).ok());
  const Result<Answer> want = answer_of_package("m.tao", 1, machine());
  ASSERT_TRUE(want.ok());
  const auto file = PackageFile::open(path("m.tao"));
  ASSERT_TRUE(file.ok());
  std::string bytes = read_all(path("m.tao"));
  for (const auto& [kind, index] :
       {std::pair{store::PartKind::plan, 0U}, {store::PartKind::program, 1U}}) {
    bytes[(*file)->head().find(kind, index)->offset] ^= 1;
  }
  write_all(path("broken.tao"), bytes);
  const Result<Answer> got = answer_of_package("broken.tao", 1, machine());
  ASSERT_TRUE(got.ok()) << got.status().message();
  EXPECT_EQ(*got, *want);
  EXPECT_EQ(answer_of_package("broken.tao", 4, machine()).code(), Code::integrity);
}

TEST_F(PackageTest, WhatIsNoPackageIsSaidToBeNone) {
  EXPECT_EQ(Package::open(path("none.tao")).code(), Code::not_found);
  EXPECT_EQ(Package::open(folder_).code(), Code::invalid_argument);
  EXPECT_EQ(Package::open(path("m.onnx")).code(), Code::invalid_argument);
  EXPECT_FALSE(is_package(path("m.onnx")));
  ASSERT_TRUE(seal_as("full", "m.tao", {1}).ok());
  EXPECT_TRUE(is_package(path("m.tao")));
  std::string bytes = read_all(path("m.tao"));
  for (const auto& [format, text] : {std::pair{2, "older format: seal it again"}, {9, "newer"}}) {
    bytes[offsetof(store::PackageHeader, format)] = static_cast<char>(format);
    write_all(path("m.tao"), bytes);
    const auto other = Package::open(path("m.tao"));
    EXPECT_EQ(other.code(), Code::invalid_argument);
    EXPECT_THAT(other.status().message(), HasSubstr(text));
  }
}

}  // namespace
}  // namespace taoism::package
