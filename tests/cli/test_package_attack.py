"""Packages as another process changes them, by docs/formats/tao.md alone: cut out, swapped, replaced, added, rolled
back, signed by somebody else. The installed program refuses each with one line and exit code 4, or 2 for what is no
package. And key files under kills and crowds."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import struct
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import flatbuffers
import numpy as np
import onnx
import pytest
from conftest import ROOT, assert_one_line_error
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from onnx import TensorProto, helper

Ok = Callable[..., str]
Run = Callable[..., subprocess.CompletedProcess[str]]
DESCRIPTION, GRAPH, PROGRAM, PLAN, CONSTANT, WEIGHTS = range(1, 7)
TEE, DEVICE = 1, 2


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
        header = (b"\x89TAO\r\n\x1a\n", 2, len(self.parts), self.id, self.version, offset, bytes(16))
        return struct.pack("<8sII16sQQ16s", *header) + table

    def sign(self, key: ec.EllipticCurvePrivateKey) -> None:
        r, s = utils.decode_dss_signature(key.sign(self.head(), ec.ECDSA(SHA256())))
        signer = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        self.signature = signer + r.to_bytes(32, "big") + s.to_bytes(32, "big") + bytes(63)

    def write(self, path: Path) -> None:
        file = self.head() + self.signature
        for part in self.parts:
            file += part.data + bytes(-len(part.data) % 64)
        path.write_bytes(file)

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


@pytest.fixture(scope="module")
def folder(ok: Ok, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose last node alone is in the TEE, sealed twice by one owner, and an input."""
    folder = tmp_path_factory.mktemp("attack")
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
    for name in ("m", "other"):
        ok("seal", folder / "m.onnx", "-s", "nonlinear:first=0", "-o", folder / f"{name}.tao", "--key", folder / "m.key",
           "--owner", folder / "owner.key", "--batch", "1")  # fmt: skip
    return folder


def run_it(run: Run, folder: Path, *flags: object) -> subprocess.CompletedProcess[str]:
    output = folder / "y.npy"
    output.unlink(missing_ok=True)
    result = run("run", folder / "bad.tao", "-i", folder / "x.npy", "-o", output, "--key", folder / "m.key", *flags)
    assert result.returncode == 0 or not output.exists()
    return result


def test_what_is_put_together_again_is_the_same(run: Run, folder: Path) -> None:
    Package(folder / "m.tao").write(folder / "bad.tao")
    assert (folder / "bad.tao").read_bytes() == (folder / "m.tao").read_bytes()
    assert run_it(run, folder).returncode == 0
    assert run_it(run, folder, "--owner", folder / "owner.pub").returncode == 0


def cut_out_the_tee(package: Package, _: Package) -> None:
    for part in package.parts:
        if part.kind == GRAPH:
            part.data = without_tee(part.data)


def cut_out_all_that_is_sealed(package: Package, other: Package) -> None:
    cut_out_the_tee(package, other)
    package.drop(PROGRAM, PLAN, WEIGHTS)


def replace_a_weight(package: Package, _: Package) -> None:
    for part in package.parts:
        if part.kind == CONSTANT:
            assert part.data != bytes(len(part.data))
            part.data = bytes(len(part.data))


def describe_otherwise(package: Package, _: Package) -> None:
    for part in package.parts:
        if part.kind == DESCRIPTION:
            part.data = part.data.replace(b"small", b"smoll")


def mix(kind: int) -> Callable[[Package, Package], None]:
    def change(package: Package, other: Package) -> None:
        for i, part in enumerate(package.parts):
            if part.kind == kind:
                package.parts[i] = other.parts[i]

    return change


def roll_back(package: Package, _: Package) -> None:
    package.version = 1 << 40


def add_a_part(package: Package, _: Package) -> None:
    package.parts.append(package.parts[-1])


CHANGES = [cut_out_the_tee, cut_out_all_that_is_sealed, replace_a_weight, describe_otherwise, roll_back, add_a_part]
CHANGES += [mix(kind) for kind in (PROGRAM, PLAN)]


