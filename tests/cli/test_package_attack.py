"""Packages as another process changes them, by docs/formats/tao.md alone: cut out, swapped, replaced, added, rolled
back, signed by somebody else; and by a host that believes and claims what it likes. The installed program refuses each
with one line and exit code 4, or 2 for what is no package."""

from __future__ import annotations

import hashlib
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, assert_one_line_error
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from tao_file import CONSTANT, GRAPH, MANIFEST, PLAN, PROGRAM, WEIGHTS, Package, small_model, without_tee

Ok = Callable[..., str]
Run = Callable[..., subprocess.CompletedProcess[str]]
Preload = Callable[[str], dict[str, str]]


@pytest.fixture(scope="module")
def folder(ok: Ok, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose last node alone is in the TEE, sealed twice by one owner, and an input."""
    folder = tmp_path_factory.mktemp("attack")
    small_model(folder)
    for name in ("m", "other"):
        ok("seal", folder / "m.onnx", "-s", "nonlinear:first=0", "-o", folder / f"{name}.tao", "--key", folder / "m.key",
           "--owner", folder / "owner.key", "--batch", "1")  # fmt: skip
    return folder


def run_it(run: Run, folder: Path, *flags: object, **kwargs: object) -> subprocess.CompletedProcess[str]:
    output = folder / "y.npy"
    output.unlink(missing_ok=True)
    result = run("run", folder / "bad.tao", "-i", folder / "x.npy", "-o", output, "--key", folder / "m.key", *flags, **kwargs)
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
        if part.kind == MANIFEST:
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


def test_an_owners_graph_of_other_rows(run: Run, every_part: Path) -> None:
    """Signed, so that nothing but what it says is wrong: that is an error of the file, and none of ours."""
    package = Package(every_part / "m.tao")
    first, second = (p for p in package.parts if p.kind == GRAPH)
    first.data, second.data = second.data, first.data
    pem = (every_part / "owner.key").read_bytes()
    package.sign(serialization.load_pem_private_key(pem, None))
    package.write(every_part / "bad.tao")
    np.save(every_part / "one.npy", np.zeros((1, 2, 6, 6), np.float32))
    result = run("run", every_part / "bad.tao", "-i", every_part / "one.npy", "--key", every_part / "m.key")
    assert_one_line_error(result, 4, "what its graph takes and gives")


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
    assert_one_line_error(run("key", key, "--trust", tmp_path / "a.pub"), 2, "revokes, for good")
    # Whoever deploys has no key: a file of public halves says the same.
    ok("verify", tmp_path / "a.tao", "--owner", tmp_path / "a.pub")
    gone = re.search("owner ([0-9a-f]{64})", ok("plan", tmp_path / "a.tao"))[1]
    both = (tmp_path / "a.pub").read_text() + (tmp_path / "b.pub").read_text()
    (tmp_path / "all.pub").write_text(both + f"revoked: {gone}\n")
    assert_one_line_error(run("verify", tmp_path / "a.tao", "--owner", tmp_path / "all.pub"), 4, "revokes")
    ok("verify", tmp_path / "b.tao", "--owner", tmp_path / "all.pub")


def places(package: Package) -> Iterator[tuple[str, int]]:
    """Where the file has something: a byte of every field of its head, of every part, and of what lies between."""
    for field, at in {"magic": 0, "format": 8, "parts": 12, "id": 20, "version": 35, "size": 40, "zeros": 63}.items():
        yield f"header {field}", at
    for p in range(len(package.parts)):
        fields = {"kind": 0, "number": 4, "place": 8, "size": 16, "size's end": 23, "store": 24, "count": 28, "digest": 45}
        for field, at in fields.items():
            yield f"entry {p} {field}", 64 + 64 * p + at
    table_end = 64 + 64 * len(package.parts)
    for field, at in {"form": 0, "x": 1, "y": 64, "r": 65, "s": 128, "zeros": 191}.items():
        yield f"signature {field}", table_end + at
    end = table_end + 192
    for p, (offset, part) in enumerate(zip(package.offsets(), package.parts, strict=True)):
        if offset > end:
            yield f"before part {p}", offset - 1
        for at in sorted({0, len(part.data) // 2, len(part.data) - 1}):
            yield f"part {p}", offset + at
        end = offset + len(part.data)


def shuffles(package: Package) -> Iterator[tuple[str, list[int], list[int]]]:
    """Entries and contents in another order, twice, or not at all: (name, whose entries, whose contents)."""
    all_ = list(range(len(package.parts)))
    for p in all_:
        for q in all_[p + 1 :]:
            swapped = all_.copy()
            swapped[p], swapped[q] = q, p
            yield f"entries {p} and {q} swapped", swapped, all_
            yield f"contents {p} and {q} swapped", all_, swapped
            yield f"parts {p} and {q} swapped", swapped, swapped
        yield f"part {p} twice", [*all_[: p + 1], *all_[p:]], [*all_[: p + 1], *all_[p:]]
        yield f"part {p} cut out", all_[:p] + all_[p + 1 :], all_[:p] + all_[p + 1 :]
        yield f"content {p} in place of all", all_, [p] * len(all_)


@pytest.fixture(scope="module")
def every_part(ok: Ok, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package that has parts of every kind, two batches, and an input."""
    folder = tmp_path_factory.mktemp("parts")
    ok("seal", ROOT / "tests/golden/small.onnx", "-s", "deep:k=1", "--allow-exposed", "-o", folder / "m.tao", "--owner",
       folder / "owner.key", "--batch", "1,2")  # fmt: skip
    np.save(folder / "x.npy", np.random.default_rng(3).standard_normal((2, 2, 6, 6), dtype=np.float32))
    assert {part.kind for part in Package(folder / "m.tao").parts} == set(range(1, 7))
    return folder


def test_every_part_and_every_entry(run: Run, every_part: Path) -> None:
    """Changed, cut off, swapped, doubled and left out, under the owner's signature as it was: `verify` refuses each, and
    a run refuses it or, where the part is none of its business, gives the right answer."""
    folder = every_part
    whole = (folder / "m.tao").read_bytes()
    package = Package(folder / "m.tao")
    package.write(folder / "bad.tao")
    assert run_it(run, folder).returncode == 0
    right = (folder / "y.npy").read_bytes()
    attacks: list[tuple[str, bytes]] = []
    for name, at in places(package):
        attacks.append((name, whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]))
    for name, at in [("the start", 0), ("the head", 100), *((f"part {p}", at) for p, at in enumerate(package.offsets()))]:
        attacks += [(f"cut off at {name}", whole[:at]), (f"zeros from {name}", whole[:at] + bytes(len(whole) - at))]
        attacks.append((f"a byte more at {name}", whole[:at] + b"\0" + whole[at:]))
    attacks += [("cut by one", whole[:-1]), ("one more", whole + b"\0"), ("twice", whole + whole)]
    for name, entries, contents in shuffles(package):
        attacks.append((name, package.arranged(entries, contents)))
        attacks.append((f"{name}, digests put right", package.arranged(entries, contents, put_right=True)))
    ran = 0
    for name, attack in attacks:
        if attack == whole:
            continue
        (folder / "bad.tao").write_bytes(attack)
        refused = run("verify", folder / "bad.tao", "--owner", folder / "owner.pub")
        assert refused.returncode in (2, 4), (name, refused.stdout, refused.stderr)
        assert_one_line_error(refused, refused.returncode)
        result = run_it(run, folder)
        if result.returncode == 0:
            assert (folder / "y.npy").read_bytes() == right, name
            ran += 1
        else:
            assert result.returncode in (2, 4), (name, result.stderr)
            assert_one_line_error(result, result.returncode)
    print(f"{len(attacks)} changed packages, {ran} of which gave the right answer")
    assert len(attacks) > 200 and ran < len(attacks) // 10


