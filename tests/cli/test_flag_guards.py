"""What is refused before any work: flags of a package for a file that is none, files that a command
would write over its own inputs, a package or a key, numbers that are none, pipes that nobody fills."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from conftest import assert_one_line_error
from tao_file import small_model

Ok = Callable[..., str]
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def folder(sealed: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sealed, tmp_path / "files"))


@pytest.fixture(scope="module")
def sealed(ok: Ok, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, its package, its key and its owner's."""
    folder = tmp_path_factory.mktemp("guards")
    small_model(folder)
    ok("seal", folder / "m.onnx", "-s", "nonlinear:first=0", "-o", folder / "m.tao", "--batch", "1",
       "--owner", folder / "owner.key")  # fmt: skip
    return folder


@pytest.mark.parametrize(
    "flag", [["--owner", "owner.pub"], ["--owner", "nothing"], ["--key", "m.key"]], ids=" ".join
)
def test_a_model_in_place_of_a_package(run: Run, folder: Path, flag: list[str]) -> None:
    run_flags = ["-i", "x.npy", "-s", "none", "-o", "y.npy"]
    bench_flags = ["--strategies", "none", "--min-seconds", "0", "--min-iterations", "1"]
    shutil.copy(folder / "m.onnx", folder / "m.tao")
    for verb, more in (("run", run_flags), ("plan", []), ("bench", bench_flags)):
        result = run(verb, "m.tao", *flag, *more, cwd=folder)
        assert_one_line_error(result, 4, "m.tao: is no package", flag[0])
        assert_one_line_error(run(verb, "missing.tao", *flag, *more, cwd=folder), 2, "missing.tao")
    assert not (folder / "y.npy").exists()


OVERWRITES = {
    "key": "run m.tao -i x.npy -o m.key",
    "named key": "run m.tao -i x.npy --key m.key -o m.key",
    "package": "run m.tao -i x.npy -o m.tao",
    "owner": "run m.tao -i x.npy --owner owner.pub -o owner.pub",
    "model": "run m.onnx -s none -i x.npy -o m.onnx",
    "input": "run m.onnx -s none -i x.npy -o x.npy",
    "input by a name": "run m.onnx -s none -i x=x.npy -o y=x.npy",
    "input by a name, a file called so": "run m.onnx -s none -i copy.npy -o y=copy.npy",
    "input called so": "run m.onnx -s none -i a=b.npy -o ./a=b.npy",
    "output by a name twice": "run m.onnx -s none -i x.npy -o y=new.npy -o new.npy",
    "link": "run m.onnx -s none -i x.npy -o link.npy",
    "hard link": "run m.onnx -s none -i x.npy -o hard.npy",
    "plan's key": "plan m.tao --key m.key -o m.key",
    "plan's package": "plan m.tao --key m.key -o m.tao",
    "plan": "plan m.onnx --plan plan.json -o ./plan.json",
    "bench": "bench m.onnx --strategies none --min-seconds 0 --json m.onnx",
    "bench's key": "bench m.tao --min-seconds 0 --min-iterations 1 --csv m.key",
    "bench twice": "bench m.onnx --strategies none --min-seconds 0 --json a.json --md ./a.json",
    "seal's key": "seal m.onnx -s none --key m.key --owner owner.key -o m.key",
}


@pytest.mark.parametrize("command", OVERWRITES.values(), ids=OVERWRITES.keys())
def test_no_output_over_an_input(run: Run, ok: Ok, folder: Path, command: str) -> None:
    ok("plan", "m.onnx", "-o", "plan.json", cwd=folder)
    (folder / "link.npy").symlink_to("x.npy")
    (folder / "hard.npy").hardlink_to(folder / "x.npy")
    for name in ("copy.npy", "y=copy.npy", "a=b.npy"):
        shutil.copy(folder / "x.npy", folder / name)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert_one_line_error(run(*command.split(), cwd=folder), 2, "of its own")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


