#!/usr/bin/env python3
"""Sums up the contract suites of a test run.

usage: contract_report.py REPORTS_DIR

Reads what the suites left in REPORTS_DIR (<interface>_contract_test.json, GoogleTest's own report) and
writes contract.json beside it: {interface: {engine: {passed, failed, skipped}}}. The engine is the
test's parameter, or what the suite is named after; promises of no engine in particular count under
"all".
"""
import json
import pathlib
import sys

SUFFIX = "_contract_test.json"


def result_of(test):
    if test.get("failures"):
        return "failed"
    skipped = test.get("result") == "SKIPPED" or test.get("status") == "NOTRUN"
    return "skipped" if skipped else "passed"


def count(report):
    tests = [(suite["name"], *test["name"].rpartition("/")[1:], test)
             for suite in report["testsuites"] for test in suite["testsuite"]]
    names = {engine for _, slash, engine, _ in tests if slash}
    engines = {}
    for suite, slash, engine, test in tests:
        if not slash:  # a promise of one engine alone carries its name: RocksKv, EngineStoreCrash
            engine = next((n for n in sorted(names) if n in suite.lower()), "all")
        counts = engines.setdefault(engine, {"passed": 0, "failed": 0, "skipped": 0})
        counts[result_of(test)] += 1
    return engines


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folder = pathlib.Path(sys.argv[1])
    reports = sorted(folder.glob("*" + SUFFIX))
    if not reports:
        sys.exit(f"no contract suite has left a report in {folder}")
    out = {path.name[:-len(SUFFIX)]: count(json.loads(path.read_text())) for path in reports}
    (folder / "contract.json").write_text(json.dumps(out, indent=1, sort_keys=True) + "\n")
    for interface, engines in sorted(out.items()):
        for engine, counts in sorted(engines.items()):
            words = ", ".join(f"{n} {what}" for what, n in counts.items() if n or what == "passed")
            print(f"{interface:13} {engine:10} {words}")


main()
