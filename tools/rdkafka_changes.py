#!/usr/bin/env python3
"""Changes librdkafka's sources, as fetched, in three things.

usage: tools/rdkafka_changes.py SOURCE

What an idempotent producer has under way: as it is, its window of five *requests* of a partition (what
brokers guard) is compared with the number of *messages* under way, so that one request of five events
or more is all there is, and while it is under way the producer's thread wakes without pause. Here
requests are counted beside messages, a partition whose window is full waits for an answer, and a
connection may have more under way than one partition.
docs/decisions/0035-five-requests-under-way.md says why it is safe.

How a message gets into a request: a payload may be a record's own bytes from its key on, written at
once instead of in fifty pieces. And how hard lz4 tries. docs/decisions/0040-records-written-whole.md says
why.

An anchor that is not there exactly once ends this with an error: look again at a new version.
"""
import pathlib
import sys

BEFORE, AFTER, INSTEAD = range(3)
WINDOW = (
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
RECORDS = (
    ("rdkafka.h", BEFORE, "#define RD_KAFKA_MSG_F_PARTITION   ",
     "#define RD_KAFKA_MSG_F_RECORD 0x100 /* the payload is a record (v2) from its key on */\n"),
    ("rdkafka_msgset_writer.c", BEFORE, "/* All varints, except for Length, needs to be pre-built",
     """if (rkm->rkm_flags & RD_KAFKA_MSG_F_RECORD) {
                char head[RD_UVARINT_ENC_SIZEOF(int32_t) + 1 +
                          2 * RD_UVARINT_ENC_SIZEOF(int64_t)];
                size_t n;
                sz_TimestampDelta = rd_uvarint_enc_i64(
                    varint_TimestampDelta, sizeof(varint_TimestampDelta),
                    rkm->rkm_timestamp - msetw->msetw_firstmsg.timestamp);
                sz_OffsetDelta = rd_uvarint_enc_i64(
                    varint_OffsetDelta, sizeof(varint_OffsetDelta), Offset);
                MessageSize = 1 + sz_TimestampDelta + sz_OffsetDelta + rkm->rkm_len;
                n = rd_uvarint_enc_i64(head, sizeof(head), MessageSize);
                MessageSize += n;
                head[n++] = 0; /* Attributes */
                memcpy(head + n, varint_TimestampDelta, sz_TimestampDelta);
                n += sz_TimestampDelta;
                memcpy(head + n, varint_OffsetDelta, sz_OffsetDelta);
                n += sz_OffsetDelta;
                rd_kafka_buf_write(rkbuf, head, n);
                rd_kafka_msgset_writer_write_msg_payload(msetw, rkm, free_cb);
                return MessageSize;
        }
"""),
    # Brokers before 0.11 have no such records: nothing is sent to them.
    ("rdkafka_msgset_writer.c", INSTEAD, "if (msetw->msetw_ApiVersion == -1) {",
     "if (msetw->msetw_ApiVersion == -1 ||\n"
     "            (msetw->msetw_MsgVersion < 2 &&\n"
     "             rd_kafka_msgq_first(msetw->msetw_msgq)->rkm_flags & RD_KAFKA_MSG_F_RECORD)) {"),
)
# Of every message, under a lock, for a figure that nobody reads.
LATENCY = (
    ("rdkafka_msgset_writer.c", INSTEAD,
     "rd_avg_add(&rkb->rkb_avg_int_latency, now - rkm->rkm_ts_enq);", ";"),
)
LZ4 = (
    ("rdkafka_topic.c", INSTEAD, "rkt->rkt_conf.compression_level = 0;",
     "rkt->rkt_conf.compression_level = -3;"),
)


def main():
    source = pathlib.Path(sys.argv[1], "src")
    for name, how, anchor, text in WINDOW + RECORDS + LATENCY + LZ4:
        file = source / name
        lines = file.read_text().split("\n")
        at = [i for i, line in enumerate(lines) if anchor in line]
        if len(at) != 1:
            sys.exit(f"{name}: '{anchor}' is there {len(at)} times, not once")
        if how == INSTEAD:
            lines[at[0]] = lines[at[0]].replace(anchor, text)
        else:
            indent = "" if text.startswith("#") else "        "
            lines.insert(at[0] + (how == AFTER), indent + text)
        file.write_text("\n".join(lines))


main()