@pytest.mark.parametrize("signer", ["nobody", "stripped", "stranger"])
@pytest.mark.parametrize("change", CHANGES)
def test_nothing_is_cut_out_swapped_or_added(
    run: Run, folder: Path, change: Callable[[Package, Package], None], signer: str
) -> None:
    package, other = Package(folder / "m.tao"), Package(folder / "other.tao")
    change(package, other)
    if signer == "stripped":
        package.signature = bytes(192)
    elif signer == "stranger":
        package.sign(ec.generate_private_key(ec.SECP256R1()))
    package.write(folder / "bad.tao")
    for flags in ((), ("--tee", "inline"), ("--owner", folder / "owner.pub")):
        assert_one_line_error(run_it(run, folder, *flags), 4)
    assert_one_line_error(run("verify", folder / "bad.tao", "--owner", folder / "owner.pub"), 4)


def test_a_stranger_signs_as_a_stranger(run: Run, folder: Path) -> None:
    package = Package(folder / "m.tao")
    package.sign(ec.generate_private_key(ec.SECP256R1()))
    package.write(folder / "bad.tao")
    assert_one_line_error(run_it(run, folder), 4, "an owner whom its key file does not know")
    assert_one_line_error(run_it(run, folder, "--owner", folder / "owner.pub"), 4, "none of those in --owner")


def test_owners_come_and_go(ok: Ok, run: Run, folder: Path, tmp_path: Path) -> None:
    key, model = tmp_path / "m.key", folder / "m.onnx"
    seal = ["seal", model, "-s", "nonlinear:first=0", "--key", key, "--batch", "1"]
    ok(*seal, "-o", tmp_path / "a.tao", "--owner", tmp_path / "a.key")
    b = [*seal, "-o", tmp_path / "b.tao", "--owner", tmp_path / "b.key"]
    assert_one_line_error(run(*b), 2, "does not know this owner", "--trust")
    assert not (tmp_path / "b.tao").exists()
    ok("key", key, "--trust", tmp_path / "b.pub")
    ok(*b)
    use = ["-i", folder / "x.npy", "--key", key]
    ok("run", tmp_path / "a.tao", *use)
    ok("run", tmp_path / "b.tao", *use)
    ok("key", key, "--revoke", tmp_path / "a.pub")
    assert_one_line_error(run("run", tmp_path / "a.tao", *use), 4, "revoked")
    ok("run", tmp_path / "b.tao", *use)
    assert_one_line_error(run("key", key, "--revoke", tmp_path / "b.pub"), 2, "no owner would be left")
    # Whoever deploys has no key: a file of public halves says the same.
    ok("verify", tmp_path / "a.tao", "--owner", tmp_path / "a.pub")
    gone = re.search("owner ([0-9a-f]{64})", ok("plan", tmp_path / "a.tao"))[1]
    both = (tmp_path / "a.pub").read_text() + (tmp_path / "b.pub").read_text()
    (tmp_path / "all.pub").write_text(both + f"revoked: {gone}\n")
    assert_one_line_error(run("verify", tmp_path / "a.tao", "--owner", tmp_path / "all.pub"), 4, "revokes")
    ok("verify", tmp_path / "b.tao", "--owner", tmp_path / "all.pub")


def versions(ok: Ok, key: Path) -> tuple[int, int]:
    text = ok("key", key)
    return tuple(int(re.search(f"{name} +([0-9]+)", text)[1]) for name in ("sealed", "from"))


def test_versions_grow(ok: Ok, run: Run, folder: Path, tmp_path: Path) -> None:
    key = tmp_path / "m.key"
    seal = ["seal", folder / "m.onnx", "-s", "nonlinear:first=0", "--key", key, "--batch", "1", "-o", tmp_path / "m.tao"]
    ok(*seal)
    shutil.copy(tmp_path / "m.tao", tmp_path / "old.tao")
    (tmp_path / "m.key.new").write_text("left behind")
    ok(*seal, "--retire-older")  # without a version: the next
    assert versions(ok, key) == (2, 2)
    assert_one_line_error(run("run", tmp_path / "old.tao", "-i", folder / "x.npy", "--key", key), 4, "older than its key")
    ok(*seal, "--version", "9")
    assert_one_line_error(run(*seal, "--version", "9"), 2, "was sealed under this key already", "--version 10")
    assert_one_line_error(run(*seal, "--version", "5"), 2, "older than 9, the last under this key")
    assert versions(ok, key) == (9, 2)
    assert_one_line_error(run("key", key, "--retire-before", "10"), 2, "no package of that version")
    # A number that somebody else writes is none.
    key.write_text(key.read_text().replace("least 2", "least 1"))
    assert_one_line_error(run("run", tmp_path / "old.tao", "-i", folder / "x.npy", "--key", key), 2, "changed since")
    assert_one_line_error(run("key", key), 4, "changed since")