EXTERNAL = [
    "plan e.onnx -o w.bin",
    "plan e.onnx -o ./sub/../w.bin",
    "plan e.onnx -o link.bin",
    "plan e.onnx -o hard.bin",
    "plan linked.onnx -o w.bin",
    "run e.onnx -s none -i x.npy -o w.bin",
    "run e.onnx -s none -i x.npy -o y=w.bin",
    "bench e.onnx --strategies none --min-seconds 0 --min-iterations 1 --md w.bin",
    "bench m.onnx e.onnx --strategies none --min-seconds 0 --min-iterations 1 --json w.bin",
    "bench m.tao --reference e.onnx --min-seconds 0 --min-iterations 1 --csv w.bin",
]


@pytest.mark.parametrize("command", EXTERNAL)
def test_no_output_over_the_weights_of_its_model(run: Run, folder: Path, command: str) -> None:
    """Which the model's file names, and no flag."""
    (folder / "sub").mkdir()
    model = onnx.load(folder / "m.onnx")
    onnx.save_model(model, folder / "e.onnx", save_as_external_data=True, location="w.bin", size_threshold=0)
    (folder / "link.bin").symlink_to("w.bin")
    (folder / "hard.bin").hardlink_to(folder / "w.bin")
    (folder / "linked.onnx").symlink_to("e.onnx")
    before = {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    model_name = "linked.onnx" if "linked" in command else "e.onnx"
    result = run(*command.split(), cwd=folder)
    assert_one_line_error(result, 2, "would overwrite", f"the command reads (external data of {model_name})")
    assert {path: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before


def test_other_files_beside_a_model_are_replaced(ok: Ok, folder: Path) -> None:
    model = onnx.load(folder / "m.onnx")
    onnx.save_model(model, folder / "e.onnx", save_as_external_data=True, location="w.bin", size_threshold=0)
    for _ in range(2):
        ok("run", "e.onnx", "-s", "none", "-i", "x.npy", "-o", "y.npy", cwd=folder)
        ok("plan", "e.onnx", "-o", "plan.json", cwd=folder)


def test_the_key_beside_a_package_is_its_own(run: Run, ok: Ok, folder: Path) -> None:
    """Whatever is there by that name; a model has none."""
    (folder / "m.key").write_text("something else")
    result = run("run", "m.tao", "-i", "x.npy", "-o", "m.key", cwd=folder)
    assert_one_line_error(result, 2, "m.key", "is the key of m.tao")
    shutil.copy(folder / "m.onnx", folder / "n.onnx")
    for model in ("m.onnx", "n.onnx"):
        ok("plan", model, "-o", f"{model}.key", cwd=folder)
    seal = ["-s", "nonlinear:first=0", "--batch", "1", "--owner", "owner.key"]
    assert (folder / "n.onnx.key").read_text().startswith("{")
    (folder / "n.onnx.key").unlink()
    ok("seal", "n.onnx", *seal, "-o", "n.onnx.key", cwd=folder)


def test_a_flag_takes_one_value(run: Run, ok: Ok, folder: Path) -> None:
    few = ["--min-seconds", "0", "--min-iterations", "1"]
    ok("bench", *few, "--strategies", "none", "m.onnx", cwd=folder)
    ok("bench", *few, "--strategies", "none", "--strategies", "full", "--batch", "1", "m.onnx", cwd=folder)
    ok("run", "-s", "none", "-i", "x.npy", "m.onnx", cwd=folder)


@pytest.mark.parametrize("command", ["run m.onnx -s none -i x.npy -o -", "plan m.onnx -o -"])
def test_no_file_is_called_as_the_standard_output(run: Run, folder: Path, command: str) -> None:
    assert_one_line_error(run(*command.split(), cwd=folder), 2, "--output -", "give a path")
    assert not (folder / "-").exists()


KEPT = ["old.tao", "old.key", "older.key", "owner.key", "owner.pub", "link.key"]
NEW_FILES = [
    "zoo resnet18 --image 32 -o",
    "plan m.onnx -o",
    "run m.onnx -s none -i x.npy -o",
    "bench m.onnx --strategies none --min-seconds 0 --min-iterations 1 --csv",
]


@pytest.mark.parametrize("kept", KEPT)
@pytest.mark.parametrize("command", NEW_FILES)
def test_nothing_takes_the_place_of_a_package_or_a_key(
    run: Run, folder: Path, command: str, kept: str
) -> None:
    (folder / "m.tao").rename(folder / "old.tao")
    (folder / "m.key").rename(folder / "old.key")
    (folder / "older.key").write_text("taoism key 1\n")
    (folder / "link.key").symlink_to("old.key")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    result = run(*command.split(), kept, cwd=folder)
    assert_one_line_error(result, 2, kept, "which would be lost")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize("kept", ["old.onnx", "OLD.ONNX", "link", "link.onnx"])
@pytest.mark.parametrize("command", NEW_FILES[1:])
def test_nothing_but_a_model_takes_the_place_of_a_model(
    run: Run, ok: Ok, folder: Path, command: str, kept: str
) -> None:
    shutil.copy(folder / "m.onnx", folder / "old.onnx")
    shutil.copy(folder / "m.onnx", folder / "OLD.ONNX")
    shutil.copy(folder / "m.onnx", folder / "blob")
    (folder / "link").symlink_to("old.onnx")
    (folder / "link.onnx").symlink_to("blob")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    result = run(*command.split(), kept, cwd=folder)
    assert_one_line_error(result, 2, kept, "is a model, which would be lost")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    (folder / "empty.onnx").touch()
    ok(*command.split(), "empty.onnx", cwd=folder)


def test_the_zoo_replaces_its_models(ok: Ok, folder: Path) -> None:
    for seed in ("1", "2"):
        before = (folder / "m.onnx").read_bytes()
        ok("zoo", "resnet18", "--image", "32", "--seed", seed, "-o", "m.onnx", cwd=folder)
        assert (folder / "m.onnx").read_bytes() != before


def test_a_package_takes_the_place_of_its_older_one_alone(run: Run, ok: Ok, folder: Path) -> None:
    seal = ["seal", "m.onnx", "-s", "nonlinear:first=0", "--batch", "1", "--owner", "owner.key"]
    before = (folder / "m.tao").read_bytes()
    ok(*seal, "-o", "m.tao", cwd=folder)
    assert (folder / "m.tao").read_bytes() != before
    (folder / "old.key").write_bytes((folder / "m.key").read_bytes())
    assert_one_line_error(run(*seal, "-o", "old.key", cwd=folder), 2, "old.key", "is no package")


@pytest.mark.parametrize("number", ["nan", "-nan", "inf"])
@pytest.mark.parametrize(
    "flags",
    [
        "bench compare a.json a.json --tolerance",
        "bench m.onnx --min-seconds",
        "demo --min-seconds",
    ],
)
def test_numbers_are_finite(run: Run, folder: Path, flags: str, number: str) -> None:
    verb, *rest = flags.split()
    rest[-1] += f"={number}"
    result = run(verb, *rest, cwd=folder, timeout=60)
    assert_one_line_error(result, 2, rest[-1].split("=")[0])


PIPES = [
    "run m.onnx -s none -i pipe",
    "run m.onnx -s none -i x=pipe",
    "run m.onnx --plan pipe -i x.npy",
    "run m.onnx -s none -i x.npy --labels pipe",
    "plan m.onnx --plan pipe",
    "bench m.onnx --plan pipe",
    "bench compare pipe pipe",
    "inspect pipe",
]


@pytest.mark.parametrize("command", PIPES)
def test_a_pipe_is_not_waited_for(run: Run, folder: Path, command: str) -> None:
    os.mkfifo(folder / "pipe")
    assert_one_line_error(
        run(*command.split(), cwd=folder, timeout=20), 2, "pipe", "no regular file"
    )


def test_a_pipe_of_the_shell_is_read(program: Path, run: Run, folder: Path) -> None:
    plan = run("plan", "m.onnx", "-o", "plan.json", cwd=folder)
    assert plan.returncode == 0, plan.stderr
    command = f"'{program}' plan m.onnx --plan <(cat plan.json)"
    result = subprocess.run(
        ["bash", "-c", command], cwd=folder, capture_output=True, text=True, timeout=60
    )
    assert result.returncode == 0, result.stderr
