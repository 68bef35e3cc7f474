"""What the pages claim: generated ones are what the binary prints, links lead somewhere, the README's
commands exist and work as written."""
import os
import pathlib
import re
import shlex
import subprocess

from harness import BIN, Penstock

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), ROOT / "bench/README.md"]


def printed(*words):
    return subprocess.run([BIN, *words], capture_output=True, text=True, check=True).stdout


def test_generated_pages_are_what_the_binary_prints():
    for page, words in (("CONFIG.md", ("config", "--markdown")), ("METRICS.md", ("metrics",))):
        assert (ROOT / "docs" / page).read_text() == printed(*words), (
            f"docs/{page} is old: penstock {' '.join(words)} > docs/{page}")


def test_every_metric_page_row_is_served():
    names = re.findall(r"^\| `(penstock_\w+)`", (ROOT / "docs/METRICS.md").read_text(), re.M)
    with Penstock() as p:
        served = p.get("/metrics")[1].decode()
    assert len(names) > 20
    for name in names:
        assert name in served, name


def test_links_lead_somewhere():
    broken = []
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text()):
            if "://" not in target and not (page.parent / target).exists():
                broken.append(f"{page.relative_to(ROOT)}: {target}")
    assert not broken, broken


def test_every_command_in_the_pages_exists():
    known = set(re.findall(r"^  ([a-z][\w-]+) ", printed("--help"), re.M))
    named = set()
    for page in PAGES:
        named |= set(re.findall(r"`(?:build/release/)?penstock ([a-z-]+)", page.read_text()))
    named.discard("engine-child")
    assert len(named) > 8 and named <= known, named - known


def test_the_first_minute_of_the_readme_works_as_written():
    text = (ROOT / "README.md").read_text()
    block = next(b for b in re.findall(r"```\n(.*?)```", text, re.S) if "penstock send" in b)
    with Penstock() as p:
        ran = 0
        for line in block.strip().splitlines():
            words = shlex.split(line, comments=True)
            if "tail" in words:
                continue  # runs until it is stopped; test_core drives it
            if "<uuid>" in words:
                uuid = p.eventually(lambda: p.sql("SELECT toString(uuid) FROM events"))[0][0]
                words[words.index("<uuid>")] = uuid
            done = subprocess.run([BIN, *words[1:]], capture_output=True, text=True, timeout=60,
                                  env={**os.environ, "PENSTOCK_DATA": p.data})
            assert done.returncode == 0, (line, done.stdout, done.stderr)
            ran += 1
        assert ran == 4, block
