"""The proof that users run on their own machine: short, but whole."""
import json
import pathlib
import re
import shutil
import subprocess
import tempfile
import time

from harness import BIN


def prove(folder, *words):
    return subprocess.run([BIN, "prove", "--directory", str(folder / "proof"), *words],
                          capture_output=True, text=True, timeout=240)


def test_a_proof_is_made_on_this_machine():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="penstock-prove-"))
    try:
        done = prove(folder, "--simulate", "3", "--kills", "10", "--seed", "3", "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        found = json.loads(done.stdout)
        assert found["holds"] and found["kills"] >= 10 and found["audits"] >= 2, found
        assert (found["lost"], found["doubled"], found["violations"]) == (0, 0, []), found
        simulated = found["simulator"]
        assert simulated["lives"] >= simulated["seeds"] > 0 and simulated["faults"], simulated
        assert found["acknowledged"]["main"] > 0 and found["stored"] > 0, found
        assert sum(found["deaths"].values()) == found["kills"], "what is no kill is not counted as one"
        assert found["stood_still"] >= 0 and found["asked_to_stop"] >= 0, found
        assert all(c["wrong"] == 0 and c["looked_at"] > 0 for c in found["checks"].values()), found["checks"]
        assert {"starts", "kept", "once", "recordings", "persons", "books", "noticed"} <= set(found["checks"]), found
        page = (folder / "proof/report.html").read_text()
        assert "none was lost" in page and "--seed 3" in page and "Yes." in page, page
        assert "What this does not show" in page and ">NO" not in page and "not looked at" not in page, page
        anyone_can_read(page)
        assert [f.name for f in (folder / "proof").iterdir()] == ["report.html"], "the data is removed"
    finally:
        shutil.rmtree(folder)


def anyone_can_read(page):
    """No name of the code is on it: neither of faults and kinds (words with underscores) nor in brackets."""
    words = re.sub(r"<style>.*?</style>|<code>.*?</code>|<p class=sub>.*?</p>|<[^>]*>", " ", page, flags=re.S)
    assert not re.findall(r"\b[a-z0-9]+_[a-z0-9_]+\b", words), re.findall(r"\b[a-z0-9]+_[a-z0-9_]+\b", words)
    for name in ("hot key", "early key", "deaths", "seed", "lane", "stood still)"):
        at = words.find(name)
        assert at < 0 or name == "seed" and "leave out the seed" in words, words[max(at - 60, 0):at + 60]


def test_what_a_server_that_does_not_start_again_is():
    """Worse than a lost event: it is in the report, and no accident of the loop."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="penstock-prove-"))
    proof = subprocess.Popen([BIN, "prove", "--directory", str(folder / "proof"), "--simulate", "0", "--kills", "100000",
                              "--seed", "4", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        data = folder / "proof/crashes-4/data"
        until = time.monotonic() + 60  # it has taken in events: so it has been seen to be ready
        while not any(b'"event"' in f.read_bytes() for f in data.glob("log/*/*.seg")):
            assert proof.poll() is None and time.monotonic() < until, proof.poll()
            time.sleep(0.1)
        (data / "penstock.toml").write_text("nonsense = 1")
        out, errors = proof.communicate(timeout=120)
        found = json.loads(out)
        assert proof.returncode == 1 and not found["holds"], (out, errors)
        assert any("penstock.toml" in v for v in found["violations"]), found
        assert found["checks"]["starts"]["wrong"] == 1, found
        page = (folder / "proof/report.html").read_text()
        assert "No: a promise was broken" in page and ">NO: 1<" in page, page
    finally:
        if proof.poll() is None:
            proof.kill()
            proof.communicate()
        shutil.rmtree(folder)


def test_a_proof_of_nothing_is_none():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="penstock-prove-"))
    try:
        done = prove(folder, "--simulate", "0", "--kills", "0")
        assert done.returncode == 1 and "--kills" in done.stderr, done
    finally:
        shutil.rmtree(folder)


def test_a_proof_that_cannot_begin_says_why():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="penstock-prove-"))
    try:
        (folder / "proof").write_text("a file")
        done = prove(folder, "--simulate", "0")
        assert done.returncode == 1 and "proof" in done.stderr, done.stderr
        (folder / "proof").unlink()
        (folder / "proof/crashes-5/data").mkdir(parents=True)
        (folder / "proof/crashes-5/data/penstock.toml").write_text("nonsense = 1")
        done = prove(folder, "--simulate", "0", "--seed", "5", "--kills", "3")
        assert done.returncode == 1 and "penstock.toml" in done.stderr, done.stderr
    finally:
        shutil.rmtree(folder)
