// Writes FOLDER/NAME/*: inputs that mean something, from which the fuzzers of ONNX, graphs,
// programs, plans, packages, keys and .npy start. The others find their way from nothing.
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "conformance/ops/cases.h"
#include "files/npy.h"
#include "ir/codec.h"
#include "kernels/target.h"
#include "onnx/test_model.h"
#include "package/package.h"
#include "package/seal.h"
#include "package_input.h"
#include "partition/plan.h"
#include "partition/segments.h"
#include "plan_graph.h"
#include "program/codec.h"
#include "program/lower.h"
#include "program_input.h"
#include "sample.h"

namespace taoism::fuzz {
namespace {

using taoism::onnx::set_float;
using taoism::onnx::set_int;
using taoism::onnx::set_ints;
using taoism::onnx::TestModel;

class Folder {
 public:
  explicit Folder(const std::filesystem::path& path) : path_(path) {
    std::filesystem::create_directories(path);
  }
  void add(const std::string& bytes) {
    std::ofstream(path_ / std::to_string(count_++), std::ios::binary) << bytes;
  }

 private:
  std::filesystem::path path_;
  int count_ = 0;
};

std::string text_of(const std::vector<std::byte>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string program_input(const program::Program& program, uint16_t budget_kib) {
  const fuzz::ProgramHeader header{budget_kib, 0, 0, 1};
  return std::string(reinterpret_cast<const char*>(&header), sizeof(header)) +
         text_of(program::encode(program));
}

// `cut`: the instruction at which a second segment begins; 0: none does.
void add_program(Folder& folder, ir::Graph graph, uint16_t budget_kib, ptrdiff_t cut = 0) {
  ir::PartitionedGraph p{std::move(graph), {}};
  ir::Segment segment{ir::Placement::tee, {}, p.graph.inputs(), p.graph.outputs()};
  for (size_t n = 0; n < p.graph.node_count(); ++n) {
    segment.nodes.push_back(static_cast<ir::NodeId>(n));
    p.graph.node(segment.nodes.back()).placement = ir::Placement::tee;
  }
  p.segments = {segment};
  auto lowered = program::lower(p, ir::Placement::tee);
  if (!lowered.ok()) return;
  if (cut != 0) {
    program::Segment head = lowered->program.segments[0];
    program::Segment& tail = lowered->program.segments[0];
    head.instructions.resize(static_cast<size_t>(cut));
    head.outputs = {head.instructions.back().outputs[0]};
    tail.inputs.clear();
    tail.instructions.erase(tail.instructions.begin(), tail.instructions.begin() + cut);
    lowered->program.segments.insert(lowered->program.segments.begin(), head);
  }
  folder.add(program_input(lowered->program, budget_kib));
}

// The ring for streamed weights takes 512 KiB at least: these are larger than that, in weights that
// are worth streaming and in maps that are worth cutting into bands or keeping outside.
ir::Graph wide_graph() {
  fuzz::GraphMaker make;
  const auto x = make.input("x", {2, 1600});
  const auto layer = [&] { return make.node("Linear", {x, make.weight({64, 1600})}); };
  const auto a = make.node("Add", {layer(), layer()});
  return make.take(make.node("Softmax", {make.node("Mul", {a, layer()})}));
}

ir::Graph tall_graph() {
  fuzz::GraphMaker make;
  const auto block = [&](ir::ValueId x) {
    const auto wide = make.node("Relu", {make.node("Conv", {x, make.weight({32, 8, 1, 1})})});
    return make.node("Conv", {wide, make.weight({8, 32, 1, 1})});
  };
  const auto x = make.input("x", {2, 8, 40, 40});
  const auto c = block(x);
  const auto s = make.node("Add", {block(c), x});
  const auto p = make.node("MaxPool", {s}, fuzz::GraphMaker::window(2, 0, 2));
  return make.take(make.node("GlobalAveragePool", {p}));
}

// One for each operator and the ways in which its inputs are given, two that do not fit into little
// memory, and the attack suite's two.
void add_programs(Folder folder) {
  std::map<std::string, int> per_op;
  for (const conformance::OpCase& op_case : conformance::all_cases()) {
    int64_t elements = 0;
    for (const auto& input : op_case.inputs) {
      if (input.kind != conformance::CaseInput::absent) elements += input.shape.elements();
    }
    if (elements > 16384 || ++per_op[op_case.op] > 4) continue;
    add_program(folder, conformance::graph_of(op_case), 16);
  }
  add_program(folder, wide_graph(), 1000);
  add_program(folder, tall_graph(), 0, 3);
  folder.add(program_input(attack::small_sample().program(), 8));
  folder.add(program_input(attack::large_sample().program(), 600));
}

void add_plans(Folder folder) {
  const ir::Graph graph = fuzz::plan_graph();
  for (const char* text : {"none", "full", "deep:k=1", "magnitude", "intermediate", "nonlinear"}) {
    const auto spec = partition::StrategySpec::parse(text);
    const auto plan = partition::make_plan(graph, *spec, fuzz::kModelHash);
    if (plan.ok()) folder.add(partition::write_plan(*plan, graph));
  }
}

// A node with attributes of every kind, an input that is absent and an output that nobody wants.
ir::PartitionedGraph odd_graph() {
  ir::PartitionedGraph p;
  const auto x = p.graph.add_input("x", {ir::DType::i64, {0, 2}});
  const auto y = p.graph.add_value("y", {ir::DType::f32, {}});
  ir::Attrs attrs;
  attrs.set("a", int64_t{-1});
  attrs.set("b", 0.5F);
  attrs.set("c", std::string("text"));
  attrs.set("d", std::vector<int64_t>{1, 2});
  attrs.set("e", std::vector<float>{0.5F});
  p.graph.add_node({"Odd",
                    "odd",
                    {ir::kNoValue, x},
                    {y, ir::kNoValue},
                    attrs,
                    ir::Placement::tee,
                    "why",
                    "origin"});
  p.graph.set_outputs({y});
  p.segments = {{ir::Placement::tee, {0}, {x}, {y}}};
  return p;
}

// plan_graph() as some strategies cut it, over the constants that ir_fuzz has.
void add_graphs(Folder folder) {
  const ir::Graph graph = fuzz::plan_graph();
  auto constants = ir::encode({graph, {}}).constants;
  for (const char* text : {"none", "full", "deep:k=1", "nonlinear"}) {
    const auto spec = partition::StrategySpec::parse(text);
    const auto plan = partition::make_plan(graph, *spec, fuzz::kModelHash);
    if (!plan.ok()) continue;
    auto partition = partition::carry_out(graph, *plan);
    if (!partition.ok()) continue;
    const auto cut = partition::make_segments(std::move(partition->graph));
    if (cut.ok()) folder.add(text_of(ir::encode(*cut, constants)));
  }
  folder.add(text_of(ir::encode(odd_graph(), constants)));
}

void add_arrays(Folder folder) {
  using ir::DType;
  const ir::TensorDesc arrays[] = {
      {DType::f32, {2, 3}}, {DType::i64, {4}}, {DType::u8, {}}, {DType::boolean, {1, 0}}};
  for (const ir::TensorDesc& desc : arrays) {
    folder.add(files::npy_header(desc) + std::string(desc.bytes(), '\1'));
  }
}

// A file as the parts that it is put together from. What is sealed does not matter: a host cannot
// look into it.
std::string parts_of(const package::PackageFile& file) {
  std::vector<std::string> parts(1);
  const auto add = [&](store::PartKind kind, uint32_t index, size_t most) {
    const ConstByteSpan data = file.data(kind, index);
    parts.emplace_back(reinterpret_cast<const char*>(data.data()), std::min(most, data.size()));
    return parts.size() - 2;
  };
  nlohmann::json manifest;
  for (uint32_t c = 0; c < file.manifest().constants.size(); ++c) {
    const ir::TensorDesc& desc = file.manifest().constants[c];
    manifest["constants"].push_back(
        {{"dtype", ir::dtype_name(desc.dtype)},
         {"shape", std::vector<int64_t>(desc.shape.begin(), desc.shape.end())},
         {"data", add(store::PartKind::constant, c, UINT16_MAX)}});
  }
  for (uint32_t b = 0; b < file.manifest().batches.size(); ++b) {
    const uint32_t store = file.head().find(store::PartKind::program, b)->store;
    manifest["batches"].push_back({{"batch", file.manifest().batches[b].batch},
                                   {"graph", add(store::PartKind::graph, b, UINT16_MAX)},
                                   {"program", add(store::PartKind::program, b, 32)},
                                   {"weights", add(store::PartKind::weights, store, 32)}});
  }
  parts[0] = manifest.dump();
  return fuzz::join_parts(parts);
}

void add_packages(Folder folder, const std::filesystem::path& at) {
  TestModel m;
  m.input("x", {-1, 1, 4, 4}).output("y");
  m.weight("w", {2, 1, 3, 3}, std::vector<float>(18, 0.5F));
  m.weight("g", {8, 3}, std::vector<float>(24, 0.1F));
  m.ints("shape", {-1, 8});
  m.node("Conv", {"x", "w"}, {"c"}, "c");
  m.node("Relu", {"c"}, {"r"}, "r");
  m.node("Reshape", {"r", "shape"}, {"f"}, "f");
  m.node("Gemm", {"f", "g"}, {"l"}, "l");
  m.node("Softmax", {"l"}, {"y"}, "y");
  const std::string model_path = (at / "package.onnx").string();
  std::ofstream(model_path, std::ios::binary) << m.bytes();
  const auto model = onnx::Model::load(model_path);
  const auto graph = model->bind();
  const crypto::SigningKey owner = crypto::SigningKey::create().value();
  for (const char* text : {"full", "deep:k=1", "shallow:k=1", "nonlinear"}) {
    const auto plan =
        partition::make_plan(*graph, *partition::StrategySpec::parse(text), model->hash().value());
    const std::string path = (at / "package.tao").string();
    for (const std::vector<int64_t>& batches : {std::vector<int64_t>{1}, {1, 2}}) {
      if (!plan.ok()) continue;
      auto file = files::OutputFile::create(path);
      TAOISM_CHECK(package::seal(*model, *plan, {.batches = batches, .allow_exposed = true},
                                 store::PackageKey(), owner, *file)
                       .ok());
      TAOISM_CHECK(file->commit().ok());
      const auto opened = package::PackageFile::open(path);
      folder.add(parts_of(**opened));
      std::ifstream whole(path, std::ios::binary);
      if (batches.size() == 1) {
        folder.add(std::string(1, fuzz::kWholeFile) +
                   std::string(std::istreambuf_iterator<char>(whole), {}));
      }
    }
    std::filesystem::remove(path);
  }
  std::filesystem::remove(model_path);
}

void add_keys(Folder folder) {
  for (const uint64_t version : {uint64_t{0}, UINT64_MAX}) {
    store::PackageKey key;
    key.least_version = version;
    std::array<std::byte, store::kMaxKeyFileBytes> text{};
    key.owners.keys.push_back(crypto::SigningKey::create()->public_key());
    if (version != 0) key.owners.revoked.emplace_back();
    const size_t bytes = store::format_key(key, text).value();
    folder.add({reinterpret_cast<const char*>(text.data()), bytes});
  }
}

// Nodes one after the other over an image, each with the weights and lists that its operator wants.
void add_models(Folder folder) {
  const auto chain = [&](const std::function<void(TestModel&)>& build) {
    TestModel m;
    m.input("x", {-1, 2, 6, 6}).output("y");
    m.weight("w", {4, 2, 3, 3}, std::vector<float>(72, 0.5F));
    m.weight("s", {4}, {1, 2, 3, 4});
    m.ints("zero", {0}).ints("one", {1}).ints("two", {2}).ints("minus", {-1});
    build(m);
    folder.add(m.bytes());
  };
  const char* const pointwise[] = {"Relu",      "Sigmoid",           "Tanh",          "HardSwish",
                                   "LeakyRelu", "GlobalAveragePool", "GlobalMaxPool", "Softmax",
                                   "ArgMax",    "Identity",          "Dropout",       "Flatten",
                                   "Clip",      "HardSigmoid"};
  for (const char* op : pointwise) {
    chain([&](TestModel& m) { m.node(op, {"x"}, {"y"}, op); });
  }
  for (const char* op : {"Add", "Mul", "Div", "Min", "Max", "Sub"}) {
    chain([&](TestModel& m) {
      m.weight("v", {2, 1, 1}, {0.5F, 2});
      m.node(op, {"x", "v"}, {"y"}, op);
    });
  }
  // Arithmetic that import folds, over integers and over floats.
  const std::vector<std::string> folded[] = {
      {"Neg", "Abs", "Not", "Sqrt", "Floor", "Round", "Reciprocal", "Exp", "Transpose", "ReduceSum",
       "ReduceMin", "ReduceMax", "ReduceProd"},
      {"Div", "Mod", "Pow", "Equal", "Less", "Greater", "And", "Or", "Expand", "Gather"},
      {"Where", "Range"}};
  for (size_t more = 0; more < std::size(folded); ++more) {
    for (const std::string& op : folded[more]) {
      for (const char* first : {"half", "two"}) {
        chain([&](TestModel& m) {
          m.weight("half", {1}, {0.5F});
          std::vector<std::string> inputs{first, "one", "two"};
          inputs.resize(1 + more);
          m.node(op, inputs, {"t"}, op);
          set_int(m.node("Cast", {"t"}, {"f"}, "cast"), "to", 1);
          m.node("Add", {"x", "f"}, {"y"}, "add");
        });
      }
    }
  }
  chain([](TestModel& m) {
    auto& conv = m.node("Conv", {"x", "w", "s"}, {"c"}, "conv");
    set_ints(conv, "pads", {1, 1, 1, 1});
    set_ints(conv, "strides", {2, 2});
    m.node("BatchNormalization", {"c", "s", "s", "s", "s"}, {"b"}, "bn");
    auto& pool = m.node("MaxPool", {"b"}, {"p"}, "pool");
    set_ints(pool, "kernel_shape", {2, 2});
    set_int(pool, "ceil_mode", 1);
    set_ints(m.node("AveragePool", {"p"}, {"y"}, "mean"), "kernel_shape", {1, 1});
  });
  chain([](TestModel& m) {
    m.weight("g", {72, 3}, std::vector<float>(216, 0.1F));
    m.ints("shape", {0, -1});
    m.node("Reshape", {"x", "shape"}, {"f"}, "flat");
    set_float(m.node("Gemm", {"f", "g"}, {"y"}, "gemm"), "alpha", 2);
  });
  chain([](TestModel& m) {
    m.ints("pads", {0, 0, 1, 1, 0, 0, 1, 1});
    m.weight("scales", {4}, {1, 1, 2, 2});
    m.node("Pad", {"x", "pads"}, {"p"}, "pad");
    m.node("Resize", {"p", "", "scales"}, {"r"}, "resize");
    set_int(m.node("Split", {"r"}, {"h1", "h2"}, "split"), "axis", 1);
    set_int(m.node("Concat", {"h2", "h1"}, {"j"}, "join"), "axis", 1);
    m.node("Slice", {"j", "zero", "two", "one"}, {"k"}, "slice");
    set_ints(m.node("Transpose", {"k"}, {"t"}, "transpose"), "perm", {0, 2, 3, 1});
    set_ints(m.node("ReduceMean", {"t"}, {"y"}, "mean"), "axes", {1});
  });
  chain([](TestModel& m) {
    m.node("Shape", {"x"}, {"shape"}, "shape");
    m.node("Slice", {"shape", "zero", "two"}, {"nc"}, "slice");
    m.node("Gather", {"shape", "two"}, {"h"}, "gather");
    m.node("Mul", {"h", "one"}, {"h1"}, "mul");
    set_int(m.node("Cast", {"h1"}, {"h2"}, "cast"), "to", 7);
    m.node("Squeeze", {"h2", "zero"}, {"h3"}, "squeeze");
    m.node("Unsqueeze", {"h3", "zero"}, {"h4"}, "unsqueeze");
    m.node("ConstantOfShape", {"one"}, {"c"}, "fill");
    set_int(m.node("Concat", {"nc", "h4", "minus"}, {"target"}, "target"), "axis", 0);
    m.node("Reshape", {"x", "target"}, {"y"}, "reshape");
    auto& external = m.weight("e", {8}, {});
    external.set_data_location(::onnx::TensorProto::EXTERNAL);
    auto& location = *external.add_external_data();
    location.set_key("location");
    location.set_value("weights.bin");
  });
}

}  // namespace

void write_seeds(const std::filesystem::path& folder) {
  add_programs(Folder(folder / "program"));
  add_programs(Folder(folder / "sealed_program"));
  add_graphs(Folder(folder / "ir"));
  add_arrays(Folder(folder / "npy"));
  add_plans(Folder(folder / "plan"));
  add_models(Folder(folder / "onnx"));
  add_packages(Folder(folder / "package"), folder);
  add_keys(Folder(folder / "key"));
}

}  // namespace taoism::fuzz

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  taoism::kernels::set_target(taoism::kernels::Target::portable);
  taoism::fuzz::write_seeds(argv[1]);
}
