"""What happens to a broker, or on the way to it, in tests: answers that are garbage, and a stranger that
writes under the id of a running producer."""
import pathlib
import random
import socket
import struct
import threading


class Garbler:
    """Stands before a broker at `port`. While `how` is "pass" all goes through; "noise": random bytes
    come back in the place of answers; "lies": an answer's length and number are right and the rest is
    random; "web": a web server's refusal."""

    def __init__(self, port, target, seed=1):
        self.target, self.how, self.garbled = target, "pass", 0
        self.random = random.Random(seed)
        self.server = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.server.accept()
            except OSError:
                return  # closed
            try:
                broker = socket.create_connection(("127.0.0.1", self.target), 5)
                broker.settimeout(None)
            except OSError:
                client.close()
                continue
            for one, other, back in ((client, broker, False), (broker, client, True)):
                threading.Thread(target=self.carry, args=(one, other, back), daemon=True).start()

    def carry(self, source, sink, back):
        try:
            while data := source.recv(1 << 16):
                sink.sendall(self.treat(data) if back and self.how != "pass" else data)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def treat(self, data):
        self.garbled += 1
        if self.how == "web":
            return b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"
        noise = self.random.randbytes(len(data))
        return noise if self.how == "noise" else data[:8] + noise[8:]

    def close(self):
        self.server.close()


CRC_TABLE = []
for n in range(256):
    for _ in range(8):
        n = n >> 1 ^ 0x82F63B78 * (n & 1)
    CRC_TABLE.append(n)


def crc32c(data):
    """Castagnoli's, as record batches carry it."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ CRC_TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def last_batch(log_dirs, topic, partition=0):
    """(producer id, its epoch, the sequence behind its last record) of a partition's newest batch, from
    the broker's own file; None: there is none."""
    found = None
    for file in sorted(pathlib.Path(log_dirs).glob(f"{topic}-{partition}/*.log")):
        data, at = file.read_bytes(), 0
        while at + 61 <= len(data):
            size, = struct.unpack_from(">i", data, at + 8)
            if size <= 0 or at + 12 + size > len(data):
                break
            producer, epoch, sequence, count = struct.unpack_from(">qhii", data, at + 43)
            if producer >= 0:
                found = producer, epoch, sequence + count
            at += 12 + size
    return found


def varint(n):
    n = n << 1 ^ n >> 63  # zigzag
    out = b""
    while n > 0x7F:
        out += bytes([n & 0x7F | 0x80])
        n >>= 7
    return out + bytes([n])


def write_as(address, topic, partition, producer, epoch, sequence, values):
    """A batch under somebody's producer id, by hand; answers the broker's error code."""
    records = b""
    for i, value in enumerate(values):
        record = b"\0" + varint(0) + varint(i) + varint(-1) + varint(len(value)) + value + varint(0)
        records += varint(len(record)) + record
    body = struct.pack(">hiqqqhii", 0, len(values) - 1, 0, 0, producer, epoch, sequence,
                       len(values)) + records
    batch = struct.pack(">ibI", 0, 2, crc32c(body)) + body
    batch = struct.pack(">qi", 0, len(batch)) + batch
    # Produce, version 3: no transaction, acks of all, ten seconds, one topic, one partition.
    name = topic.encode()
    request = struct.pack(">hhih", 0, 3, 7, -1) + struct.pack(">hhi", -1, -1, 10_000)
    request += struct.pack(">ih", 1, len(name)) + name + struct.pack(">iii", 1, partition, len(batch))
    host, port = address.rsplit(":", 1)
    with socket.create_connection((host, int(port)), 30) as s:
        s.sendall(struct.pack(">i", len(request) + len(batch)) + request + batch)
        answer = b""
        while len(answer) < 4 or len(answer) < 4 + struct.unpack_from(">i", answer)[0]:
            more = s.recv(1 << 16)
            assert more, "the broker hung up"
            answer += more
    # Size, number, one topic's name, one partition, then its error.
    return struct.unpack_from(">h", answer, 4 + 4 + 4 + 2 + len(name) + 4 + 4)[0]
