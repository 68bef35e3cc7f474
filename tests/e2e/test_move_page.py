"""The page on moving, as written: its settings and its command are taken from it and run; and four of the refusals in
its table are said in these words."""
import os
import pathlib
import re
import shlex
import subprocess

import postgres
import sdk
from harness import BIN, PATIENCE, Penstock
from test_move import all_kinds, catalog_of, killed_in_the_middle, persons_of
from test_persons_postgres import send
from test_scale_out import blocks, replaced, section

PAGE = "MOVE.md"
MESSAGES = re.findall(r"^\| (`.+?`(?:, `.+?`)*) \| ", section(PAGE, "What it says when it will not"), re.M)


def run(p, words):
    return subprocess.run([BIN, *words[1:]], capture_output=True, text=True, timeout=120 * PATIENCE,
                          env={**os.environ, "PENSTOCK_DATA": p.data})


def refused(done, message):
    """In the words of one line of the page's table, "…" being anything."""
    assert f"`{message}`" in ", ".join(MESSAGES), f"the page no longer has: {message}"
    assert done.returncode != 0, (done, message)
    pattern = ".*".join(re.escape(part.strip()) for part in message.split("…"))
    assert re.search(pattern, done.stderr, re.S), (message, done)


def test_moving_works_as_written():
    if not postgres.installed():
        return postgres.MISSING
    how = section(PAGE, "How")
    toml, = blocks(how, "toml")
    check = shlex.split(re.search(r"`(penstock move [^`]+ --check)`", how)[1])
    move = [word for word in check if word != "--check"]
    for word in ("--write-config", "penstock.toml.before-move", "state/persons", "catalog.db"):
        assert f"`{word}`" in how, f"the page no longer has: {word}"
    with postgres.Postgres("fsync=off") as server, Penstock() as p:
        config = pathlib.Path(p.data, "penstock.toml")
        p.stop()
        refused(run(p, check), "… is not set: name the database there")
        server.sql("CREATE ROLE penstock LOGIN")
        server.sql("CREATE DATABASE penstock OWNER penstock")
        config.write_text(replaced(toml, {"penstock:…@db/": f"penstock@127.0.0.1:{server.port}/"}))
        p.start()
        send(p, all_kinds(60))
        total, persons, catalog = sdk.balanced(p), persons_of(p), catalog_of(p)
        refused(run(p, check), "Penstock runs on …")
        refused(run(p, move), "Penstock runs on …")
        p.stop()
        done = run(p, check)
        assert done.returncode == 0, done
        before = config.read_text()
        # Another one is refused while this one is unfinished, and this one goes on.
        killed_in_the_middle(p, *move[2:], part="persons", pace=5000)
        config.write_text(before.replace("/penstock\"", "/postgres\""))
        refused(run(p, move), "a move of … was begun and is not finished")
        config.write_text(before)
        done = run(p, [*move, "--write-config"])
        assert done.returncode == 0 and "Moved." in done.stdout, done
        assert config.with_suffix(".toml.before-move").read_text() == before != config.read_text()
        p.start()
        assert persons_of(p) == persons and catalog_of(p) == catalog
        # What stayed behind is not read any more.
        p.stop()
        for left in ("state/persons", "catalog.db"):
            path = pathlib.Path(p.data, left)
            assert path.exists(), left
            path.rename(str(path) + ".gone")
        p.start()
        assert persons_of(p) == persons and catalog_of(p) == catalog
        send(p, all_kinds(5))
        assert sdk.balanced(p)["received"] > total["received"]
        # Once more, from what was put aside: the target is not empty.
        p.stop()
        for left in ("state/persons", "catalog.db"):
            path = pathlib.Path(p.data, left)
            pathlib.Path(str(path) + ".gone").rename(path)
        config.write_text(before)
        refused(run(p, check), "… already")
