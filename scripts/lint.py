#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Rules that compilers do not know: floors of rooms, homes of heavy headers, file sizes, licence lines.

The floors are read from the tessera_room() lines of CMakeLists.txt, so they are written once.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
MAX_LINES = 400
MAX_COLUMNS = 120
# Files that may be longer, each with its reason.
LONG_FILES: dict[str, str] = {}
# Heavy headers and the one room whose .cpp files may include them.
HOMES = {
    "mpi.h": "comm",
    "hdf5.h": "hdf5",
    "dnnl.h": "tensor",
    "dnnl.hpp": "tensor",
    "nlohmann/": "json",
    "boost/program_options": "config",
    "pcre2.h": "text",
    "xxhash.h": "checkpoint",
}
# Headers of a room that may carry its heavy header; no other room may include them.
PRIVATE_HEADERS = {"comm/mpi_check.hpp"}
SOURCES = ("*.cpp", "*.hpp", "*.cu", "*.cuh")


def rooms():
    """{name: (floor, folder, rooms it uses)} from CMakeLists.txt."""
    text = (ROOT / "CMakeLists.txt").read_text()
    found = {}
    for call in re.findall(r"^tessera_room\(([^)]*)\)", text, re.MULTILINE):
        words = call.split()
        keywords = {"FLOOR", "IN", "USES", "LIBRARIES", "EXECUTABLE"}
        values, key = {}, None
        for word in words[1:]:
            if word in keywords:
                key = word
                values[key] = []
            else:
                values[key].append(word)
        found[words[0]] = (int(values["FLOOR"][0]), values["IN"][0], set(values["USES"]))
    return found


def source_files(folders):
    for folder in folders:
        for pattern in SOURCES:
            yield from sorted((ROOT / folder).rglob(pattern))


def includes(text):
    for number, line in enumerate(text.splitlines(), 1):
        match = re.match(r'\s*#\s*include\s+([<"])([^>"]+)[>"]', line)
        if match:
            yield number, match.group(1) == '"', match.group(2)


def check_room_file(path, room, table, problems):
    floor, _, uses = table[room]
    relative = path.relative_to(ROOT)
    for number, ours, header in includes(path.read_text()):
        where = f"{relative}:{number}"
        for heavy, home in HOMES.items():
            is_public = path.suffix in (".hpp", ".cuh") and f"{room}/{path.name}" not in PRIVATE_HEADERS
            if header.startswith(heavy) and (room != home or is_public):
                problems.append(f"{where}: <{header}> may be included only by .cpp files of room {home}")
        if not ours:
            continue
        other = header.split("/")[0]
        if header in PRIVATE_HEADERS and other != room:
            problems.append(f'{where}: "{header}" is private to room {other}')
        if other not in table:
            problems.append(f'{where}: "{header}" is in no room')
        elif other != room and other not in uses:
            problems.append(f"{where}: room {room} does not declare that it uses {other} (CMakeLists.txt)")
        elif other != room and table[other][0] >= floor:
            problems.append(f"{where}: {room} (floor {floor}) may not use {other} (floor {table[other][0]})")


def check_file(path, problems):
    relative = str(path.relative_to(ROOT))
    lines = path.read_text().splitlines()
    if len(lines) > MAX_LINES and relative not in LONG_FILES:
        problems.append(f"{relative}: {len(lines)} lines, at most {MAX_LINES}")
    if not lines or "SPDX-License-Identifier: Apache-2.0" not in "\n".join(lines[:2]):
        problems.append(f"{relative}: the licence line is missing")
    if path.suffix in (".cpp", ".hpp") and "fmt::join" in path.read_text() and "#include <fmt/ranges.h>" not in lines:
        problems.append(f"{relative}: fmt::join needs <fmt/ranges.h> from fmt 11 on")
    for number, line in enumerate(lines, 1):
        if len(line) > MAX_COLUMNS and "http" not in line:
            problems.append(f"{relative}:{number}: {len(line)} columns, at most {MAX_COLUMNS}")
        if re.search(r"\b(TODO|FIXME|XXX)\b", line) and path.name != "lint.py" and "XXXXXX" not in line:
            problems.append(f"{relative}:{number}: unfinished work belongs into an issue")


def main():
    problems = []
    table = rooms()
    for room, (floor, folder, uses) in table.items():
        for path in source_files([f"{folder}/{room}"]):
            check_room_file(path, room, table, problems)
    known = {f"{folder}/{room}" for room, (_, folder, _) in table.items()}
    for folder in ("src", "io", "parallel"):
        for child in (ROOT / folder).iterdir():
            if child.is_dir() and f"{folder}/{child.name}" not in known:
                problems.append(f"{folder}/{child.name}: no tessera_room() declares it")
    for path in source_files(["src", "io", "parallel", "tests"]):
        check_file(path, problems)
    for folder in ("scripts", "slurm"):
        for path in sorted((ROOT / folder).iterdir()):
            if path.suffix in (".py", ".sh", ".awk", ".sbatch", ".example"):
                check_file(path, problems)
    print("\n".join(problems) if problems else "lint.py: floors, headers, sizes are in order")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
