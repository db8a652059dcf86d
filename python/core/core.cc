// taoism._core: what the package's Python code is written on. Private: users see taoism/ alone.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>

#include "base/text.h"
#include "runtime/environment.h"
#include "status.h"

namespace nb = nanobind;

namespace taoism::python {

void bind_status(nb::module_& module) {
  nb::register_exception_translator([](const std::exception_ptr& thrown, void*) {
    try {
      std::rethrow_exception(thrown);
    } catch (const StatusError& error) {
      const nb::object made = nb::module_::import_("taoism.errors")
                                  .attr("_from_status")(code_name(error.status().code()),
                                                        printable_text(error.status().message()));
      PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(made.ptr())), made.ptr());
    }
  });
  module.attr("version") = runtime::version();
}

}  // namespace taoism::python

NB_MODULE(_core, module) {
  taoism::python::bind_status(module);
  taoism::python::bind_model(module);
  taoism::python::bind_session(module);
  taoism::python::bind_tools(module);
}
