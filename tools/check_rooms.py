#!/usr/bin/env python3
"""Holds the code to the house's rules; says file, line and rule for whatever breaks one.

usage: check_rooms.py SOURCE_DIR ROOMS_JSON
       check_rooms.py --self-test

ROOMS_JSON is written by the build: {"room": ["needed room", …]}. The rules:

  arrow     a room includes headers of rooms it declared, or of those they declared, and of itself
  private   headers one folder deeper belong to their room alone
  machine   clocks, randomness, threads, files and sockets are the runtime's; main (which talks to
            people and their terminal) and the adapters that wrap an engine are excepted
  prose     a header opens with a comment that says what it is for
  size      files of at most 500 lines, lines of at most 100 characters

Tests, benches and fuzz drivers are held to size alone.
"""
import json
import pathlib
import re
import sys
import tempfile

LINES_MAX, COLUMNS_MAX = 500, 100
# Adapters around a third-party engine, and the composition root.
MACHINE_EXCEPTED = ("src/runtime/", "src/main/", "src/store/engine/", "src/store/clickhouse/http_client", "src/kv/rocks/",
                    "src/catalog/sqlite", "src/persons/postgres/", "src/postgres/",
                    "src/log/kafka/", "src/apps/script/", "src/apps/fetch/")
MACHINE = re.compile(
    r"(?<![\w>.])::(open|socket|socketpair|v?fork|kill|waitpid|clock_gettime|nanosleep|usleep|rename|"
    r"unlink|fsync|fdatasync|pread|pwrite|mmap|flock)\(|std::chrono::(system|steady)_clock|"
    r"std::(j?thread|random_device|ofstream|ifstream|fstream)\b|std::this_thread::|"
    r"std::filesystem::|posix_spawn|\bpthread_create\b")
INCLUDE = re.compile(r'^\s*#include "([^"]+)"')
SIDE = re.compile(r"_(test|bench|fuzz)\.(cc|h)$|/testing/")


def reachable(rooms, name):
    seen, waiting = set(), [name]
    while waiting:
        room = waiting.pop()
        if room not in seen:
            seen.add(room)
            waiting.extend(rooms.get(room, ()))
    return seen


def check_include(rooms, room, path, target):
    """None, or the rule that including `target` in a file of `room` breaks."""
    parts = target.split("/")
    other = parts[0]
    if other not in rooms or other == room:
        return None
    if room in rooms and other not in reachable(rooms, room):
        return f"arrow: {room} did not declare {other}"
    if len(parts) > 2:
        return f"private: {target} belongs to {other}"
    return None


def check_file(root, path, rooms):
    name = path.relative_to(root).as_posix()
    text = path.read_text(errors="replace")
    lines = text.splitlines()
    room = path.relative_to(root / "src").parts[0]
    if len(lines) > LINES_MAX:
        yield name, len(lines), f"size: {len(lines)} lines, at most {LINES_MAX}"
    side = SIDE.search(name) is not None
    if name.endswith(".h") and not text.startswith("//"):
        yield name, 1, "prose: a header opens with what it is for"
    for number, line in enumerate(lines, 1):
        if len(line) > COLUMNS_MAX and "sql" not in name and "schema" not in name:
            yield name, number, f"size: {len(line)} characters, at most {COLUMNS_MAX}"
        if side:
            continue
        if found := INCLUDE.match(line):
            if broken := check_include(rooms, room, name, found.group(1)):
                yield name, number, broken
        code = line.split("//")[0]
        if not name.startswith(MACHINE_EXCEPTED) and (found := MACHINE.search(code)):
            yield name, number, f"machine: {found.group(0).strip('(')} is the runtime's"


def check(root, rooms):
    for path in sorted((root / "src").rglob("*")):
        if path.suffix in (".cc", ".h"):
            yield from check_file(root, path, rooms)


def self_test():
    """Every rule, broken once on purpose; a rule that lets it pass is a rule that checks nothing."""
    rooms = {"base": [], "log": ["base"], "capture": ["base", "log"], "ingest": ["base", "log"]}
    broken = {
        "src/capture/a.cc": ('#include "ingest/ingest.h"\n', "arrow"),
        "src/capture/b.cc": ('#include "log/embedded/topic.h"\n', "private"),
        "src/capture/c.cc": ("int fd = ::open(path, 0);\n", "machine"),
        "src/capture/d.cc": ("auto t = std::chrono::steady_clock::now();\n", "machine"),
        "src/capture/e.h": ("#pragma once\n", "prose"),
        "src/capture/f.cc": ("int a;\n" * (LINES_MAX + 1), "size"),
        "src/capture/g.cc": ("// " + "x" * COLUMNS_MAX + "\n", "size"),
    }
    fine = {
        "src/capture/ok.cc": '#include "base/ids.h"\n#include "log/log.h"\nreader.::open(x);\n',
        "src/log/embedded/ok.h": '// Why.\n#include "log/embedded/topic.h"\n',
        "src/runtime/ok.cc": "int fd = ::open(path, 0);\n",
        "src/capture/ok_test.cc": "std::this_thread::yield();\n",
    }
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for name, text in {**{n: t for n, (t, _) in broken.items()}, **fine}.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        found = {}
        for name, _, rule in check(root, rooms):
            found.setdefault(name, []).append(rule.split(":")[0])
    for name, (_, rule) in broken.items():
        assert found.pop(name, None) == [rule], f"{name} should break the rule '{rule}'"
    assert not found, f"these are fine: {found}"


def main():
    self_test()
    if sys.argv[1:] == ["--self-test"]:
        return
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    rooms = json.loads(pathlib.Path(sys.argv[2]).read_text())
    found = list(check(pathlib.Path(sys.argv[1]), rooms))
    for name, line, rule in found:
        print(f"{name}:{line}: {rule}")
    if found:
        sys.exit(f"{len(found)} places break the house's rules; tools/check_rooms.py says which")
    print(f"{len(rooms)} rooms keep to their arrows.")


main()