def test_twenty_seals_at_once(ok: Ok, run: Run, folder: Path, tmp_path: Path) -> None:
    key = tmp_path / "m.key"

    def seal(number: int) -> subprocess.CompletedProcess[str]:
        return run("seal", folder / "m.onnx", "-s", "nonlinear:first=0", "--key", key, "--batch", "1", "--retire-older",
                   "--owner", tmp_path / "owner.key", "-o", tmp_path / f"{number}.tao")  # fmt: skip

    with ThreadPoolExecutor(20) as pool:
        results = list(pool.map(seal, range(20)))
    # Each has a number of its own; one that another has retired meanwhile says so.
    for result in results:
        if result.returncode != 0:
            assert_one_line_error(result, 2, "was retired meanwhile")
    sealed = {n: Package(tmp_path / f"{n}.tao").version for n in range(20) if (tmp_path / f"{n}.tao").exists()}
    assert len(sealed) == sum(r.returncode == 0 for r in results) >= 1
    assert len(set(sealed.values())) == len(sealed)
    assert versions(ok, key) == (20, max(sealed.values()))
    newest = max(sealed, key=lambda n: sealed[n])
    ok("run", tmp_path / f"{newest}.tao", "-i", folder / "x.npy", "--key", key)
    assert sorted(p.name for p in tmp_path.iterdir() if p.name.startswith(".")) == []


@pytest.fixture(scope="session")
def kill_at(tmp_path_factory: pytest.TempPathFactory) -> Path:
    library = tmp_path_factory.mktemp("kill") / "kill_at.so"
    subprocess.run(
        [os.environ.get("CC", "cc"), "-shared", "-fPIC", "-o", library, ROOT / "tests/cli/kill_at.c", "-ldl"], check=True
    )
    return library


def test_killed_at_every_step(ok: Ok, run: Run, folder: Path, tmp_path: Path, kill_at: Path) -> None:
    """Whenever a seal is killed: the package is the older one or the newer, whole; the key file opens it, and has
    forgotten nothing; the next seal works and leaves nothing behind."""
    key, package = tmp_path / "m.key", tmp_path / "m.tao"
    seal = ["seal", folder / "m.onnx", "-s", "nonlinear:first=0", "--key", key, "--batch", "1", "--owner",
            tmp_path / "owner.key", "-o", package, "--retire-older"]  # fmt: skip
    kills = 0
    for step in range(1, 200):
        before = versions(ok, key) if key.exists() else (0, 0)
        result = run(*seal, env={**os.environ, "LD_PRELOAD": str(kill_at), "KILL_AT": str(step)})
        if result.returncode == 0:
            break
        kills += 1
        assert result.returncode == -9, result.stderr
        if key.exists():
            after = versions(ok, key)
            assert after[0] >= before[0] and after[1] >= before[1], step
        if package.exists():
            ok("verify", package, "--owner", tmp_path / "owner.pub")
            ok("run", package, "-i", folder / "x.npy", "--key", key)
        if step % 5 == 0:
            ok(*seal)
            assert {p.name for p in tmp_path.iterdir()} == {"m.key", "m.tao", "owner.key", "owner.pub"}, step
    assert kills >= 15
    ok(*seal)
    assert {p.name for p in tmp_path.iterdir()} == {"m.key", "m.tao", "owner.key", "owner.pub"}


def test_where_keys_may_lie(ok: Ok, run: Run, folder: Path, tmp_path: Path) -> None:
    open_folder = tmp_path / "open"
    open_folder.mkdir()
    open_folder.chmod(0o777)
    seal = ["seal", folder / "m.onnx", "-s", "nonlinear:first=0", "--batch", "1"]
    for flag in ("--key", "--owner"):
        refused = run(*seal, flag, open_folder / "m.key", "-o", tmp_path / "m.tao")
        assert_one_line_error(refused, 2, "anybody may replace it", "chmod o-w")
        assert not list(open_folder.iterdir()) and not (tmp_path / "m.tao").exists()
    shutil.copy(folder / "m.key", open_folder / "m.key")
    (open_folder / "m.key").chmod(0o600)
    refused = run("run", folder / "m.tao", "-i", folder / "x.npy", "--key", open_folder / "m.key")
    assert_one_line_error(refused, 2, "anybody may replace it")
    # Said where it goes.
    text = ok(*seal, "-o", tmp_path / "m.tao")
    assert f"key     {tmp_path / 'm.key'} (new, beside the package: who reads it has the weights" in text
