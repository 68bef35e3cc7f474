"""Hog from the command line, and against PostHog's published machine and parser."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

BIN = os.environ["PENSTOCK_BIN"]
HOG = pathlib.Path(__file__).resolve().parents[1] / "hog"


def hog(*args, stdin=None):
    return subprocess.run([BIN, "hog", *args], input=stdin, capture_output=True, text=True, timeout=30)


def test_hog_runs_programs_and_shows_mistakes():
    with tempfile.TemporaryDirectory() as folder:
        event = pathlib.Path(folder, "event.json")
        event.write_text(json.dumps({"event": {"properties": {"n": 20}}}))
        out = hog("run", "-e", "print('n is', event.properties.n) return event.properties.n + 1", "--globals", str(event))
        assert (out.returncode, out.stdout) == (0, "n is 20\n21\n"), out
        out = hog("run", "--json", "-e", "throw Error('no')")
        assert out.returncode == 1 and json.loads(out.stdout)["error"] == "Error('no')", out
        program = pathlib.Path(folder, "a.hog")
        program.write_text("let x := 1\nreturn x +\n")
        out = hog("run", str(program))
        assert out.returncode == 1 and f"{program}:3:1: Expected an expression" in out.stderr, out
        program.write_text("let x:=[1,2] // two\nreturn upper(x)\n")
        out = hog("run", str(program))
        assert out.returncode == 1 and "2 | return upper(x)" in out.stderr and "^" in out.stderr, out
        assert hog("fmt", "--write", str(program)).returncode == 0
        assert program.read_text() == "let x := [1, 2] // two\nreturn upper(x)\n"


def test_hog_bytecode_round_trip():
    code = hog("compile", "-", stdin="return 6 * 7").stdout
    assert json.loads(code) == ["_H", 1, 33, 7, 33, 6, 8, 38]
    assert hog("run", "-", stdin=code).stdout == "42\n"
    assert "MULTIPLY" in hog("disasm", "-", stdin=code).stdout
    assert hog("repl", stdin="let a := 20\na * 2\n").stdout == "40\n"


def test_hog_agrees_with_posthogs_machine_and_parser():
    if not (HOG / "node_modules").exists():
        return "tools/setup --test fetches the oracles"
    out = subprocess.run([sys.executable, str(HOG / "differential.py"), "--programs", "2000", "--tree-every", "100"],
                         capture_output=True, text=True, timeout=180)
    assert out.returncode == 0, out.stdout[-4000:]


def test_hog_agrees_on_programs_like_destination_templates():
    if not (HOG / "node_modules").exists():
        return "tools/setup --test fetches the oracles"
    out = subprocess.run([sys.executable, str(HOG / "differential.py"), "--style", "destinations", "--programs", "500", "--tree-every", "250"],
                         capture_output=True, text=True, timeout=180)
    assert out.returncode == 0, out.stdout[-4000:]
