#!/usr/bin/env python3
"""Our Hog against PostHog's published machine and parser, program by program.

usage: differential.py [--programs N] [--seed N] [--show N] [--tree-every N] [--style general|destinations]

Programs are made from seeds (generate.py, or destinations.py in the style of PostHog's templates), compiled by `penstock hog` ($PENSTOCK_BIN), run by both
machines from the same bytecode, and compared: result, output, error. One source in so many also goes
through both parsers, and the trees are compared. Needs node and the packages of package-lock.json.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import threading

import destinations
import generate

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]


class Lines:
    """A process that answers every line with a line."""

    def __init__(self, *command):
        self.process = subprocess.Popen(command, cwd=HERE, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, jobs):
        def feed():
            for job in jobs:
                self.process.stdin.write(json.dumps(job) + "\n")
            self.process.stdin.flush()

        feeder = threading.Thread(target=feed, daemon=True)
        feeder.start()
        out = []
        for _ in jobs:
            line = self.process.stdout.readline()
            if not line:
                raise SystemExit(f"a process ended in the middle: {jobs[len(out)]}")
            out.append(json.loads(line))
        feeder.join()
        return out

    def end(self):
        self.process.stdin.close()
        self.process.wait()


def without_nulls(tree):
    """Their trees leave fields out or say null; numbers may be 1 or 1.0."""
    if isinstance(tree, dict):
        return {k: without_nulls(v) for k, v in tree.items() if v is not None and not (k == "distinct" and v is False)}
    if isinstance(tree, list):
        return [without_nulls(v) for v in tree]
    if isinstance(tree, float) and tree.is_integer():
        return int(tree)
    return tree


def ours(answer):
    outcome = answer["outcome"]
    if outcome["finished"]:
        return {"shown": outcome["shown"], "printed": outcome["printed"]}
    return {"error": outcome.get("error", "async"), "printed": outcome["printed"]}


def same(mine, theirs):
    if mine["printed"] != theirs["printed"] or ("error" in mine) != ("error" in theirs):
        return False
    if "error" not in mine:
        return mine["shown"] == theirs.get("shown")
    return theirs["error"] == "other" or theirs["error"] == mine["error"]


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--programs", type=int, default=2000)
    args.add_argument("--seed", type=int, default=1)
    args.add_argument("--show", type=int, default=5)
    args.add_argument("--tree-every", type=int, default=25)
    args.add_argument("--style", choices=("general", "destinations"), default="general")
    args = args.parse_args()
    style = destinations if args.style == "destinations" else generate
    binary = os.environ.get("PENSTOCK_BIN", str(ROOT / "build/release/penstock"))
    machine, trees = Lines(binary, "hog", "run", "--lines"), Lines(binary, "hog", "run", "--lines", "--tree")
    oracle = Lines("node", "oracle.mjs")
    bad = {"compile": [], "run": [], "tree": []}
    finished = failed = 0
    for begin in range(args.seed, args.seed + args.programs, 500):
        seeds = range(begin, min(begin + 500, args.seed + args.programs))
        sources = [style.Program(seed).source() for seed in seeds]
        mine = machine.ask([{"source": s, "globals": style.GLOBALS} for s in sources])
        parsed = trees.ask([{"source": s} for s in sources])
        compared = range(0, len(sources), args.tree_every)  # their parser takes its time
        theirs_parsed = dict(zip(compared, oracle.ask([{"parse": sources[i]} for i in compared])))
        runnable = [i for i, a in enumerate(mine) if "outcome" in a]
        theirs = dict(zip(runnable, oracle.ask([{"run": mine[i]["bytecode"], "globals": style.GLOBALS} for i in runnable])))
        for i, seed in enumerate(seeds):
            if i not in theirs:
                bad["compile"].append((seed, sources[i], mine[i], None))
                continue
            finished += mine[i]["outcome"]["finished"]
            failed += not mine[i]["outcome"]["finished"]
            if not same(ours(mine[i]), theirs[i]):
                bad["run"].append((seed, sources[i], ours(mine[i]), theirs[i]))
            if i in theirs_parsed and without_nulls(parsed[i].get("tree")) != without_nulls(theirs_parsed[i]):
                bad["tree"].append((seed, sources[i], parsed[i], theirs_parsed[i]))
    for lines in (machine, trees, oracle):
        lines.end()
    for kind, found in bad.items():
        for seed, source, mine, theirs in found[:args.show]:
            print(f"--- {kind}, seed {seed}\n{source}\nours:   {json.dumps(mine)[:1500]}\ntheirs: {json.dumps(theirs)[:1500]}")
    total = sum(map(len, bad.values()))
    print(f"{args.programs} programs, {finished} ran to their end, {failed} failed alike or not: "
          + ", ".join(f"{len(found)} differ in {kind}" for kind, found in bad.items()))
    print(f"{args.programs - total if total < args.programs else 0} passed, {total} failed")
    return 1 if total else 0


if __name__ == "__main__":
    sys.exit(main())
