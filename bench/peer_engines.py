"""One engine that runs a model in turns, for bench/peers.py: the peers' counterpart of model_turns.

    python bench/peer_engines.py ENGINE MODEL BATCH THREADS INPUT OUTPUT

INPUT and OUTPUT are raw float32. The output of one inference is written, then "ready" is printed;
each line with a number on stdin is answered with as many durations, in nanoseconds. An engine gets
the settings that its documentation advises for latency on a CPU, and float32 arithmetic.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable

import numpy as np
import onnx

Run = Callable[[np.ndarray], np.ndarray]


def onnxruntime(model: str, _: tuple[int, ...], threads: int) -> Run:
    """ONNX Runtime with all graph optimisations; threads do not spin between turns."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.add_session_config_entry("session.force_spinning_stop", "1")
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda x: session.run(None, {name: x})[0]


def openvino(model: str, shape: tuple[int, ...], threads: int) -> Run:
    """OpenVINO tuned for latency, with a static shape."""
    import openvino as ov

    core = ov.Core()
    read = core.read_model(model)
    read.reshape(list(shape))
    compiled = core.compile_model(
        read,
        "CPU",
        {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            "INFERENCE_PRECISION_HINT": "f32",
        },
    )
    request = compiled.create_infer_request()
    return lambda x: request.infer([x], share_inputs=True, share_outputs=True)[0]


def torch_module(model: str):
    """The nn.Module of a convolutional ONNX model: the modules its author would have written."""
    import torch
    from torch import nn

    graph = onnx.load(model).graph
    weights = {w.name: torch.from_numpy(onnx.numpy_helper.to_array(w).copy()) for w in graph.initializer}

    def filled(module: nn.Module, **tensors: torch.Tensor) -> nn.Module:
        with torch.no_grad():
            for name, tensor in tensors.items():
                getattr(module, name).copy_(tensor)
        return module

    def padding(attrs: dict) -> list[int]:
        pads = attrs.get("pads", [0, 0, 0, 0])
        assert pads[:2] == pads[2:], "uneven padding"
        return pads[:2]

    def module_of(node: onnx.NodeProto, attrs: dict) -> nn.Module | None:
        w = [weights[name] for name in node.input if name in weights]
        match node.op_type:
            case "Conv":
                conv = nn.Conv2d(
                    w[0].shape[1] * attrs.get("group", 1), w[0].shape[0], tuple(w[0].shape[2:]),
                    attrs.get("strides", 1), padding(attrs), attrs.get("dilations", 1),
                    attrs.get("group", 1), bias=len(w) > 1,
                )  # fmt: skip
                return filled(conv, weight=w[0], **({"bias": w[1]} if len(w) > 1 else {}))
            case "BatchNormalization":
                norm = nn.BatchNorm2d(w[0].numel(), attrs.get("epsilon", 1e-5))
                return filled(norm, weight=w[0], bias=w[1], running_mean=w[2], running_var=w[3])
            case "Gemm":
                assert attrs.get("transB") == 1
                linear = nn.Linear(w[0].shape[1], w[0].shape[0])
                return filled(linear, weight=w[0], bias=w[1])
            case "Relu":
                return nn.ReLU(inplace=True)
            case "Clip":
                assert [float(v) for v in w] == [0.0, 6.0]
                return nn.ReLU6(inplace=True)
            case "MaxPool":
                return nn.MaxPool2d(attrs["kernel_shape"], attrs.get("strides", 1), padding(attrs))
            case "AveragePool":
                return nn.AvgPool2d(attrs["kernel_shape"], attrs.get("strides", 1), padding(attrs))
            case "GlobalAveragePool":
                return nn.AdaptiveAvgPool2d(1)
            case "Flatten":
                return nn.Flatten(attrs.get("axis", 1))
            case "Dropout" | "Identity":
                return nn.Identity()
            case "Add":
                return None
        raise NotImplementedError(f"no PyTorch module for {node.op_type}: add it to module_of")

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.ModuleList()
            self.steps: list[tuple[int, list[str], str]] = []
            for node in graph.node:
                attrs = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
                module = module_of(node, attrs)
                if module is not None:
                    self.layers.append(module)
                at = len(self.layers) - 1 if module is not None else -1
                self.steps.append((at, [n for n in node.input if n not in weights], node.output[0]))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            values = {graph.input[0].name: x}
            for at, inputs, output in self.steps:
                operands = [values[name] for name in inputs]
                values[output] = self.layers[at](*operands) if at >= 0 else torch.add(*operands)
            return values[graph.output[0].name]

    return Network().eval()


def pytorch(model: str, _: tuple[int, ...], threads: int) -> Run:
    """PyTorch, eager."""
    import torch

    torch.set_num_threads(threads)
    module = torch_module(model)

    def run(x: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return module(torch.from_numpy(x)).numpy()

    return run


def pytorch_frozen(model: str, shape: tuple[int, ...], threads: int) -> Run:
    """PyTorch, traced, frozen and optimised for inference (batch-norms folded, oneDNN layouts)."""
    import torch

    torch.set_num_threads(threads)
    with torch.no_grad():
        traced = torch.jit.trace(torch_module(model), torch.zeros(shape))
        frozen = torch.jit.optimize_for_inference(torch.jit.freeze(traced))

    def run(x: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return frozen(torch.from_numpy(x)).numpy()

    return run


ENGINES = {
    "onnxruntime": onnxruntime,
    "openvino": openvino,
    "pytorch": pytorch,
    "pytorch-frozen": pytorch_frozen,
}


def main() -> None:
    engine, model, batch, threads, input_file, output_file = sys.argv[1:]
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    dims = onnx.load(model, load_external_data=False).graph.input[0].type.tensor_type.shape.dim
    shape = (int(batch), *(dim.dim_value for dim in dims[1:]))
    x = np.fromfile(input_file, np.float32).reshape(shape)
    run = ENGINES[engine](model, shape, int(threads))
    for _ in range(3):
        y = run(x)
    np.ascontiguousarray(y).tofile(output_file)
    print("ready", flush=True)
    for line in sys.stdin:
        times = []
        for _ in range(int(line)):
            start = time.perf_counter_ns()
            run(x)
            times.append(time.perf_counter_ns() - start)
        print(*times, flush=True)


if __name__ == "__main__":
    main()
