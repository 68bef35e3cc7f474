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


def test_every_alert_has_its_metrics_and_its_runbook():
    known = dict(re.findall(r"^\| `(penstock_\w+)` \| (\w+) \|", (ROOT / "docs/METRICS.md").read_text(), re.M))
    text = (ROOT / "docs/alerts/penstock.yml").read_text()
    rules = text.split("      - alert: ")[1:]
    assert len(rules) > 15 and len({rule.split()[0] for rule in rules}) == len(rules)
    for rule in rules:
        found = re.fullmatch(r"(Penstock\w+)\n {8}expr: (.+)\n {8}for: \d+[mh]\n {8}labels:\n {10}severity: (?:critical|warning)\n"
                             r" {8}annotations:\n {10}summary: \"[^\"\n]+\"\n {10}runbook: (\S+)\n", rule)
        assert found, rule
        assert (ROOT / "docs/runbooks" / found[3]).exists(), rule
        names = re.findall(r"penstock_\w+", found[2])
        assert names and all(name in known for name in names), rule
        # What only grows says nothing by its height.
        for name in names:
            assert known[name] != "counter" or f"increase({name}[" in found[2], rule


def test_links_lead_somewhere():
    broken = []
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text()):
            if "://" not in target and not (page.parent / target).exists():
                broken.append(f"{page.relative_to(ROOT)}: {target}")
    assert not broken, broken


def test_every_command_in_the_pages_exists():
    rows = re.findall(r"^  ([a-z][\w-]*(?:, ?[a-z][\w-]*)*) ", printed("--help"), re.M)
    known = {name.strip() for row in rows for name in row.split(",")}  # a command and its other names
    named = set()
    for page in PAGES:
        named |= set(re.findall(r"`(?:build/release/)?penstock ([a-z-]+)", page.read_text()))
    named -= {"engine-child", "begins"}  # the child; a line of a note on Kafka, formats/kafka.md
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
