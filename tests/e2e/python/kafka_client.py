"""A Kafka client that is not librdkafka, as a filter.

usage: kafka_client.py consume BROKERS TOPIC...    every message there is now, a JSON line each
       kafka_client.py produce BROKERS             JSON lines: topic, key, value, headers

Keys, values and headers are text (UTF-8; what is not is base64 behind "base64:"), or null. It reads
headers that are null and cannot write them: those are left out.
"""
import base64
import json
import sys

from kafka import KafkaConsumer, KafkaProducer, TopicPartition


def text(data):
    if data is None:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError:
        return "base64:" + base64.b64encode(data).decode()


def data(value):
    packed = value.startswith("base64:")
    return base64.b64decode(value[7:]) if packed else value.encode()


def consume(brokers, topics):
    consumer = KafkaConsumer(bootstrap_servers=brokers, auto_offset_reset="earliest",
                             enable_auto_commit=False)
    parts = [TopicPartition(t, p) for t in topics for p in sorted(consumer.partitions_for_topic(t) or ())]
    consumer.assign(parts)
    consumer.seek_to_beginning(*parts)
    ends = consumer.end_offsets(parts)
    while any(consumer.position(p) < ends[p] for p in parts):
        for batch in consumer.poll(timeout_ms=500).values():
            for m in batch:
                print(json.dumps({
                    "topic": m.topic, "partition": m.partition, "offset": m.offset,
                    "key": text(m.key), "value": text(m.value),
                    "headers": [[name, text(value)] for name, value in m.headers]}))


def produce(brokers):
    producer = KafkaProducer(bootstrap_servers=brokers, acks="all")
    sent = []
    for line in sys.stdin:
        m = json.loads(line)
        sent.append(producer.send(
            m["topic"], key=m["key"].encode() if m.get("key") is not None else None,
            value=data(m["value"]), partition=m.get("partition"),
            headers=[(name, value.encode()) for name, value in m.get("headers", [])
                     if value is not None]))
    producer.flush(timeout=60)
    for future in sent:
        future.get(timeout=60)


if sys.argv[1] == "consume":
    consume(sys.argv[2].split(","), sys.argv[3:])
else:
    produce(sys.argv[2].split(","))
