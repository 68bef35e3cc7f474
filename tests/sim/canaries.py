"""Canaries: bugs that are seeded on purpose, each a patch of a line or two, and have to be found.

`tools/sim canaries` copies the tree to build/canaries/tree, and for each patch of
tests/sim/canaries: applies it, builds the simulation, runs seeds until one breaks a promise, takes
the patch back. One that is never found is a hole in the simulation or in its invariants.
PENSTOCK_CANARY_TREE names a checkout to use instead of the copy; it must have no changes.
"""
import os
import pathlib
import shutil
import subprocess
import time

SEEDS = 3000          # at most for one canary, beside the fixed ones
SECONDS = 900.0       # likewise


def tree_of(root):
    given = os.environ.get("PENSTOCK_CANARY_TREE")
    if given:
        return pathlib.Path(given)
    tree = root / "build/canaries/tree"
    names = subprocess.run(["git", "ls-files", "-z"], cwd=root, check=True, text=True,
                           stdout=subprocess.PIPE).stdout.split("\0")
    ui = root / "web/dist"
    names += [str(p.relative_to(root)) for p in ui.rglob("*") if p.is_file()]
    wanted = {n for n in names if n and not (root / n).is_symlink() and (root / n).is_file()}
    for name in wanted:
        source, copy = root / name, tree / name
        if copy.exists() and copy.read_bytes() == source.read_bytes():
            continue
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, copy)
    return tree


def apply(tree, patch, *options):
    """With git, which does not look for a repository above the copy."""
    above = {"GIT_CEILING_DIRECTORIES": str(tree.parent)}
    return subprocess.run(["git", "apply", *options, str(patch)], cwd=tree, text=True,
                          env={**os.environ, **above}, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)


def check(root, patches):
    """Whether every patch still applies; a cheap test."""
    bad = [p.stem for p in patches if apply(root, p, "--check").returncode != 0]
    print(f"{len(patches) - len(bad)} of {len(patches)} canaries apply")
    if bad:
        print("these do not: " + ", ".join(bad))
    return 1 if bad else 0


def hunt(binary, fixed, first, jobs, run_chunk, totals_class, seeds_max):
    """Runs seeds until one fails; how many it took, and what broke."""
    begun, tried = time.monotonic(), 0
    for seed in [None, *fixed]:
        totals = totals_class()
        count = 1 if seed is not None else seeds_max
        at = seed if seed is not None else first
        if seed is None:
            until = begun + SECONDS
            tried += run_chunk(binary, at, count, until, totals, stop_at_failure=True)
        else:
            tried += run_chunk(binary, at, count, None, totals, stop_at_failure=True)
        if totals.failures:
            return tried, totals.failures[0]
    return tried, None


def main(root, args, build, run_chunk, totals_class):
    patches = sorted((root / "tests/sim/canaries").glob("*.patch"))
    if args.only:
        names = args.only.split(",")
        patches = [p for p in patches if p.stem in names]
    if args.check:
        return check(root, patches)
    tree = tree_of(root)
    lines = (root / "tests/sim/seeds.txt").read_text().splitlines()
    fixed = [int(x.split()[0]) for x in lines if x.strip() and not x.startswith("#")]
    found, missed = 0, []
    for patch in patches:
        applied = apply(tree, patch)
        if applied.returncode != 0:
            print(f"{patch.stem:52} does not apply: {applied.stdout.strip()[:200]}", flush=True)
            missed.append(patch.stem)
            continue
        try:
            binary = build(args.preset, tree)
            tried, failure = hunt(binary, fixed, args.first or 1, args.jobs, run_chunk,
                                  totals_class, args.seeds or SEEDS)
        finally:
            apply(tree, patch, "--reverse")
        if failure is None:
            print(f"{patch.stem:52} NOT FOUND in {tried} seeds", flush=True)
            missed.append(patch.stem)
        else:
            seed, broken = failure
            found += 1
            print(f"{patch.stem:52} found after {max(tried, 1):4} seeds: {broken[0][:90]}",
                  flush=True)
    print(f"\n{found} of {len(patches)} canaries found")
    if missed:
        print("not found: " + ", ".join(missed))
    return 1 if missed else 0
