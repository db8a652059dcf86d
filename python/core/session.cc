// Sessions: a model or a package at one batch size, ready to run.
#include <nanobind/ndarray.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>
#include <unistd.h>

#include <optional>

#include "model.h"
#include "runtime/session.h"
#include "status.h"

namespace nb = nanobind;

namespace taoism::python {
namespace {

using Array = nb::ndarray<nb::device::cpu>;
using ReadOnlyArray = nb::ndarray<nb::ro, nb::device::cpu>;

ir::DType dtype_of(nb::dlpack::dtype dtype) {
  using enum ir::DType;
  using Code = nb::dlpack::dtype_code;
  const auto sized = [](Code code, uint8_t bits) {
    return nb::dlpack::dtype{static_cast<uint8_t>(code), bits, 1};
  };
  const std::pair<nb::dlpack::dtype, ir::DType> kKnown[] = {
      {nb::dtype<float>(), f32},    {nb::dtype<double>(), f64},    {nb::dtype<int8_t>(), i8},
      {nb::dtype<int16_t>(), i16},  {nb::dtype<int32_t>(), i32},   {nb::dtype<int64_t>(), i64},
      {nb::dtype<uint8_t>(), u8},   {nb::dtype<uint16_t>(), u16},  {nb::dtype<uint32_t>(), u32},
      {nb::dtype<uint64_t>(), u64}, {sized(Code::Float, 16), f16}, {sized(Code::Bfloat, 16), bf16},
      {nb::dtype<bool>(), boolean},
  };
  for (const auto& [known, ours] : kKnown) {
    if (known == dtype) return ours;
  }
  throw StatusError(invalid_argument("a tensor of this element type cannot be given"));
}

// What a session reads or writes in place: an array must be contiguous.
template <typename Given>
ir::TensorDesc desc_of(const Given& array) {
  ir::TensorDesc desc;
  desc.dtype = dtype_of(array.dtype());
  if (array.ndim() > ir::kMaxRank) throw StatusError(invalid_argument("a tensor has rank above 8"));
  int64_t stride = 1;
  for (size_t i = array.ndim(); i-- > 0;) {
    if (array.shape(i) != 1 && array.stride(i) != stride) {
      throw StatusError(invalid_argument("a tensor is not contiguous"));
    }
    stride *= static_cast<int64_t>(array.shape(i));
  }
  for (size_t i = 0; i < array.ndim(); ++i) {
    desc.shape.push_back(static_cast<int64_t>(array.shape(i)));
  }
  return desc;
}

// A session and the process that opened it: a fork shares its memory, but neither its threads nor
// the right to talk to its worker.
class SessionHandle {
 public:
  explicit SessionHandle(std::unique_ptr<runtime::Session> session)
      : session_(std::move(session)) {}
  SessionHandle(SessionHandle&&) = default;
  SessionHandle& operator=(SessionHandle&&) = delete;
  ~SessionHandle() { close(); }

  // In a forked process the parent's session is forgotten and not ended.
  void close() {
    if (is_foreign()) {
      (void)session_.release();
    } else {
      session_.reset();
    }
  }
  bool is_foreign() const { return session_ != nullptr && ::getpid() != pid_; }

  const runtime::Session& get() const {
    if (session_ == nullptr) throw StatusError(unavailable("the session is closed"));
    return *session_;
  }

  runtime::RunProfile run(const std::vector<ReadOnlyArray>& inputs,
                          const std::vector<Array>& outputs) {
    if (is_foreign()) throw StatusError(unavailable("the session belongs to another process"));
    (void)get();
    std::vector<ir::ConstTensorView> from;
    std::vector<ir::TensorView> to;
    from.reserve(inputs.size());
    to.reserve(outputs.size());
    for (const ReadOnlyArray& array : inputs) {
      from.push_back({desc_of(array), static_cast<const std::byte*>(array.data())});
    }
    for (const Array& array : outputs) {
      to.push_back({desc_of(array), static_cast<std::byte*>(array.data())});
    }
    runtime::RunProfile profile;
    const nb::gil_scoped_release released;
    check(session_->run(from, to, profile));
    return profile;
  }

 private:
  std::unique_ptr<runtime::Session> session_;
  const pid_t pid_ = ::getpid();
};

SessionHandle open_prepared(const runtime::Prepared& prepared, const runtime::Machine& machine) {
  return SessionHandle(take(runtime::Session::open(prepared, machine)));
}

SessionHandle open_graph(const ModelHandle& model, const std::string& plan_json,
                         const ir::Graph& graph, const runtime::Machine& machine) {
  const runtime::Machine resolved = take(runtime::resolve(machine));
  return open_prepared(take(runtime::prepare(graph, model.plan(plan_json, graph), resolved)),
                       resolved);
}

SessionHandle open_model(const ModelHandle& model, const std::string& plan_json, int64_t batch,
                         const runtime::Machine& machine) {
  return open_graph(model, plan_json, model.bind(batch), machine);
}

SessionHandle open_shapes(const ModelHandle& model, const std::string& plan_json,
                          const InputShapes& shapes, const runtime::Machine& machine) {
  return open_graph(model, plan_json, model.bind_shapes(shapes), machine);
}

SessionHandle open_package(const PackageHandle& package, int64_t batch,
                           const runtime::Machine& machine) {
  const runtime::Machine resolved = take(runtime::resolve(machine));
  return open_prepared(take(package.package->prepare(batch, resolved)), resolved);
}

nb::dict times(const runtime::RunProfile& profile) {
  nb::dict result;
  result["end_to_end_ns"] = profile.end_to_end_ns;
  result["tee_compute_ns"] = profile.tee_compute_ns;
  result["device_compute_ns"] = profile.device_compute_ns;
  result["crypto_ns"] = profile.crypto_ns;
  result["transfer_ns"] = profile.transfer_ns;
  result["wait_ns"] = profile.wait_ns;
  result["residual_ns"] = profile.residual_ns;
  return result;
}

}  // namespace

void bind_session(nb::module_& module) {
  using Released = nb::call_guard<nb::gil_scoped_release>;
  nb::class_<SessionHandle>(module, "Session")
      .def_prop_ro("inputs",
                   [](const SessionHandle& self) { return specs_of(self.get().inputs()); })
      .def_prop_ro("outputs",
                   [](const SessionHandle& self) { return specs_of(self.get().outputs()); })
      .def_prop_ro("warnings", [](const SessionHandle& self) { return self.get().warnings(); })
      .def_prop_ro("worker_pid", [](const SessionHandle& self) { return self.get().worker_pid(); })
      .def_prop_ro("tee_memory_peak",
                   [](const SessionHandle& self) { return self.get().tee_memory_peak(); })
      .def_prop_ro("tee_memory_budget",
                   [](const SessionHandle& self) { return self.get().tee_memory_budget(); })
      .def(
          "run",
          [](SessionHandle& self, const std::vector<ReadOnlyArray>& inputs,
             const std::vector<Array>& outputs) { return times(self.run(inputs, outputs)); },
          nb::arg("inputs"), nb::arg("outputs"))
      .def("close", &SessionHandle::close, Released());

  module.def("open_model", &open_model, nb::arg("model"), nb::arg("plan_json"), nb::arg("batch"),
             nb::arg("machine"), Released());
  module.def("open_shapes", &open_shapes, nb::arg("model"), nb::arg("plan_json"), nb::arg("shapes"),
             nb::arg("machine"), Released());
  module.def("open_package", &open_package, nb::arg("package"), nb::arg("batch"),
             nb::arg("machine"), Released());
}

}  // namespace taoism::python
