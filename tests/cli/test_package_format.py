"""A package read by nothing but docs/formats/tao.md, Python's own libraries and `cryptography`."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from conftest import ROOT
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

GOLDEN = ROOT / "tests" / "golden"
TAG = 16


class Package:
    def __init__(self, path: Path, key_file: Path) -> None:
        self.file = path.read_bytes()
        magic, self.format, _, self.id, self.version, manifest_bytes, self.data, file_bytes = struct.unpack_from(
            "<8sII16sQQQQ", self.file
        )
        assert magic == b"\x89TAO\r\n\x1a\n"
        assert file_bytes == len(self.file)
        public = self.file[: 64 + manifest_bytes]
        self.digest = hashlib.sha256(public).digest()
        self.manifest = json.loads(public[64:])
        heading, digits, self.least_version = key_file.read_text().split("\n")[:3]
        assert heading == "taoism key 1"
        self.secret = bytes.fromhex(digits)

    def section(self, section: dict[str, int]) -> bytes:
        start = self.data + section["offset"]
        return self.file[start : start + section["bytes"]]

    @staticmethod
    def open(secret: bytes, salt: bytes, purpose: bytes, counter: int, additional: bytes, sealed: bytes) -> bytes:
        info = purpose + bytes(12)  # the first key
        key = HKDF(SHA256(), 16, salt, info).derive(secret)
        return AESGCM(key).decrypt(counter.to_bytes(12, "big"), sealed, additional)

    def part(self, kind: int, purpose: bytes, index: int, sealed: bytes) -> bytes:
        context = struct.pack("<16sQ32sIIQ", self.id, self.version, self.digest, kind, index, len(sealed) - TAG)
        return self.open(self.secret, self.id, purpose, index, context, sealed)


@pytest.fixture()
def golden() -> Package:
    return Package(GOLDEN / "small.tao", GOLDEN / "small.key")


def test_header_and_public_part(golden: Package) -> None:
    assert golden.format == 1
    assert golden.version == 7
    assert golden.data % 64 == 0
    model = (GOLDEN / "small.onnx").read_bytes()
    assert golden.manifest["model_sha256"] == hashlib.sha256(model).hexdigest()
    weights = {w.name: onnx.numpy_helper.to_array(w) for w in onnx.load_from_string(model).graph.initializer}
    # The plan gives the convolution to the device; nothing else is in clear.
    (constant,) = golden.manifest["constants"]
    assert constant["shape"] == list(weights["w1"].shape)
    assert golden.section(constant["data"]) == weights["w1"].tobytes()
    assert hashlib.sha256(golden.section(constant["data"])).hexdigest() == constant["sha256"]
    for name in ("w2", "b2"):
        assert weights[name].tobytes()[:8] not in golden.file
    for batch in golden.manifest["batches"]:
        assert hashlib.sha256(golden.section(batch["graph"])).hexdigest() == batch["graph_sha256"]
        assert golden.section(batch["graph"])[4:8] == b"TAOG"


def test_sealed_parts(golden: Package) -> None:
    plan = json.loads(golden.part(2, b"taoism package plan v1", 0, golden.section(golden.manifest["plan"])))
    assert {n["name"]: n["placement"] for n in plan["nodes"]}["/fc" if "/fc" in str(plan) else "fc"] == "tee"

    values = np.concatenate(
        [
            onnx.numpy_helper.to_array(w).ravel()
            for w in onnx.load(GOLDEN / "small.onnx").graph.initializer
            if w.name != "w1"
        ]
    )
    for index, batch in enumerate(golden.manifest["batches"]):
        plain = golden.part(1, b"taoism package program v1", index, golden.section(batch["program"]))
        store_id, store_secret, version = struct.unpack_from("<16s32sQ", plain)
        assert version == golden.version
        assert plain[56 + 4 : 56 + 8] == b"TAOP"
        # The two weights are small: a piece each.
        store = golden.section(batch["weights"])
        opened = b""
        for tensor, size in enumerate((48, 12)):
            context = struct.pack("<16sIIQQQ", store_id, 1, tensor, 0, version, size)
            sealed, store = store[: size + TAG], store[size + TAG :]
            opened += golden.open(store_secret, store_id, b"taoism weights v1", tensor, context, sealed)
        assert store == b""
        assert sorted(np.frombuffer(opened, np.float32)) == sorted(values)
        with pytest.raises(InvalidTag):
            golden.part(1, b"taoism package program v1", 1 - index, golden.section(batch["program"]))


def test_it_still_opens(ok: Callable[..., str], tmp_path: Path) -> None:
    for name in ("small.tao", "small.key"):
        shutil.copy(GOLDEN / name, tmp_path / name)
    (tmp_path / "small.key").chmod(0o600)  # git keeps no such thing
    x = np.random.default_rng(1).standard_normal((2, 2, 6, 6), dtype=np.float32)
    np.save(tmp_path / "x.npy", x)
    ok("run", tmp_path / "small.tao", "-i", tmp_path / "x.npy", "-o", tmp_path / "y.npy")
    (want,) = onnxruntime.InferenceSession(GOLDEN / "small.onnx").run(None, {"x": x})
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), want, rtol=1e-5, atol=1e-5)


def test_the_worked_example_is_this_file(golden: Package) -> None:
    text = (ROOT / "docs" / "formats" / "tao.md").read_text()
    lines = re.findall(r"^    ([0-9a-f]{4})  ((?:[0-9a-f]{2} ?)+)", text, re.MULTILINE)
    assert len(lines) >= 10
    for offset, bytes_ in lines:
        want = bytes.fromhex(bytes_)
        start = int(offset, 16)
        assert golden.file[start : start + len(want)] == want, offset
    assert golden.digest.hex() in text
