#!/usr/bin/env python3
"""Changes librdkafka's sources, as fetched, in one thing: what an idempotent producer has under way.

usage: tools/rdkafka_window.py SOURCE

As it is, its window of five *requests* of a partition (what brokers guard) is compared with the number of
*messages* under way, so that one request of five events or more is all there is, and while it is under
way the producer's thread wakes without pause. Here requests are counted beside messages, a partition
whose window is full waits for an answer, and a connection may have more under way than one partition.
docs/decisions/0035-five-requests-under-way.md says why it is safe. An anchor that is not there exactly once ends this with an error: look again at a new version.
"""
import pathlib
import sys

BEFORE, AFTER, INSTEAD = range(3)
CHANGES = (
    ("rdkafka_partition.h", BEFORE, "uint64_t rktp_msgid;",
     "rd_atomic32_t rktp_reqs_inflight; /* requests that rktp_msgs_inflight are in */"),
    ("rdkafka_partition.c", AFTER, "rd_atomic32_init(&rktp->rktp_msgs_inflight, 0);",
     "rd_atomic32_init(&rktp->rktp_reqs_inflight, 0);"),
    ("rdkafka_msg.c", BEFORE, "if (rd_atomic32_add(&rktp->rktp_msgs_inflight,",
     "rd_atomic32_add(&rktp->rktp_reqs_inflight, 1);"),
    ("rdkafka_request.c", BEFORE, "last_inflight = !rd_atomic32_sub(&rktp->rktp_msgs_inflight,",
     "rd_atomic32_sub(&rktp->rktp_reqs_inflight, 1);"),
    # With nothing to be sent, nothing is moved and no time to wake is set: the answer wakes it.
    ("rdkafka_broker.c", AFTER, "max_requests = rd_kafka_broker_outbufs_space(rkb);",
     "if (rd_kafka_is_idempotent(rkb->rkb_rk))\n"
     "                max_requests = RD_MIN(max_requests, RD_KAFKA_IDEMP_MAX_INFLIGHT -\n"
     "                    rd_atomic32_get(&rktp->rktp_reqs_inflight));"),
    ("rdkafka_broker.c", INSTEAD, "RD_KAFKA_IDEMP_MAX_INFLIGHT - inflight);",
     "RD_KAFKA_IDEMP_MAX_INFLIGHT - rd_atomic32_get(&rktp->rktp_reqs_inflight));"),
    # Of a connection, which all partitions of a broker share, 20 times as many.
    ("rdkafka_conf.c", INSTEAD, "if (conf->max_inflight >", "if (conf->max_inflight / 20 >"),
)


def main():
    source = pathlib.Path(sys.argv[1], "src")
    for name, how, anchor, text in CHANGES:
        file = source / name
        lines = file.read_text().split("\n")
        at = [i for i, line in enumerate(lines) if anchor in line]
        if len(at) != 1:
            sys.exit(f"{name}: '{anchor}' is there {len(at)} times, not once")
        if how == INSTEAD:
            lines[at[0]] = lines[at[0]].replace(anchor, text)
        else:
            lines.insert(at[0] + (how == AFTER), "        " + text)
        file.write_text("\n".join(lines))


main()
