// The owner of the leak scan: makes a model whose secrets can be recognised, and, for a package
// that `taoism seal` has made of it, says what of them may be found outside the TEE.
//
//   leak_owner model FOLDER
// writes model.onnx, and all.onnx, the same with every value an output;
//   leak_owner secrets FOLDER TEE
// writes patterns, expectations (a line for each pattern) and memory.txt (budget, bytes of weights
// streamed, of activations spilled), from m.tao and m.key; TEE: the inline image.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <random>
#include <set>

#include "model.h"
#include "onnx/export.h"
#include "package/key_file.h"
#include "package/package.h"
#include "patterns.h"
#include "program/lower.h"
#include "program/schedule.h"
#include "runtime/session.h"
#include "runtime/tensors.h"
#include "store/chunk.h"

namespace taoism::leak {
namespace {

constexpr uint64_t kSeed = 20260731;
constexpr uint64_t kWindowShare = 8;  // of an activation's windows one in so many, by its hash
constexpr double kBigShare = 0.1;     // of every layer's weights: what magnitude:p=0.1 keeps inside

// Enough to be told from anything else: hexadecimal digits, then what a reader calls it.
std::string secret_name(const char* base) {
  std::mt19937_64 random(kSeed);
  for (const char* c = base; *c != '\0'; ++c) random.seed(random() + static_cast<uint64_t>(*c));
  char text[32];
  std::snprintf(text, sizeof(text), "%016llx.", static_cast<unsigned long long>(random()));
  return text + std::string(base);
}

// The values that a weight is made of: each a bit pattern that no other weight has, because its
// lowest bits are the weight's number.
struct Words {
  std::vector<float> small, big;
};
constexpr uint32_t kNumbers = 32;

struct Layer {
  const char* name;
  int64_t in, out, stride;
};
constexpr Layer kLayers[] = {
    {"first", 3, 64, 1},    {"second", 64, 64, 1},  {"third", 64, 64, 1},
    {"fourth", 64, 128, 2}, {"fifth", 128, 128, 1},
};

bool is_bias(const std::string& name) { return name.find(".bias.") != std::string::npos; }

uint32_t number_of(const std::string& name) {
  uint32_t number = 1;
  for (const Layer& layer : kLayers) {
    if (name.ends_with(layer.name)) break;
    ++number;
  }
  return 2 * number + (is_bias(name) ? 1 : 0);
}

Words words_of(const std::string& name) {
  const uint32_t number = number_of(name);
  std::mt19937_64 random(kSeed + number);
  const auto draw = [&](size_t count, float from, float to) {
    std::vector<float> values;
    for (size_t i = 0; i < count; ++i) {
      const float magnitude =
          from + (to - from) * static_cast<float>(random() >> 40) / static_cast<float>(1 << 24);
      const uint32_t bits = std::bit_cast<uint32_t>(magnitude) / kNumbers * kNumbers + number;
      values.push_back(std::bit_cast<float>((random() & 1) != 0 ? bits : bits | 0x80000000U));
    }
    return values;
  };
  return {draw(256, 0.02F, 0.06F), draw(64, 0.08F, 0.12F)};
}

void fill_weight(const std::string& name, std::span<float> values) {
  const Words words = words_of(name);
  std::mt19937_64 random(values.size() + kSeed);
  std::vector<size_t> order(values.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::shuffle(order.begin(), order.end(), random);
  const auto big =
      static_cast<size_t>(std::llround(kBigShare * static_cast<double>(values.size())));
  for (size_t i = 0; i < order.size(); ++i) {
    const std::vector<float>& from = i < big ? words.big : words.small;
    values[order[i]] = from[random() % from.size()];
  }
}
// A bias is not split: small values alone.
void fill_bias(const std::string& name, std::span<float> values) {
  const Words words = words_of(name);
  for (size_t i = 0; i < values.size(); ++i) values[i] = words.small[i % words.small.size()];
}

Status write_model(const std::string& path, bool all_outputs) {
  onnx::ModelWriter model("leak");
  model.add_input("input", {ir::Shape::kDynamic, 3, kImage, kImage});
  model.add_output("logits", {ir::Shape::kDynamic, kClasses});
  int64_t side = kImage;
  std::string last = "input";
  const auto value = [&](const std::string& name, const ir::Shape& shape) {
    if (all_outputs) model.add_output(name, shape);
    last = name;
  };
  for (const Layer& layer : kLayers) {
    const auto named = [&](const char* what) {
      return secret_name((std::string(what) + "." + layer.name).c_str());
    };
    const std::string weight = named("weight");
    const std::string bias = named("bias");
    model.add_weight(weight, {layer.out, layer.in, 3, 3},
                     [&](std::span<float> values) { fill_weight(weight, values); });
    model.add_weight(bias, {layer.out}, [&](std::span<float> values) { fill_bias(bias, values); });
    ir::Attrs attrs;
    attrs.set("pads", std::vector<int64_t>{1, 1, 1, 1});
    attrs.set("kernel_shape", std::vector<int64_t>{3, 3});
    attrs.set("strides", std::vector<int64_t>{layer.stride, layer.stride});
    side /= layer.stride;
    const ir::Shape shape{ir::Shape::kDynamic, layer.out, side, side};
    model.add_node("Conv", named("conv"), {last, weight, bias}, {named("sum")}, attrs);
    value(named("sum"), shape);
    model.add_node("Relu", named("relu"), {last}, {named("activation")});
    value(named("activation"), shape);
  }
  model.add_node("GlobalAveragePool", secret_name("pool"), {last}, {secret_name("pooled")});
  value(secret_name("pooled"), {ir::Shape::kDynamic, 128, 1, 1});
  model.add_node("Flatten", secret_name("flatten"), {last}, {secret_name("flat")});
  value(secret_name("flat"), {ir::Shape::kDynamic, 128});
  const std::string weight = secret_name("weight.last");
  const std::string bias = secret_name("bias.last");
  model.add_weight(weight, {kClasses, 128},
                   [&](std::span<float> values) { fill_weight(weight, values); });
  model.add_weight(bias, {kClasses}, [&](std::span<float> values) { fill_bias(bias, values); });
  ir::Attrs gemm;
  gemm.set("transB", int64_t{1});
  model.add_node("Gemm", secret_name("linear"), {last, weight, bias}, {"logits"}, gemm);
  return model.write(path);
}

// What is looked for, and what is to be found of it.
class Secrets {
 public:
  void add(const std::string& name, Expected expected, Pattern pattern) {
    if (pattern.hashes.empty()) return;
    patterns_.push_back(std::move(pattern));
    lines_.emplace_back(expected, name);
  }
  void add_words(const std::string& name, Expected expected, const std::vector<float>& values,
                 float scale = 1) {
    Pattern pattern{Pattern::words, {}};
    for (const float value : values) {
      pattern.hashes.push_back(hash_word(std::bit_cast<uint32_t>(value * scale)));
    }
    add(name, expected, std::move(pattern));
  }
  // Every window of it.
  void add_bytes(const std::string& name, Expected expected, ConstByteSpan bytes) {
    Pattern pattern;
    for (size_t at = 0; at + kWindow <= bytes.size(); ++at) {
      pattern.hashes.push_back(hash_window(bytes.data() + at));
    }
    add(name, expected, std::move(pattern));
  }
  void add_text(const std::string& name, Expected expected, const std::string& text) {
    add_bytes(name, expected, std::as_bytes(std::span(text)));
  }
  Status write(const std::string& folder) {
    // What is in an exposed thing as well is no sign of a leak.
    std::set<uint64_t> open;
    for (size_t p = 0; p < patterns_.size(); ++p) {
      if (lines_[p].first == Expected::never) continue;
      open.insert(patterns_[p].hashes.begin(), patterns_[p].hashes.end());
    }
    for (size_t p = 0; p < patterns_.size(); ++p) {
      if (lines_[p].first != Expected::never) continue;
      std::erase_if(patterns_[p].hashes, [&](uint64_t hash) { return open.contains(hash); });
    }
    std::vector<Pattern> patterns;
    std::ofstream lines(folder + "/expected.txt");
    for (size_t p = 0; p < patterns_.size(); ++p) {
      if (patterns_[p].hashes.empty()) continue;
      lines << static_cast<char>(lines_[p].first) << lines_[p].second << '\n';
      patterns.push_back(std::move(patterns_[p]));
    }
    if (!lines.flush() || !write_patterns(folder + "/patterns", patterns)) {
      return invalid_argument(folder + ": cannot write");
    }
    return {};
  }

 private:
  std::vector<Pattern> patterns_;
  std::vector<std::pair<Expected, std::string>> lines_;
};

class Owner {
 public:
  Owner(std::string folder, std::string tee_image)
      : folder_(std::move(folder)), tee_image_(std::move(tee_image)) {}

  Status run() {
    TAOISM_ASSIGN_OR_RETURN(onnx::Model model, onnx::Model::load(folder_ + "/model.onnx"));
    TAOISM_ASSIGN_OR_RETURN(const std::string hash, model.hash());
    TAOISM_ASSIGN_OR_RETURN(const ir::Graph graph, model.bind({.batch = kBatch}));
    // The plan that was sealed: its secrets are drawn once.
    std::ifstream file(folder_ + "/plan.json");
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    TAOISM_ASSIGN_OR_RETURN(const partition::Plan plan, partition::read_plan(text, graph, hash));
    runtime::Machine machine;
    machine.tee_threads = kThreads;
    TAOISM_ASSIGN_OR_RETURN(machine, runtime::resolve(machine));
    // The least: weights come and go, and activations wait outside.
    TAOISM_ASSIGN_OR_RETURN(runtime::Prepared prepared, runtime::prepare(graph, plan, machine));
    TAOISM_ASSIGN_OR_RETURN(const program::Lowered lowered,
                            program::lower(prepared.partitioned, ir::Placement::tee));
    machine.tee_memory_bytes = program::smallest_memory(lowered.program, kThreads);
    TAOISM_ASSIGN_OR_RETURN(prepared, runtime::prepare(graph, plan, machine));
    report_ = prepared.report;
    std::ofstream(folder_ + "/memory.txt")
        << machine.tee_memory_bytes << ' ' << report_.tee_memory.streamed_bytes << ' '
        << report_.tee_memory.spilled_bytes << '\n';

    add_weights(graph, plan);
    add_names(graph, plan);
    TAOISM_RETURN_IF_ERROR(add_activations(plan));
    TAOISM_RETURN_IF_ERROR(add_keys());
    return secrets_.write(folder_);
  }

 private:
  const partition::ExposedWeight* exposed(const std::string& weight) const {
    for (const partition::ExposedWeight& e : report_.exposed_weights) {
      if (e.name == weight) return &e;
    }
    return nullptr;
  }

  // As such, or as that of a part of it: "x.remainder", "x.partial".
  bool name_is_exposed(const std::string& name) const {
    const auto is_of_it = [&](const auto& e) { return e.name.starts_with(name); };
    return std::ranges::any_of(report_.exposed_weights, is_of_it) ||
           std::ranges::any_of(report_.exposed_activations, is_of_it);
  }

  void add_weights(const ir::Graph& graph, const partition::Plan& plan) {
    using enum Expected;
    for (size_t n = 0; n < graph.node_count(); ++n) {
      const ir::Node& node = graph.node(static_cast<ir::NodeId>(n));
      for (const ir::ValueId input : node.inputs) {
        const ir::Value& value = graph.value(input);
        if (!value.is_constant() || value.desc.dtype != ir::DType::f32) continue;
        const Words words = words_of(value.name);
        const bool is_whole = exposed(value.name) != nullptr;
        const bool has_remainder = exposed(value.name + ".remainder") != nullptr;
        secrets_.add_words(value.name + " values", is_whole || has_remainder ? must : never,
                           words.small);
        if (!is_bias(value.name)) {
          secrets_.add_words(value.name + " largest values", is_whole ? must : never, words.big);
        }
        // The copy that the device computes on is not the weight, nor may the weight be beside it.
        const std::string transform = plan.annotations.nodes[n].transform;
        if (exposed(value.name + ".scaled") != nullptr) {
          const std::string mu = transform.substr(transform.find("mu=") + 3);
          const auto scale = static_cast<float>(std::atof(mu.c_str()));
          secrets_.add_words(value.name + " scaled", must, words.small, scale);
          secrets_.add_text(value.name + " scale", never,
                            transform.substr(transform.size() - kWindow));
        }
        secrets_.add_text(value.name + " name", name_is_exposed(value.name) ? may : never,
                          value.name);
      }
    }
  }

  // Of nodes that are in the TEE alone. (Their neighbours' values have names of their own.)
  void add_names(const ir::Graph& graph, const partition::Plan&) {
    for (const ir::Node& node : graph.nodes()) {
      bool is_outside = false;
      for (const partition::ReportNode& part : report_.nodes) {
        const bool is_of_it = part.name == node.name || part.origin == node.name;
        is_outside |= is_of_it && part.placement != ir::Placement::tee;
      }
      secrets_.add_text(node.name + " node name", is_outside ? Expected::may : Expected::never,
                        node.name);
    }
  }

  // The values of all tensors, from a run under the same strategy with every one an output: how a
  // layer is split decides the last bits.
  Status add_activations(partition::Plan plan) {
    TAOISM_ASSIGN_OR_RETURN(onnx::Model model, onnx::Model::load(folder_ + "/all.onnx"));
    TAOISM_ASSIGN_OR_RETURN(plan.model_hash, model.hash());
    TAOISM_ASSIGN_OR_RETURN(const ir::Graph graph, model.bind({.batch = kBatch}));
    // The same nodes in the same order.
    if (graph.node_count() != plan.annotations.nodes.size()) return internal_error("all.onnx");
    TAOISM_ASSIGN_OR_RETURN(const auto source,
                            runtime::open_source(model, plan, {.batch = kBatch}));
    runtime::Machine machine;
    machine.tee = "inline";
    machine.worker_path = tee_image_;
    machine.tee_threads = kThreads;
    machine.device_threads = kThreads;
    TAOISM_ASSIGN_OR_RETURN(machine, runtime::resolve(machine));
    TAOISM_ASSIGN_OR_RETURN(const runtime::Prepared prepared, source->prepare(kBatch, machine));
    TAOISM_ASSIGN_OR_RETURN(const auto session, runtime::Session::open(prepared, machine));
    const runtime::Tensors inputs(session->inputs());
    const runtime::Tensors outputs(session->outputs());
    runtime::fill_normal(inputs.views(), kInputSeed);
    runtime::RunProfile profile;
    TAOISM_RETURN_IF_ERROR(session->run(inputs.const_views(), outputs.views(), profile));

    struct Tensor {
      std::string name;
      Expected expected;
      std::set<uint64_t> windows;
    };
    std::vector<Tensor> tensors;
    std::map<uint64_t, Expected> most_open;  // of what has a window: a ReLU passes on its input's
    const auto add = [&](const std::string& name, Expected expected, ir::ConstTensorView view) {
      Tensor& tensor = tensors.emplace_back(Tensor{name, expected, {}});
      const auto count = static_cast<size_t>(view.desc.shape.elements());
      for (size_t i = 0; i + 4 <= count; ++i) {
        const float* v = view.f32() + i;
        if (v[0] == 0 || v[1] == 0 || v[2] == 0 || v[3] == 0) continue;
        const uint64_t hash = hash_window(view.data + i * sizeof(float));
        if (hash % kWindowShare != 0) continue;
        tensor.windows.insert(hash);
        const auto [it, is_new] = most_open.emplace(hash, expected);
        if (!is_new) it->second = std::max(it->second, expected);
      }
    };
    add("input", Expected::must, inputs.const_views()[0]);
    for (size_t i = 0; i < session->outputs().size(); ++i) {
      const std::string& name = session->outputs()[i].name;
      add(name, expected_of(name), outputs.const_views()[i]);
    }
    for (const Tensor& tensor : tensors) {
      Pattern pattern;
      for (const uint64_t hash : tensor.windows) {
        if (most_open[hash] == tensor.expected) pattern.hashes.push_back(hash);
      }
      secrets_.add(tensor.name + " activation", tensor.expected, std::move(pattern));
      if (!name_is_exposed(tensor.name) && tensor.expected == Expected::never) {
        secrets_.add_text(tensor.name + " name", Expected::never, tensor.name);
      }
    }
    return {};
  }

  // What crosses lies in the session's memory after a run. What the device computes for itself may
  // be fused away or overwritten.
  Expected expected_of(const std::string& activation) const {
    if (activation == "logits") return Expected::must;
    for (const partition::ExposedActivation& e : report_.exposed_activations) {
      if (e.name != activation) continue;
      return e.kind == partition::ExposedActivation::computed ? Expected::may : Expected::must;
    }
    return Expected::never;
  }

  Status add_keys() {
    TAOISM_ASSIGN_OR_RETURN(const store::PackageKey key,
                            package::read_key_file(folder_ + "/m.key"));
    TAOISM_ASSIGN_OR_RETURN(const auto file, package::PackageFile::open(folder_ + "/m.tao"));
    const auto secret = key.secret.expose_secret();
    secrets_.add_bytes("key", Expected::never, secret);
    for (const char* format : {"%02x", "%02X"}) {
      std::string hex;
      for (const std::byte byte : secret) {
        char digits[3];
        std::snprintf(digits, sizeof(digits), format, static_cast<unsigned>(byte));
        hex += digits;
      }
      secrets_.add_text(std::string("key in hexadecimal, ") + format, Expected::never, hex);
    }
    for (const char* purpose : {"taoism package program v2", "taoism package plan v2"}) {
      TAOISM_RETURN_IF_ERROR(add_derived(secret, file->header().package, purpose));
    }
    TAOISM_ASSIGN_OR_RETURN(const std::string plan, package::open_plan(*file, key));

    // Inside the sealed program: the weights' store, with a secret of its own.
    const store::PackageContext context = file->head().context(store::PartKind::program, 0);
    std::vector<std::byte> program(context.bytes);
    TAOISM_RETURN_IF_ERROR(
        store::open_part(key, context, file->data(store::PartKind::program, 0), program));
    store::StoreHeader store;
    std::memcpy(&store, program.data(), sizeof(store));
    secrets_.add_bytes("the weights' store's secret", Expected::never, store.secret);
    return add_derived(store.secret, store.id, std::string(store::kWeightsPurpose));
  }

  // The AES key as ChunkCipher makes it; a key schedule starts with it.
  Status add_derived(ConstByteSpan secret, const crypto::StoreId& salt,
                     const std::string& purpose) {
    std::string info = purpose;
    const crypto::Nonce number = crypto::counter_nonce(0);
    info.append(reinterpret_cast<const char*>(number.data()), number.size());
    std::array<std::byte, 16> key;
    TAOISM_RETURN_IF_ERROR(crypto::hkdf_sha256(secret, salt, std::as_bytes(std::span(info)), key));
    secrets_.add_bytes("AES key: " + purpose, Expected::never, key);
    return {};
  }

  const std::string folder_, tee_image_;
  partition::Report report_;
  Secrets secrets_;
};

Status act(const std::vector<std::string>& args) {
  if (args.size() == 2 && args[0] == "model") {
    TAOISM_RETURN_IF_ERROR(write_model(args[1] + "/model.onnx", false));
    return write_model(args[1] + "/all.onnx", true);
  }
  if (args.size() == 3 && args[0] == "secrets") return Owner(args[1], args[2]).run();
  return invalid_argument("model FOLDER, or secrets FOLDER TEE");
}

}  // namespace
}  // namespace taoism::leak

int main(int argc, char** argv) {
  const taoism::Status status = taoism::leak::act({argv + 1, argv + argc});
  if (!status.ok()) std::fprintf(stderr, "leak_owner: %s\n", status.message().c_str());
  return status.ok() ? 0 : 1;
}
