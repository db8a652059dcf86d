"""Fails when a program or library of the build lacks a protection that its file shows.

usage: binaries.py LIST        (a path a line)

Of every file: position-independent; relocations read-only and bound before it runs; no memory that
can be written and executed, and no stack that can be executed; canaries and checked memory
functions; where the processor is x86-64, every function whose address is taken begins with endbr64.
"""

import re
import subprocess
import sys
from pathlib import Path

ENDBR64 = bytes.fromhex("f30f1efa")
# Of a library's object files that are linked in, each is built as its distribution likes.
OURS = re.compile(r"main|\w*taoism\w*")
# Files that are too small to have an array on their stack or a size to check.
SMALL_BYTES = 4096


def readelf(option, path):
    done = subprocess.run(
        ["readelf", option, "-W", str(path)], capture_output=True, text=True, check=True
    )
    return done.stdout


class Binary:
    def __init__(self, path):
        self.path = path
        self.data = path.read_bytes()
        self.header = readelf("-h", path)
        self.program = readelf("-l", path)
        self.dynamic = readelf("-d", path)
        self.symbols = readelf("-s", path)
        self.is_x86_64 = "X86-64" in self.header
        self.sections = self._sections()
        self.functions_seen = 0

    def _sections(self):
        """Name -> address, offset, bytes, whether it is code."""
        found = {}
        line = re.compile(
            r"\s*\[ *\d+\] (\S+) +(\S+) +([0-9a-f]+) ([0-9a-f]+) ([0-9a-f]+) [0-9a-f]+ +(\w*) "
        )
        for match in map(line.match, readelf("-S", self.path).splitlines()):
            if match and match[2] == "PROGBITS":
                address, offset, size = (int(match[i], 16) for i in (3, 4, 5))
                found[match[1]] = (address, offset, size, "X" in match[6])
        return found

    def at(self, address, count):
        """The bytes at a place in code; none where there is no code."""
        for start, offset, size, is_code in self.sections.values():
            if is_code and start <= address < start + size:
                place = offset + address - start
                return self.data[place : place + count]
        return b""

    def asks_for(self, pattern):
        return re.search(rf" UND {pattern}(@|\s|$)", self.symbols, re.MULTILINE) is not None

    def names(self):
        """Address -> names of the functions there; none in a stripped file."""
        found = {}
        line = re.compile(r" *\d+: ([0-9a-f]+) +\S+ I?FUNC +\S+ +\S+ +(?!UND)\S+ (\S+)")
        for match in map(line.match, self.symbols.splitlines()):
            if match:
                found.setdefault(int(match[1], 16), set()).add(match[2])
        return found

    def taken_addresses(self):
        """What the loader writes into tables: addresses in code that are called from there."""
        relocations = readelf("-r", self.path)
        return {int(a, 16) for a in re.findall(r" R_X86_64_RELATIVE +([0-9a-f]+)", relocations)}


def is_ours(names):
    """Of a function whose names are not known it is wanted too."""
    return not names or any(OURS.fullmatch(name) for name in names)


def faults(binary):
    """Yields what a file lacks."""
    if not re.search(r"Type: +DYN", binary.header):
        yield "is not position-independent"
    if "GNU_RELRO" not in binary.program:
        yield "has no RELRO"
    if not re.search(r"\(BIND_NOW\)|\(FLAGS\).*BIND_NOW|\(FLAGS_1\).*\bNOW\b", binary.dynamic):
        yield "is not bound before it runs"
    stack = re.search(r"GNU_STACK.* (\S+) +0x", binary.program)
    if stack is None or "E" in stack[1]:
        yield "has a stack that can be executed"
    if re.search(r"^ +LOAD .* RWE ", binary.program, re.MULTILINE):
        yield "has memory that can be written and executed"
    code_bytes = sum(size for _, _, size, is_code in binary.sections.values() if is_code)
    if code_bytes > SMALL_BYTES:
        if not binary.asks_for("__stack_chk_fail"):
            yield "has no canaries"
        if not binary.asks_for(r"__(?!stack)\w+_chk"):
            yield "calls no checked memory function"
    if binary.is_x86_64:
        yield from unmarked_functions(binary)
        if code_bytes > SMALL_BYTES and binary.functions_seen == 0:
            yield "has no relocations that this can read"


def unmarked_functions(binary):
    """Yields the functions in the loader's tables that a checked jump may not go to."""
    names = binary.names()
    for address in sorted(binary.taken_addresses()):
        start = binary.at(address, len(ENDBR64))
        if not start:
            continue
        binary.functions_seen += 1
        here = names.get(address, set())
        if start != ENDBR64 and is_ours(here):
            yield f"jumps to {min(here, default='a function')} at {address:x} without endbr64"


def main():
    paths = [Path(line) for line in Path(sys.argv[1]).read_text("utf-8").split("\n") if line]
    bad = functions = 0
    for path in paths:
        if not path.exists():
            bad += 1
            print(f"{path} is not built")
            continue
        binary = Binary(path)
        for fault in faults(binary):
            bad += 1
            print(f"{path} {fault}")
        functions += binary.functions_seen
    print(f"{len(paths)} files, {functions} functions in tables, {bad} faults")
    if not paths:
        sys.exit("no files: is this a build folder?")
    sys.exit(bool(bad))


main()
