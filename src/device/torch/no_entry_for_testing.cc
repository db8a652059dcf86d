// A library that is no torch module, for load_module_test.
extern "C" __attribute__((visibility("default"))) int taoism_not_a_torch_module() { return 0; }
