#include <algorithm>
#include <cerrno>
#include <cstring>
#include <exception>
#include <new>

#include <unistd.h>

#include "package/key_file.h"
#include "package/package.h"
#include "partition/explain.h"
#include "runtime/prepare.h"
#include "runtime/session.h"
#include "taoism/session.h"

namespace taoism::api {
namespace {

ErrorCode error_code(Code code) {
  switch (code) {
    case Code::ok: return ErrorCode::ok;
    case Code::invalid_argument: return ErrorCode::invalid_argument;
    case Code::unsupported: return ErrorCode::unsupported;
    case Code::not_found: return ErrorCode::not_found;
    case Code::resource_exhausted: return ErrorCode::resource_exhausted;
    case Code::unavailable: return ErrorCode::unavailable;
    case Code::integrity: return ErrorCode::integrity;
    case Code::policy: return ErrorCode::policy;
    case Code::internal: return ErrorCode::internal;
  }
  return ErrorCode::internal;
}

Error to_error(const Status& status) { return {error_code(status.code()), status.message()}; }

constexpr std::pair<const char*, ElementType> kElementTypes[] = {
    {"float32", ElementType::float32}, {"float64", ElementType::float64},
    {"float16", ElementType::float16}, {"bfloat16", ElementType::bfloat16},
    {"int8", ElementType::int8},       {"int16", ElementType::int16},
    {"int32", ElementType::int32},     {"int64", ElementType::int64},
    {"uint8", ElementType::uint8},     {"uint16", ElementType::uint16},
    {"uint32", ElementType::uint32},   {"uint64", ElementType::uint64},
    {"bool", ElementType::boolean},
};

Result<std::vector<TensorInfo>> tensor_infos(const std::vector<runtime::TensorSpec>& specs) {
  std::vector<TensorInfo> infos;
  infos.reserve(specs.size());
  for (const runtime::TensorSpec& spec : specs) {
    const std::string_view name = ir::dtype_name(spec.desc.dtype);
    const auto* type = std::find_if(std::begin(kElementTypes), std::end(kElementTypes),
                                    [&](const auto& known) { return name == known.first; });
    if (type == std::end(kElementTypes)) {
      return unsupported("'" + spec.name + "' is " + std::string(name));
    }
    infos.push_back({spec.name,
                     type->second,
                     {spec.desc.shape.begin(), spec.desc.shape.end()},
                     static_cast<size_t>(spec.desc.shape.elements()),
                     spec.desc.bytes()});
  }
  return infos;
}

Result<onnx::ImportOptions> import_options(const onnx::Model& model,
                                           const SessionOptions& options) {
  onnx::ImportOptions import{.batch = options.batch};
  for (const auto& [name, dims] : options.input_shapes) {
    const bool is_good = dims.size() <= ir::kMaxRank &&
                         std::all_of(dims.begin(), dims.end(), [](int64_t d) { return d >= -1; });
    if (!is_good) return invalid_argument("input_shapes: '" + name + "' has no such shape");
    import.input_shapes.emplace_back(name, ir::Shape(dims));
  }
  TAOISM_ASSIGN_OR_RETURN(const std::vector<onnx::OpenInput> open, model.open_inputs(import));
  if (open.empty()) return import;
  return invalid_argument(open.front().text() + ": give its shape, SessionOptions::input_shapes");
}

}  // namespace

struct Session::State {
  std::unique_ptr<runtime::Session> session;
  std::vector<TensorInfo> inputs, outputs;
  std::vector<ir::ConstTensorView> input_views;
  std::vector<ir::TensorView> output_views;
  std::vector<std::string> warnings;
  std::string plan_text;
  RunTimes times;

  static Result<runtime::Prepared> prepare_package(const std::string& path,
                                                   const SessionOptions& options,
                                                   const runtime::Machine& machine,
                                                   std::string& text) {
    TAOISM_ASSIGN_OR_RETURN(const std::unique_ptr<package::Package> package,
                            package::Package::open_owned(path, options.owner_file));
    const int64_t batch =
        options.batch == 0 ? package->manifest().batches.front().batch : options.batch;
    TAOISM_ASSIGN_OR_RETURN(runtime::Prepared prepared, package->prepare(batch, machine));
    TAOISM_ASSIGN_OR_RETURN(const package::BatchEntry* entry, package->entry_of(batch));
    text = entry->summary_text;
    return prepared;
  }

  static Result<runtime::Prepared> prepare_model(const std::string& path,
                                                 const SessionOptions& options,
                                                 const runtime::Machine& machine,
                                                 std::string& text) {
    TAOISM_ASSIGN_OR_RETURN(onnx::Model model, onnx::Model::load(path));
    TAOISM_ASSIGN_OR_RETURN(std::string hash, model.hash());
    TAOISM_ASSIGN_OR_RETURN(const onnx::ImportOptions import, import_options(model, options));
    TAOISM_ASSIGN_OR_RETURN(ir::Graph graph, model.bind(import));
    partition::Plan plan;
    if (options.plan_json.empty()) {
      TAOISM_ASSIGN_OR_RETURN(partition::StrategySpec spec,
                              partition::StrategySpec::parse(options.strategy));
      TAOISM_ASSIGN_OR_RETURN(plan, partition::make_plan(graph, spec, hash));
    } else {
      TAOISM_ASSIGN_OR_RETURN(plan, partition::read_plan(options.plan_json, graph, hash));
    }
    TAOISM_ASSIGN_OR_RETURN(runtime::Prepared prepared, runtime::prepare(graph, plan, machine));
    text = partition::report_text(prepared.report);
    return prepared;
  }

