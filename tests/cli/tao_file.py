"""A package as docs/formats/tao.md says that it is, taken apart and put together otherwise: by whoever has the file."""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path

import flatbuffers
import numpy as np
import onnx
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from onnx import TensorProto, helper

MANIFEST, GRAPH, PROGRAM, PLAN, CONSTANT, WEIGHTS = range(1, 7)
TEE, DEVICE = 1, 2
MAGIC = b"\x89TAO\r\n\x1a\n"


class Part:
    def __init__(self, entry: bytes, file: bytes) -> None:
        self.kind, self.index, offset, size, self.store, self.count = struct.unpack_from("<IIQQII", entry)
        self.data = file[offset : offset + size]


class Package:
    """A package taken apart, to be put together otherwise."""

    def __init__(self, path: Path) -> None:
        file = path.read_bytes()
        _, _, count, self.id, self.version = struct.unpack_from("<8sII16sQ", file)
        self.parts = [Part(file[64 + 64 * p :][:64], file) for p in range(count)]
        self.signature = file[64 + 64 * count :][:192]

    def head(self) -> bytes:
        offset = 64 + 64 * len(self.parts) + 192
        table = b""
        for part in self.parts:
            size = len(part.data)
            entry = (part.kind, part.index, offset, size, part.store, part.count, hashlib.sha256(part.data).digest())
            table += struct.pack("<IIQQII32s", *entry)
            offset = (offset + size + 63) // 64 * 64
        header = (MAGIC, 3, len(self.parts), self.id, self.version, offset, bytes(16))
        return struct.pack("<8sII16sQQ16s", *header) + table

    def sign(self, key: ec.EllipticCurvePrivateKey) -> None:
        r, s = utils.decode_dss_signature(key.sign(self.head(), ec.ECDSA(SHA256())))
        signer = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        self.signature = signer + r.to_bytes(32, "big") + s.to_bytes(32, "big") + bytes(63)

    def file(self) -> bytes:
        file = self.head() + self.signature
        for part in self.parts:
            file += part.data + bytes(-len(part.data) % 64)
        return file

    def write(self, path: Path) -> None:
        path.write_bytes(self.file())

    def offsets(self) -> list[int]:
        offset = (64 + 64 * len(self.parts) + 192 + 63) // 64 * 64
        found = []
        for part in self.parts:
            found.append(offset)
            offset = (offset + len(part.data) + 63) // 64 * 64
        return found

    def arranged(self, entries: list[int], contents: list[int], put_right: bool = False) -> bytes:
        """The file with parts in another order, its signature as it was. `put_right`: places, sizes and digests are
        those of what then lies there, as if somebody had written them."""
        table = b""
        data = b""
        begin = (64 + 64 * len(entries) + 192 + 63) // 64 * 64
        numbers: dict[int, int] = {}
        for entry, content in zip(entries, contents, strict=True):
            part, has = self.parts[entry], self.parts[content].data
            row = [part.kind, part.index, self.offsets()[entry], len(part.data)]
            digest = hashlib.sha256(part.data).digest()
            if put_right:
                row[1:] = [numbers.setdefault(part.kind, 0), begin + len(data), len(has)]
                numbers[part.kind] += 1
                digest = hashlib.sha256(has).digest()
            table += struct.pack("<IIQQII32s", *row, part.store, part.count, digest)
            data += has + bytes(-len(has) % 64)
        header = (MAGIC, 3, len(entries), self.id, self.version, begin + len(data), bytes(16))
        head = struct.pack("<8sII16sQQ16s", *header) + table + self.signature
        return head + bytes(begin - len(head)) + data

    def drop(self, *kinds: int) -> None:
        self.parts = [p for p in self.parts if p.kind not in kinds]


def without_tee(graph: bytes) -> bytes:
    """The graph with its sealed nodes replaced by an attacker's on the device: here Neg."""
    bytes_ = bytearray(graph)
    root = flatbuffers.table.Table(bytes_, flatbuffers.encode.Get(flatbuffers.packer.uoffset, bytes_, 0))

    def tables(field: int) -> list[flatbuffers.table.Table]:
        at = root.Offset(4 + 2 * field)
        first = root.Vector(at)
        return [flatbuffers.table.Table(bytes_, root.Indirect(first + 4 * i)) for i in range(root.VectorLen(at))]

    for node in tables(5):
        at = node.Pos + node.Offset(4 + 2 * 5)
        if bytes_[at] != TEE:
            continue
        bytes_[at] = DEVICE
        text = node.Indirect(node.Pos + node.Offset(4))
        bytes_[text : text + 8] = struct.pack("<I4s", 3, b"Neg\0")
    for segment in tables(6):
        at = segment.Pos + segment.Offset(4)
        if bytes_[at] == TEE:
            bytes_[at] = DEVICE
    return bytes(bytes_)


def small_model(folder: Path) -> None:
    """m.onnx, a convolution and its activation; x.npy, an input."""
    weight = np.random.default_rng(1).standard_normal((4, 2, 3, 3), dtype=np.float32)
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w"], ["a"], name="conv"), helper.make_node("Relu", ["a"], ["y"], name="relu")],
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 2, 6, 6])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 4, 4, 4])],
        [onnx.numpy_helper.from_array(weight, "w")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), folder / "m.onnx")
    np.save(folder / "x.npy", np.random.default_rng(2).standard_normal((1, 2, 6, 6), dtype=np.float32))
