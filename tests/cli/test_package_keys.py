"""Key files and owners' keys: under kills and crowds, moved, copied, put where others may write."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import onnx
import pytest
from conftest import assert_one_line_error
from tao_file import Package, small_model

Ok = Callable[..., str]
Run = Callable[..., subprocess.CompletedProcess[str]]
Preload = Callable[[str], dict[str, str]]


@pytest.fixture(scope="module")
def folder(ok: Ok, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, its package and its key."""
    folder = tmp_path_factory.mktemp("keys")
    small_model(folder)
    ok("seal", folder / "m.onnx", "-s", "nonlinear:first=0", "-o", folder / "m.tao", "--batch", "1")
    return folder


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


def test_killed_at_every_step(ok: Ok, run: Run, folder: Path, tmp_path: Path, preload: Preload) -> None:
    """Whenever a seal is killed: the package is the older one or the newer, whole; the key file opens it, and has
    forgotten nothing; the next seal works and leaves nothing behind."""
    key, package = tmp_path / "m.key", tmp_path / "m.tao"
    seal = ["seal", folder / "m.onnx", "-s", "nonlinear:first=0", "--key", key, "--batch", "1", "--owner",
            tmp_path / "owner.key", "-o", package, "--retire-older"]  # fmt: skip
    kills = 0
    for step in range(1, 200):
        before = versions(ok, key) if key.exists() else (0, 0)
        result = run(*seal, env={**preload("kill_at"), "KILL_AT": str(step)})
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


def test_killed_while_keys_are_made(ok: Ok, run: Run, folder: Path, tmp_path: Path, preload: Preload) -> None:
    for step in range(1, 40):
        new = tmp_path / str(step)
        new.mkdir(0o700)
        seal = ["seal", folder / "m.onnx", "-s", "nonlinear:first=0", "--batch", "1", "--owner", new / "owner.key",
                "-o", new / "m.tao"]  # fmt: skip
        result = run(*seal, env={**preload("kill_at"), "KILL_AT": str(step)})
        ok(*seal)
        assert {p.name for p in new.iterdir()} == {"m.key", "m.tao", "owner.key", "owner.pub"}, step
        ok("verify", new / "m.tao", "--owner", new / "owner.pub")
        ok("run", new / "m.tao", "-i", folder / "x.npy")
        if result.returncode == 0:
            break
    assert step > 15


def test_no_file_takes_the_place_of_another(ok: Ok, run: Run, folder: Path, tmp_path: Path) -> None:
    shutil.copy(folder / "m.onnx", tmp_path / "m.onnx")
    seal = ["seal", tmp_path / "m.onnx", "-s", "nonlinear:first=0", "--batch", "1"]
    me = ["--owner", tmp_path / "me.key"]
    ok(*seal, *me, "-o", tmp_path / "m.tao")
    before = {p: p.read_bytes() for p in tmp_path.iterdir()}
    assert {p.name for p in before} == {"m.onnx", "m.tao", "m.key", "me.key", "me.pub"}
    # Over what is there: the model, a key, an owner's key.
    assert_one_line_error(run(*seal, "-o", tmp_path / "m.onnx"), 2, "would overwrite", "(model)")
    for name in ("m.key", "me.key", "me.pub"):
        assert_one_line_error(run(*seal, "-o", tmp_path / name), 2, "is no package")
    # Two things under one name, however it is written.
    (tmp_path / "link").symlink_to(tmp_path)
    (tmp_path / "hard").hardlink_to(tmp_path / "me.key")
    new = tmp_path / "new.tao"
    for flags in (
        [*me, "--key", new],
        [*me, "--key", tmp_path / "link" / "new.tao"],
        [*me, "--key", tmp_path / "me.key"],
        [*me, "--key", tmp_path / "me.pub"],
        [*me, "--key", tmp_path / "hard"],
        ["--owner", new],
        ["--owner", tmp_path / "new.key"],
    ):
        assert_one_line_error(run(*seal, *flags, "-o", new), 2, "give each a file of its own")
    assert_one_line_error(run(*seal, "--owner", tmp_path / "n.key", "-o", tmp_path / "n.pub"), 2, "of its own")
    # A public half that others trust is not replaced by another's.
    (tmp_path / "me.key").rename(tmp_path / "away.key")
    assert_one_line_error(run(*seal, *me, "-o", new), 2, "me.pub", "restore", "--owner")
    (tmp_path / "away.key").rename(tmp_path / "me.key")
    (tmp_path / "link").unlink()
    (tmp_path / "hard").unlink()
    assert {p: p.read_bytes() for p in tmp_path.iterdir()} == before
    # What is lost is made again: the public half.
    (tmp_path / "me.pub").unlink()
    ok(*seal, *me, "-o", tmp_path / "m.tao")
    assert (tmp_path / "me.pub").read_bytes() == before[tmp_path / "me.pub"]


