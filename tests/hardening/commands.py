"""Fails when a source is compiled without the protection that the whole build has.

usage: commands.py COMPILE_COMMANDS PROCESSOR

Looks at the last word that a command says about each thing, so that no target, and no library's
CMake code, takes one back.
"""

import json
import re
import shlex
import sys

FORTIFY = "-D_FORTIFY_SOURCE=3"
# What a command must say, and what else may be said about the same.
RULES = {
    "-fstack-protector-strong": r"-f(no-)?stack-protector.*",
    FORTIFY: r"-[DU]_FORTIFY_SOURCE.*",
}
OF_PROCESSOR = {
    "x86_64": {"-fcf-protection=full": r"-fcf-protection.*"},
    "aarch64": {"-mbranch-protection=standard": r"-mbranch-protection.*"},
}


def faults(words, rules):
    """Yields what a command lacks."""
    for wanted, about in rules.items():
        said = [word for word in words if re.fullmatch(about, word)]
        if not said or said[-1] != wanted:
            yield f"{wanted} ({said[-1] if said else 'nothing is said'})"
    if not any(word in ("-fPIC", "-fPIE") for word in words):
        yield "-fPIC or -fPIE"


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        entries = json.load(file)
    rules = RULES | OF_PROCESSOR.get(sys.argv[2].lower().replace("amd64", "x86_64"), {})
    bad = 0
    for entry in entries:
        words = shlex.split(entry["command"])
        # FORTIFY does nothing without optimization.
        optimized = any(re.fullmatch(r"-O[1-3s]", word) for word in words)
        wanted = {w: about for w, about in rules.items() if optimized or w != FORTIFY}
        lacks = list(faults(words, wanted))
        if lacks:
            bad += 1
            print(f"{entry['file']} is compiled without {', '.join(lacks)}")
    print(f"{len(entries)} compile commands, {bad} without protection")
    if not entries:
        sys.exit("no compile commands: is this a build folder?")
    sys.exit(bool(bad))


main()
