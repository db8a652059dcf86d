"""Makes a committed corpus out of what libFuzzer's merge has measured.

usage: keep_corpus.py MERGE_CONTROL_FILE FOLDER

Takes, again and again, the file that adds most code for its size, until none adds any or the
corpus is as large as it may be; replaces the files of FOLDER by these, named by their contents.
What a person has named there stays.
"""
import hashlib
import pathlib
import re
import sys

MOST_FILES = 36
MOST_BYTES = 24 << 10  # eleven fuzzers: under 300 KiB together

record, folder = map(pathlib.Path, sys.argv[1:])
lines = record.read_text().splitlines()
names = lines[2 : 2 + int(lines[0])]
reached = {}
for line in lines:
    kind, _, rest = line.partition(" ")
    if kind == "FT":
        number, *places = rest.split()
        reached[number] = set(places)

contents = {n: pathlib.Path(names[int(n)]).read_bytes() for n in reached}
everything = set().union(*reached.values())
kept, covered, size = {}, set(), 0
while len(kept) < MOST_FILES:
    fits = [n for n in reached if size + len(contents[n]) <= MOST_BYTES]
    best = max(fits, default=None, key=lambda n: len(reached[n] - covered) / (len(contents[n]) + 64))
    if best is None or not reached[best] - covered:
        break
    data = contents[best]
    kept[hashlib.sha256(data).hexdigest()[:16]] = data
    covered |= reached.pop(best)
    size += len(data)

for old in folder.iterdir():
    if re.fullmatch("[0-9a-f]{16}", old.name):
        old.unlink()
for name, data in kept.items():
    (folder / name).write_bytes(data)
print(f"{folder}: {len(kept)} files, {size} bytes, {len(covered)} of {len(everything)} places")