def test_the_last_version(ok: Ok, run: Run, folder: Path, tmp_path: Path) -> None:
    seal = ["seal", folder / "m.onnx", "-s", "nonlinear:first=0", "--batch", "1", "-o", tmp_path / "m.tao"]
    ok(*seal, "--version", 2**64 - 1, "--retire-older")
    ok("run", tmp_path / "m.tao", "-i", folder / "x.npy")
    for flags in ([], ["--version", "7"]):
        assert_one_line_error(run(*seal, *flags), 2, "the last version that there is", "--key")


def test_a_rotation_file_is_taken_whole(ok: Ok, run: Run, folder: Path, tmp_path: Path) -> None:
    """What deployers are given as --owner, keys and revocations, means the same to --trust and --revoke."""
    seal = ["seal", folder / "m.onnx", "-s", "nonlinear:first=0", "--batch", "1"]
    ids = {}
    for name in "abc":
        key = tmp_path / f"of_{name}.key"
        ok(*seal, "--owner", tmp_path / f"{name}.key", "--key", key, "-o", tmp_path / "x.tao")
        ids[name] = re.search("accepts owner +([0-9a-f]{64})", ok("key", key))[1]

    def owners(path: Path) -> tuple[set[str], set[str]]:
        text = ok("key", path)
        named = [set(re.findall(f"{word} owner +([0-9a-f]+)", text)) for word in ("accepts", "revoked")]
        return tuple({name for name, number in ids.items() if number in numbers} for numbers in named)

    def rotation(file: str, keys: str, revoked: str) -> Path:
        path = tmp_path / file
        lines = [f"revoked: {ids[name]}\n" for name in revoked]
        path.write_text("".join([*((tmp_path / f"{name}.pub").read_text() for name in keys), *lines]))
        return path

    a_is_gone = rotation("all.pub", "ab", "a")
    # Of somebody who knew only c, and of a's own, whose key is taken out.
    ok("key", tmp_path / "of_c.key", "--trust", a_is_gone)
    assert owners(tmp_path / "of_c.key") == ({"b", "c"}, {"a"})
    ok("key", tmp_path / "of_a.key", "--trust", a_is_gone)
    assert owners(tmp_path / "of_a.key") == ({"b"}, {"a"})
    # Once more is the same.
    before = (tmp_path / "of_c.key").read_bytes()
    ok("key", tmp_path / "of_c.key", "--trust", a_is_gone)
    assert (tmp_path / "of_c.key").read_bytes() == before
    # A file that knows nothing of it does not bring a back.
    refused = run("key", tmp_path / "of_c.key", "--trust", rotation("old.pub", "ab", ""))
    assert_one_line_error(refused, 2, "revokes, for good")
    # Nobody may be left out by it, and --revoke takes all that the file revokes.
    refused = run("key", tmp_path / "of_b.key", "--trust", rotation("none.pub", "b", "b"))
    assert_one_line_error(refused, 2, "no owner would be left")
    assert owners(tmp_path / "of_b.key") == ({"b"}, set())
    ok("key", tmp_path / "of_c.key", "--revoke", rotation("gone.pub", "a", "ab"))
    assert owners(tmp_path / "of_c.key") == ({"c"}, {"a", "b"})


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


def test_a_key_file_has_one_name(ok: Ok, run: Run, folder: Path, tmp_path: Path) -> None:
    """Else a change would leave the other with what it said: a version twice, a revoked owner who is not."""
    key, other = tmp_path / "m.key", tmp_path / "n.key"
    seal = ["seal", folder / "m.onnx", "-s", "nonlinear:first=0", "--batch", "1", "--owner", tmp_path / "owner.key"]
    ok(*seal, "--key", key, "-o", tmp_path / "m.tao")
    other.hardlink_to(key)
    before = key.read_bytes()
    (tmp_path / "rotation.pub").write_text((tmp_path / "owner.pub").read_text() + f"revoked: {'0' * 64}\n")
    for name in (key, other):
        for change in (
            [*seal, "--key", name, "-o", tmp_path / "n.tao"],
            ["key", name, "--trust", tmp_path / "rotation.pub"],
            ["key", name, "--retire-before", "1"],
        ):
            assert_one_line_error(run(*change), 2, f"{name}: has 2 names", f"find / -samefile {name}")
        assert versions(ok, name) == (1, 0)
        ok("run", tmp_path / "m.tao", "-i", folder / "x.npy", "--key", name)
    assert key.read_bytes() == other.read_bytes() == before
    assert not (tmp_path / "n.tao").exists()
    other.unlink()
    ok(*seal, "--key", key, "-o", tmp_path / "n.tao")
    assert versions(ok, key) == (2, 0)