def renamed(graph: bytes) -> bytes:
    assert b"conv\0" in graph
    return graph.replace(b"conv\0", b"vnoc\0")


def rename_a_node(package: Package, _: Package) -> None:
    for part in package.parts:
        if part.kind == GRAPH:
            part.data = renamed(part.data)


BELIEVED = [rename_a_node, describe_otherwise, replace_a_weight, roll_back, mix(PROGRAM), mix(PLAN)]


@pytest.mark.parametrize("change", BELIEVED)
def test_a_host_that_takes_any_signature(
    run: Run, folder: Path, preload: Preload, change: Callable[[Package, Package], None]
) -> None:
    package = Package(folder / "m.tao")
    change(package, Package(folder / "other.tao"))
    package.write(folder / "bad.tao")
    lying = run_it(run, folder, env=preload("lying_host"))
    assert_one_line_error(lying, 4, "the package's signature does not verify")


@pytest.mark.parametrize("kind", [MANIFEST, GRAPH, PROGRAM])
def test_a_host_that_claims_a_digest(run: Run, folder: Path, preload: Preload, kind: int) -> None:
    """The head is as it was signed, a part is not, and the host says that it is: the TEE reads the file."""
    package, other = Package(folder / "m.tao"), Package(folder / "other.tao")
    p = next(p for p, part in enumerate(package.parts) if part.kind == kind)
    signed = package.parts[p].data
    if kind == PROGRAM:
        changed = other.parts[p].data
    else:
        changed = renamed(signed) if kind == GRAPH else signed.replace(b"small", b"smoll")
    assert changed != signed and len(changed) == len(signed)
    file, at = (folder / "m.tao").read_bytes(), package.offsets()[p]
    (folder / "bad.tao").write_bytes(file[:at] + changed + file[at + len(signed) :])
    claim = {"LIE_FROM": hashlib.sha256(changed).hexdigest(), "LIE_TO": hashlib.sha256(signed).hexdigest()}
    lying = run_it(run, folder, env={**preload("lying_host"), **claim})
    assert_one_line_error(lying, 4, "a part of the package is not what its owner signed")
