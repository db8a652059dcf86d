"""A package read by nothing but docs/formats/tao.md, Python's own libraries and `cryptography`."""

from __future__ import annotations

import hashlib
import hmac
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
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from tao_file import CONSTANT, GRAPH, MANIFEST, PLAN, PROGRAM, WEIGHTS, Package

GOLDEN = ROOT / "tests" / "golden"
TAG = 16


class Opened:
    """A package as its owner has it, every byte of it accounted for."""

    def __init__(self, path: Path, key_file: Path, owner_file: Path) -> None:
        self.file = path.read_bytes()
        package = Package(path)
        # Header, places, digests, and zeros wherever nothing is said.
        assert package.file() == self.file
        self.id, self.version = package.id, package.version
        signer, r, s, unused = struct.unpack("<65s32s32s63s", package.signature)
        assert unused == bytes(63)
        # Raises when it does not verify.
        owner = load_pem_public_key(owner_file.read_bytes())
        assert signer == owner.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        signature = encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big"))
        owner.verify(signature, package.head(), ec.ECDSA(SHA256()))
        self.digest = hashlib.sha256(package.head()).digest()
        self.parts = {(part.kind, part.index): part.data for part in package.parts}
        self.store = {part.index: part.store for part in package.parts if part.kind == PROGRAM}
        # Segments of programs, weights of stores.
        assert {(p.kind, p.count) for p in package.parts if p.count != 0} == {
            (PROGRAM, 1),
            (WEIGHTS, 2),
        }
        self.manifest = json.loads(self.parts[MANIFEST, 0])

        lines = key_file.read_text().splitlines()
        assert lines[0] == "taoism key 2"
        fields = dict(line.split(" ") for line in lines[1:])
        self.secret = bytes.fromhex(fields["secret"])
        assert bytes.fromhex(fields["owner"]) == signer
        assert (fields["last"], fields["least"]) == ("7", "0")
        authenticated = key_file.read_bytes()[: -len(lines[-1]) - 1]
        assert self.mac(b"taoism key file v2", authenticated).hex() == fields["mac"]

    def mac(self, purpose: bytes, text: bytes) -> bytes:
        return hmac.digest(HKDF(SHA256(), 32, None, purpose).derive(self.secret), text, "sha256")

    @staticmethod
    def open(secret: bytes, salt: bytes, purpose: bytes, counter: int, additional: bytes, sealed: bytes) -> bytes:
        info = purpose + bytes(12)  # the first key
        key = HKDF(SHA256(), 16, salt, info).derive(secret)
        return AESGCM(key).decrypt(counter.to_bytes(12, "big"), sealed, additional)

    def part(self, kind: int, purpose: bytes, index: int, sealed: bytes) -> bytes:
        manifest = hashlib.sha256(self.parts[MANIFEST, 0]).digest()
        context = struct.pack("<16sQ32sIIQ", self.id, self.version, manifest, kind, index, len(sealed) - TAG)
        return self.open(self.secret, self.id, purpose, index, context, sealed)


@pytest.fixture()
def golden() -> Opened:
    return Opened(GOLDEN / "small.tao", GOLDEN / "small.key", GOLDEN / "small.pub")


def test_head_and_public_parts(golden: Opened) -> None:
    assert golden.version == 7
    model = (GOLDEN / "small.onnx").read_bytes()
    name = golden.mac(b"taoism package name v2", hashlib.sha256(model).hexdigest().encode())
    assert golden.manifest["model_id"] == name.hex()
    weights = {w.name: onnx.numpy_helper.to_array(w) for w in onnx.load_from_string(model).graph.initializer}
    # The plan gives the convolution to the device; nothing else is in clear.
    (constant,) = golden.manifest["constants"]
    assert constant["shape"] == list(weights["w1"].shape)
    assert golden.parts[CONSTANT, 0] == weights["w1"].tobytes()
    for name in ("w2", "b2"):
        assert weights[name].tobytes()[:8] not in golden.file
    for index in range(len(golden.manifest["batches"])):
        assert golden.parts[GRAPH, index][4:8] == b"TAOG"


def test_sealed_parts(golden: Opened) -> None:
    plan = json.loads(golden.part(PLAN, b"taoism package plan v2", 0, golden.parts[PLAN, 0]))
    assert {n["name"]: n["placement"] for n in plan["nodes"]}["/fc" if "/fc" in str(plan) else "fc"] == "tee"

    values = np.concatenate(
        [
            onnx.numpy_helper.to_array(w).ravel()
            for w in onnx.load(GOLDEN / "small.onnx").graph.initializer
            if w.name != "w1"
        ]
    )
    for index in range(len(golden.manifest["batches"])):
        plain = golden.part(PROGRAM, b"taoism package program v2", index, golden.parts[PROGRAM, index])
        store_id, store_secret, version = struct.unpack_from("<16s32sQ", plain)
        assert version == golden.version
        assert plain[56 + 4 : 56 + 8] == b"TAOP"
        # The two weights are small: a piece each.
        store = golden.parts[WEIGHTS, golden.store[index]]
        opened = b""
        for tensor, size in enumerate((48, 12)):
            context = struct.pack("<16sIIQQQ", store_id, 1, tensor, 0, version, size)
            sealed, store = store[: size + TAG], store[size + TAG :]
            opened += golden.open(store_secret, store_id, b"taoism weights v1", tensor, context, sealed)
        assert store == b""
        assert sorted(np.frombuffer(opened, np.float32)) == sorted(values)
        with pytest.raises(InvalidTag):
            golden.part(PROGRAM, b"taoism package program v2", 1 - index, golden.parts[PROGRAM, index])


def test_it_still_opens(ok: Callable[..., str], tmp_path: Path) -> None:
    for name in ("small.tao", "small.key"):
        shutil.copy(GOLDEN / name, tmp_path / name)
    (tmp_path / "small.key").chmod(0o600)  # git keeps no such thing
    x = np.random.default_rng(1).standard_normal((2, 2, 6, 6), dtype=np.float32)
    np.save(tmp_path / "x.npy", x)
    ok("run", tmp_path / "small.tao", "-i", tmp_path / "x.npy", "-o", tmp_path / "y.npy")
    (want,) = onnxruntime.InferenceSession(GOLDEN / "small.onnx").run(None, {"x": x})
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), want, rtol=1e-5, atol=1e-5)


def test_the_worked_example_is_this_file(golden: Opened) -> None:
    text = (ROOT / "docs" / "formats" / "tao.md").read_text()
    lines = re.findall(r"^    ([0-9a-f]{4})  ((?:[0-9a-f]{2} ?)+)", text, re.MULTILINE)
    assert len(lines) >= 10
    for offset, bytes_ in lines:
        want = bytes.fromhex(bytes_)
        start = int(offset, 16)
        assert golden.file[start : start + len(want)] == want, offset
    assert golden.digest.hex() in text
