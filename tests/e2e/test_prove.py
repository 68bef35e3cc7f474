"""The proof that users run on their own machine: short, but whole."""
import json
import pathlib
import shutil
import subprocess
import tempfile

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
        assert simulated["seeds"] > 3 and simulated["lives"] > simulated["seeds"] and len(simulated["faults"]) > 5, simulated
        assert found["acknowledged"]["main"] > 0 and found["stored"] > 0, found
        page = (folder / "proof/report.html").read_text()
        assert "none was lost" in page and "--seed 3" in page, page
        assert [f.name for f in (folder / "proof").iterdir()] == ["report.html"], "the data is removed"
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
