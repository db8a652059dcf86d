"""tools/setup on a release that lacks something: one line before anything is installed."""

import os
import pathlib
import shutil
import subprocess

import pytest

TOP = pathlib.Path(__file__).parents[2]


@pytest.fixture
def release(tmp_path):
    """A release whose apt knows the given versions; `run()` is tools/setup there, on a copy."""
    shutil.copytree(TOP / "tools", tmp_path / "tools")
    fakes = tmp_path / "bin"
    fakes.mkdir()

    def command(name, body):
        (fakes / name).write_text("#!/bin/sh\n" + body)
        (fakes / name).chmod(0o755)

    command("dpkg-query", "exit 1\n")
    command("sudo", '[ "$1" = -n ] && exit; exec "$@"\n')
    command("apt-get", f'echo "$@" >> {tmp_path}/apt.txt\n')

    def run(versions):
        answers = "".join(f'  {name}) v="{v}" ;;\n' for name, v in versions.items())
        command(
            "apt-cache",
            f'v=9:99\ncase "$2" in\n{answers}esac\n'
            'echo "$2:"\necho "  Installed: (none)"\necho "  Candidate: $v"\n',
        )
        done = subprocess.run(
            [tmp_path / "tools" / "setup"],
            env={**os.environ, "PATH": f"{fakes}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
        )
        calls = (tmp_path / "apt.txt").read_text() if (tmp_path / "apt.txt").exists() else ""
        return done, "install" in calls

    return run


def test_what_a_release_lacks_is_said_before_anything_is_installed(release):
    done, installed = release({"cmake": "3.22.1-1ubuntu1", "libonnx-dev": "(none)"})
    assert done.returncode == 1 and not installed
    (line,) = done.stderr.splitlines()
    assert "cmake 3.25 or newer (here: 3.22.1-1ubuntu1)" in line
    assert "libonnx-dev" in line and "Debian 12 or 13" in line
    assert "g++" not in line


def test_a_release_that_has_everything_is_installed_on(release):
    done, installed = release({"cmake": "3.25.1-1", "g++": "4:12.2.0-3"})
    assert done.returncode == 0 and installed, done.stderr
