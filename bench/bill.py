#!/usr/bin/env python3
"""The bill of machines for a month of events, from what is measured: the tables of docs/SCALE.md.

usage: bench/bill.py            prints the tables as Markdown
       bench/bill.py --check    compares them with docs/SCALE.md

Change a measured figure here when docs/BENCHMARKS.md has a new one.
"""
import math
import pathlib
import sys

PAGE = pathlib.Path(__file__).resolve().parent.parent / "docs/SCALE.md"
MONTH_S = 30 * 86_400
PEAK = 3.0        # the busiest hour beside the mean
BUSY = 0.6        # of a core at that peak: what is left is headroom and a zone that is lost
CORES, MEMORY_GB = 16, 64  # of a machine

# us of CPU an event, docs/BENCHMARKS.md: browser events of 2.3 to 2.9 KB, half of them alone in a
# request (c1), half five in one (c).
CAPTURE = (18.953 + 7.206) / 2
INGEST_100K, INGEST_A_DECADE = 30.4, 6.6   # 30.4, 36.1, 43.6 for 10^5, 10^6, 10^7 persons
# Where one process is not enough, so many share their slices, and each keeps the books of what the
# others decide (bench/slices.py).
RANGE, FOLLOWED = 3, 8.0
LOADERS = 2  # processes with load for a range, so that one is ready; each keeps the range's books
LOG, LOAD, STORE, DEFINITIONS = 6.3, 4.0, 8.4, 1.9  # store: 3.3 for 0.9 KB, by size
# Today: capture with a Kafka acknowledgement (c1, c), its broker, and ingestion of 2021.
TODAY = {"capture": (212 + 97) / 2, "broker": (37 + 132) / 2, "ingestion": (2200 + 2900) / 2}

VOLUMES = (("5 billion", 5e9, 2e6), ("100 billion", 1e11, 4e7), ("1 trillion", 1e12, 4e8))
JSON_BYTES = 2844
# Bytes an event: on the wire (c1 and c); in the log, raw and processed, and rows in the store, as
# `bench/run --only scale` finds them for shape b, by the size of the JSON.
WIRE, LOG_BYTES, ROW_BYTES = (1259 + 428) / 2, 2444 / 901 * JSON_BYTES, 311 / 901 * JSON_BYTES
LOG_DAYS, COPIES = 3, 3
PERSON_BYTES = 1400


def ingest_us(persons):
    """More than ten million are spread over several workers, each with its part of them."""
    return INGEST_100K + INGEST_A_DECADE * math.log10(min(persons, 1e7) / 1e5)


def stages(persons):
    return {"capture": CAPTURE, "log": LOG, "ingest": ingest_us(persons), "definitions": DEFINITIONS,
            "load and store": LOAD + STORE}


def cores(us, events):
    return us * 1e-6 * events / MONTH_S * PEAK / BUSY


def ready_us(persons, events):
    """Of those that stand ready to take an event's project over."""
    return (RANGE - 1) * FOLLOWED if cores(ingest_us(persons), events) > 1 else 0.0


def load_books_us(persons, events):
    """Of those that load in processes of their own."""
    return LOADERS * FOLLOWED if ready_us(persons, events) else 0.0


def number(x):
    return f"{x:,.0f}" if x >= 10 else f"{x:.1f}"


def table(head, rows):
    return "\n".join(["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
                     + ["| " + " | ".join(row) + " |" for row in rows])


def bill():
    head = ["", *(name for name, _, _ in VOLUMES)]
    rows = [["events/s, mean / peak"] + [f"{e / MONTH_S:,.0f} / {e / MONTH_S * PEAK:,.0f}" for _, e, _ in VOLUMES],
            ["persons"] + [f"{p:,.0f}" for _, _, p in VOLUMES]]
    for stage in stages(1e6):
        rows.append([f"cores for {stage}"] + [number(cores(stages(p)[stage], e)) for _, e, p in VOLUMES])
    rows.append(["cores for who stands ready"] + [number(cores(ready_us(p, e), e)) for _, e, p in VOLUMES])
    rows.append(["cores for the books of who loads"] + [number(cores(load_books_us(p, e), e)) for _, e, p in VOLUMES])
    total = [cores(sum(stages(p).values()) + ready_us(p, e) + load_books_us(p, e), e) for _, e, p in VOLUMES]
    rows.append(["**cores in all**"] + [f"**{number(x)}**" for x in total])
    rows.append([f"machines of {CORES} cores"] + [number(max(1, math.ceil(x / CORES))) for x in total])
    rows.append(["in from clients, peak"] + [f"{e / MONTH_S * PEAK * WIRE * 8 / 1e9:,.2f} Gbit/s" for _, e, _ in VOLUMES])
    rows.append([f"log, {LOG_DAYS} days, {COPIES} copies"]
                + [f"{e / 30 * LOG_DAYS * LOG_BYTES * COPIES / 1e12:,.1f} TB" for _, e, _ in VOLUMES])
    rows.append(["rows of a year, 2 copies"] + [f"{e * 12 * ROW_BYTES * 2 / 1e12:,.0f} TB" for _, e, _ in VOLUMES])
    rows.append(["persons, on disk"] + [f"{p * PERSON_BYTES / 1e9:,.0f} GB" for _, _, p in VOLUMES])
    return table(head, rows)


def beside_today():
    head = ["us of CPU an event", "Penstock", "today, published", "ratio"]
    ours = stages(1e7)
    rows = [["capture, acknowledged durably", f"{ours['capture']:.0f}", f"{TODAY['capture']:.0f} and the broker's "
             f"{TODAY['broker']:.0f}", f"{(TODAY['capture'] + TODAY['broker']) / ours['capture']:.0f}"],
            ["ingest, ten million persons", f"{ours['ingest']:.0f}", f"{TODAY['ingestion']:.0f} (2021)",
             f"{TODAY['ingestion'] / ours['ingest']:.0f}"]]
    today, own = sum(TODAY.values()), ours["capture"] + ours["ingest"] + ours["log"]
    rows.append(["both", f"{own:.0f}", f"{today:.0f}", f"{today / own:.0f}"])
    return table(head, rows)


def main():
    text = f"{bill()}\n\n{beside_today()}\n"
    if "--check" not in sys.argv:
        print(text)
        return
    page = PAGE.read_text()
    missing = [part for part in (bill(), beside_today()) if part not in page]
    if missing:
        sys.exit("docs/SCALE.md does not say what bench/bill.py computes; it should contain\n\n" + "\n\n".join(missing))


if __name__ == "__main__":
    main()