  Status open(const std::string& path, const SessionOptions& options) {
    runtime::Machine machine{options.tee,         options.device,         options.tee_memory_bytes,
                             options.tee_threads, options.device_threads, options.worker_path,
                             options.key_file};
    TAOISM_ASSIGN_OR_RETURN(machine, runtime::resolve(std::move(machine)));
    const bool is_package = package::is_package(path);
    if (!is_package && !(options.key_file.empty() && options.owner_file.empty())) {
      if (access(path.c_str(), F_OK) != 0) {
        return not_found(path + ": cannot open: " + std::strerror(errno));
      }
      return integrity_error(path + ": is no package: give no key_file and no owner_file");
    }
    if (is_package && machine.key_file.empty()) machine.key_file = package::default_key_path(path);
    TAOISM_ASSIGN_OR_RETURN(const runtime::Prepared prepared,
                            is_package ? prepare_package(path, options, machine, plan_text)
                                       : prepare_model(path, options, machine, plan_text));
    TAOISM_ASSIGN_OR_RETURN(session, runtime::Session::open(prepared, machine));
    TAOISM_ASSIGN_OR_RETURN(inputs, tensor_infos(session->inputs()));
    TAOISM_ASSIGN_OR_RETURN(outputs, tensor_infos(session->outputs()));
    for (const auto& spec : session->inputs()) input_views.push_back({spec.desc, nullptr});
    for (const auto& spec : session->outputs()) output_views.push_back({spec.desc, nullptr});
    warnings = prepared.report.warnings;
    if (prepared.uses_tee && runtime::is_simulated(machine.tee)) {
      warnings.push_back("simulated TEE: " + machine.tee + " is not a hardware TEE");
    }
    for (std::string& warning : session->warnings()) warnings.push_back(std::move(warning));
    return {};
  }
};

Session::Session(std::unique_ptr<State> state) : state_(std::move(state)) {}
Session::~Session() = default;

Error Session::open(const std::string& model_path, const SessionOptions& options,
                    std::unique_ptr<Session>& session) {
  try {
    auto state = std::make_unique<State>();
    if (Status status = state->open(model_path, options); !status.ok()) return to_error(status);
    session.reset(new Session(std::move(state)));
    return {};
  } catch (const std::bad_alloc&) {
    return {ErrorCode::resource_exhausted, "out of memory; use a smaller batch"};
  } catch (const std::exception& error) {
    return {ErrorCode::internal, std::string("defect: ") + error.what()};
  }
}

const std::vector<TensorInfo>& Session::inputs() const { return state_->inputs; }
const std::vector<TensorInfo>& Session::outputs() const { return state_->outputs; }
const std::vector<std::string>& Session::warnings() const { return state_->warnings; }
const std::string& Session::plan_text() const { return state_->plan_text; }
const RunTimes& Session::last_times() const { return state_->times; }

Error Session::run(std::span<const std::span<const float>> inputs,
                   std::span<const std::span<float>> outputs) {
  for (const auto* infos : {&state_->inputs, &state_->outputs}) {
    for (const TensorInfo& info : *infos) {
      if (info.type == ElementType::float32) continue;
      return {ErrorCode::invalid_argument,
              "'" + info.name + "' is not float32; give bytes, run_bytes()"};
    }
  }
  std::vector<std::span<const std::byte>> from;
  std::vector<std::span<std::byte>> to;
  for (const std::span<const float> input : inputs) from.push_back(std::as_bytes(input));
  for (const std::span<float> output : outputs) to.push_back(std::as_writable_bytes(output));
  return run_bytes(from, to);
}

Error Session::run_bytes(std::span<const std::span<const std::byte>> inputs,
                         std::span<const std::span<std::byte>> outputs) {
  State& state = *state_;
  auto wrong = [](const TensorInfo& info, size_t given) {
    return Error{ErrorCode::invalid_argument, "'" + info.name + "' has " +
                                                  std::to_string(info.elements) + " elements of " +
                                                  std::to_string(info.bytes) + " bytes; " +
                                                  std::to_string(given) + " bytes were given"};
  };
  if (inputs.size() != state.inputs.size() || outputs.size() != state.outputs.size()) {
    return {ErrorCode::invalid_argument, "the model has " + std::to_string(state.inputs.size()) +
                                             " inputs and " + std::to_string(state.outputs.size()) +
                                             " outputs"};
  }
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i].size() != state.inputs[i].bytes) return wrong(state.inputs[i], inputs[i].size());
    state.input_views[i].data = inputs[i].data();
  }
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (outputs[i].size() != state.outputs[i].bytes) {
      return wrong(state.outputs[i], outputs[i].size());
    }
    state.output_views[i].data = outputs[i].data();
  }
  runtime::RunProfile p;
  if (Status status = state.session->run(state.input_views, state.output_views, p); !status.ok()) {
    return to_error(status);
  }
  state.times = {p.end_to_end_ns, p.tee_compute_ns, p.device_compute_ns, p.crypto_ns,
                 p.transfer_ns,   p.wait_ns,        p.residual_ns};
  return {};
}

}  // namespace taoism::api
