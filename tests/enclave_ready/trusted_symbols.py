"""Fails when trusted archives need a symbol that is not on the list, or run code before main.

usage: trusted_symbols.py NM LIST ARCHIVE...
"""
import re
import subprocess
import sys

nm, list_file, *archives = sys.argv[1:]
with open(list_file, encoding="utf-8") as file:
    allowed = {line.strip() for line in file if line.strip() and not line.startswith("#")}

defined, wanted, early = set(), {}, set()
for archive in archives:
    printed = subprocess.run([nm, "-C", archive], capture_output=True, text=True, check=True).stdout
    source = ""
    for line in printed.splitlines():
        if member := re.fullmatch(r"(\S+)\.o:", line):
            source = member[1]
        elif symbol := re.fullmatch(r"[0-9a-f ]{16} (\w) (.+)", line):
            kind, name = symbol.groups()
            if name.startswith("_GLOBAL__sub_I_"):
                early.add(source)
            if kind in "Uwv" and line.startswith(" "):
                wanted.setdefault(name, set()).add(source)
            else:
                defined.add(name)

undefined = wanted.keys() - defined
refused = sorted(undefined - allowed)
for name in refused:
    print(f"{name}\n    asked for by {', '.join(sorted(wanted[name]))}; not in {list_file}")
for source in sorted(early):
    print(f"{source} has a static constructor")
if not undefined:
    sys.exit("no symbols found: are these the trusted archives?")
print(f"{len(undefined)} undefined symbols in {len(archives)} archives, {len(refused)} not allowed")
sys.exit(bool(refused or early))