KEYS_NAMED = ["m.key", "owner.key", "weights.bin"]


@pytest.mark.parametrize("named", KEYS_NAMED)
def test_a_model_that_names_a_key_as_its_weights(run: Run, ok: Ok, folder: Path, tmp_path: Path, named: str) -> None:
    """A stranger's model, in a folder with keys, would have them published as public weights."""
    shutil.copy(folder / "m.onnx", tmp_path / "m.onnx")
    seal = ["seal", "m.onnx", "-s", "nonlinear:first=0", "--batch", "1", "--owner", "owner.key", "-o"]
    ok(*seal, "m.tao", cwd=tmp_path)
    (tmp_path / "weights.bin").hardlink_to(tmp_path / "owner.key")
    model = onnx.load(tmp_path / "m.onnx")
    secret = onnx.TensorProto(name="k", data_type=onnx.TensorProto.UINT8, data_location=onnx.TensorProto.EXTERNAL)
    secret.dims.append(16)
    secret.external_data.add(key="location", value=named)
    secret.external_data.add(key="offset", value="20")
    secret.external_data.add(key="length", value="16")
    model.graph.initializer.append(secret)
    onnx.save(model, tmp_path / "m.onnx")
    for command in ([*seal, "n.tao"], ["inspect", "m.onnx"], ["run", "m.onnx", "-i", folder / "x.npy"]):
        result = run(*command, cwd=tmp_path)
        assert_one_line_error(result, 2, f"{named}' is a key file, no weights", "folder without keys")
    assert not (tmp_path / "n.tao").exists()


def test_packages_and_keys_are_moved_and_copied(ok: Ok, run: Run, folder: Path, tmp_path: Path) -> None:
    use = ["-i", folder / "x.npy"]
    there = tmp_path / "there"
    there.mkdir(0o700)
    # The package alone: what is missing is named, with the flag. A key may lie anywhere.
    shutil.copy(folder / "m.tao", there / "m.tao")
    assert_one_line_error(run("run", there / "m.tao", *use), 2, str(there / "m.key"), "--key")
    ok("run", there / "m.tao", *use, "--key", folder / "m.key")
    # Under another name the key beside it has that name.
    (there / "m.tao").rename(there / "n.tao")
    assert_one_line_error(run("run", there / "n.tao", *use), 2, str(there / "n.key"))
    # A copy that others may read is not used.
    shutil.copyfile(folder / "m.key", there / "n.key")
    (there / "n.key").chmod(0o644)
    assert_one_line_error(run("run", there / "n.tao", *use), 2, "chmod 600")
    (there / "n.key").chmod(0o600)
    ok("run", there / "n.tao", *use)
    # Both moved: as before. What is sealed under the copy is unknown to the other.
    there.rename(tmp_path / "elsewhere")
    key = tmp_path / "elsewhere" / "n.key"
    ok("run", tmp_path / "elsewhere" / "n.tao", *use)
    ok("seal", folder / "m.onnx", "-s", "nonlinear:first=0", "--batch", "1", "--key", key, "-o", tmp_path / "new.tao")
    assert versions(ok, key) == (2, 0) and versions(ok, folder / "m.key") == (1, 0)
    # A link is no file of its own.
    (tmp_path / "new.key").symlink_to(key)
    assert_one_line_error(run("run", tmp_path / "new.tao", *use), 2, "a link")
    # An older package over a newer one, and the newest over its key: neither goes unseen.
    shutil.copy(key, tmp_path / "old.key")
    (tmp_path / "old.key").chmod(0o600)
    ok("key", key, "--retire-before", "2")
    shutil.copy(folder / "m.tao", tmp_path / "elsewhere" / "n.tao")
    assert_one_line_error(run("run", tmp_path / "elsewhere" / "n.tao", *use), 4, "older than its key")
    # The older key file as a whole is what nothing here notices: SECURITY.md says so.
    shutil.copy(tmp_path / "old.key", key)
    ok("run", tmp_path / "elsewhere" / "n.tao", *use)
