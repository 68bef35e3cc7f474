#!/usr/bin/env python3
"""ClickHouse's HTTP interface in front of the embedded engine, for tests.

usage: clickhouse_front.py --engine PENSTOCK_ENGINE --lib LIBCHDB --dir DIR --port N [--port N …]
                           [--user U --password P] [--tls-port N] [--cluster NAME]

The engine is the one that Penstock runs itself (the same child, the same frames), so its dialect is
today's; what is in front of it is a small part of the HTTP interface as the manual has it: the
query in the URL or the body, settings as parameters, X-ClickHouse-* headers, users, numbered
exceptions, compressed bodies. It is no server for anything but tests: no sessions, no progress.

With --cluster it is the one node of a cluster of one shard: Distributed tables, clusterAllReplicas and
dictionaries are the engine's own. What needs Keeper is not there and taken away from statements: ON CLUSTER,
Replicated… (the same table without), SYSTEM SYNC REPLICA (nothing). What is left has to run.

With --tls-port that port speaks HTTPS for 127.0.0.1; DIR/ca.pem says whom to trust.

POST /_test/fault {"kind": …, "count": n, "match": "text of the SQL"} treats the next n requests that match:

  code:N   answers exception N with the server's text for it
  garbage  bytes that are no HTTP
  half     status and half an answer, then the connection is closed
  lost     does it and closes the connection without an answer
  page     502 with a page, as a proxy answers
  slow:S   waits S seconds first
"""
import argparse
import ctypes
import ctypes.util
import http.server
import json
import os
import re
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
import urllib.parse
import zlib

INSERT, QUERY, CANCEL, RUN, STATS, UPKEEP = 1, 2, 3, 4, 5, 6
READS = ("select", "with", "explain", "describe", "desc", "exists", "show", "from", "(")
OF_THE_REQUEST = {"query", "database", "query_id", "default_format", "user", "password",
                  "wait_end_of_query", "mutations_sync", "session_id", "compress", "decompress"}
TEXTS = {252: "Too many parts (3000 with average size of 1.00 MiB) in table. Merges are processing significantly "
              "slower than inserts. (TOO_MANY_PARTS)",
         241: "Memory limit (total) exceeded (MEMORY_LIMIT_EXCEEDED)",
         242: "Table is in readonly mode (TABLE_IS_READ_ONLY)",
         319: "Unknown status, client must retry. (UNKNOWN_STATUS_OF_INSERT)",
         117: "Cannot parse these rows (INCORRECT_DATA)"}


CLUSTER = """<clickhouse><tcp_port>9000</tcp_port><remote_servers><{0}><shard>
<internal_replication>true</internal_replication><replica><host>127.0.0.1</host><port>9000</port></replica>
</shard></{0}></remote_servers></clickhouse>
"""


def without_keeper(sql, state):
    sql = sql.replace(f" ON CLUSTER '{state['cluster']}'", "")
    # The engine behind has one user and asks it for nothing.
    sql = sql.replace(f"USER '{state['user']}' PASSWORD '{state['password']}'", "USER 'default' PASSWORD ''")
    sql = re.sub(r"^SYSTEM SYNC REPLICA (\w+\.\w+)$", r"SELECT '' FROM \1 WHERE 0", sql)
    sql = re.sub(r"Replicated((?:Replacing)?MergeTree)\('[^']*', '[^']*'(?:, )?", r"\1(", sql)
    sql = re.sub(r", replicated_deduplication_window_seconds = \d+", "", sql)
    return sql.replace(" replicated_deduplication_window =", " non_replicated_deduplication_window =")


def varint(n):
    out = b""
    while n >= 0x80:
        out += bytes([n & 0x7f | 0x80])
        n >>= 7
    return out + bytes([n])


def text(s):
    raw = s if isinstance(s, bytes) else s.encode("utf-8", "surrogateescape")
    return varint(len(raw)) + raw


class Reader:
    def __init__(self, raw):
        self.raw, self.at = raw, 0

    def take(self, form):
        value, = struct.unpack_from("<" + form, self.raw, self.at)
        self.at += struct.calcsize(form)
        return value

    def bytes(self):
        size = shift = 0
        while True:
            byte = self.take("B")
            size |= (byte & 0x7f) << shift
            shift += 7
            if byte < 0x80:
                break
        self.at += size
        return self.raw[self.at - size:self.at]


class Failed(Exception):
    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


class Engine:
    """The child and its frames; requests of many threads at a time."""

    def __init__(self, args):
        ours, theirs = socket.socketpair()
        os.makedirs(args.dir, exist_ok=True)
        if args.cluster:
            with open(os.path.join(args.dir, "config.xml"), "w") as out:
                out.write(CLUSTER.format(args.cluster))  # the engine looks for it where it works
        log = open(os.path.join(args.dir, "front.log"), "ab")
        self.child = subprocess.Popen(
            [args.engine, "engine-child", "--path", args.dir, "--lib", args.lib, "--fd",
             str(theirs.fileno()), "--memory", str(1 << 30)],
            pass_fds=[theirs.fileno()], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        theirs.close()
        self.socket, self.lock, self.next_id, self.waiting = ours, threading.Lock(), 1, {}
        threading.Thread(target=self.read, daemon=True).start()
        names = self.ask(RUN, text("SELECT number, errorCodeToName(number) FROM numbers(1200) WHERE "
                                   "errorCodeToName(number) != ''") + text("TSV"))[2].decode()
        self.codes = {name: int(n) for n, name in (line.split("\t") for line in names.splitlines())}
        self.version = self.ask(RUN, text("SELECT version()") + text("TSV"))[2].decode().strip()

    def read(self):
        def exactly(n):
            out = b""
            while len(out) < n:
                piece = self.socket.recv(min(n - len(out), 1 << 20))
                if not piece:
                    os._exit(3)  # as a server that died
                out += piece
            return out
        while True:
            body = exactly(struct.unpack("<I", exactly(4))[0])
            with self.lock:
                event, answer = self.waiting.pop(struct.unpack_from("<Q", body)[0])
            answer.append(body[8:])
            event.set()

    def ask(self, op, operands):
        event, answer = threading.Event(), []
        with self.lock:
            number, self.next_id = self.next_id, self.next_id + 1
            self.waiting[number] = (event, answer)
            self.socket.sendall(struct.pack("<IQB", len(operands) + 9, number, op) + operands)
        event.wait()
        r = Reader(answer[0])
        if r.take("B") == 0:
            r.take("B")
            message = r.bytes().decode(errors="replace")
            named = re.findall(r"\(([A-Z_0-9]+)\)", message)
            raise Failed(next((self.codes[n] for n in reversed(named) if n in self.codes), 1001), message)
        rows, read, elapsed = r.take("Q"), r.take("Q"), r.take("q")
        return rows, read, r.bytes(), elapsed


zstd = ctypes.CDLL(ctypes.util.find_library("zstd") or "libzstd.so.1")
zstd.ZSTD_getFrameContentSize.restype = ctypes.c_ulonglong
zstd.ZSTD_decompress.restype = ctypes.c_size_t


lz4 = ctypes.CDLL(ctypes.util.find_library("lz4") or "liblz4.so.1")
for call in ("LZ4F_createDecompressionContext", "LZ4F_decompress", "LZ4F_getFrameInfo"):
    getattr(lz4, call).restype = ctypes.c_size_t
LZ4_VERSION = 100


def unlz4(body):
    """Of frames that name their size, as Penstock writes them; not more of it than there is."""
    context, info = ctypes.c_void_p(), (ctypes.c_uint8 * 64)()
    if lz4.LZ4F_createDecompressionContext(ctypes.byref(context), ctypes.c_uint(LZ4_VERSION)) != 0:
        raise Failed(173, "No memory (CANNOT_ALLOCATE_MEMORY)")
    try:
        given = ctypes.c_size_t(len(body))
        left = lz4.LZ4F_getFrameInfo(context, ctypes.byref(info), body, ctypes.byref(given))
        size = struct.unpack_from("<Q", info, 16)[0]
        if lz4.LZ4F_isError(ctypes.c_size_t(left)) or not 0 < size <= 1 << 30:
            raise Failed(117, "Not an lz4 frame that names its size (INCORRECT_DATA)")
        source = (ctypes.c_char * len(body)).from_buffer_copy(body)
        out, at, read = bytearray(size), 0, given.value
        target = (ctypes.c_char * size).from_buffer(out)
        while left:
            room, more = ctypes.c_size_t(size - at), ctypes.c_size_t(len(body) - read)
            left = lz4.LZ4F_decompress(context, ctypes.byref(target, at) if at < size else None, ctypes.byref(room),
                                       ctypes.byref(source, read) if read < len(body) else None,
                                       ctypes.byref(more), None)
            if lz4.LZ4F_isError(ctypes.c_size_t(left)) or (left and not room.value and not more.value):
                raise Failed(33, "Cannot read all data (CANNOT_READ_ALL_DATA)")
            at, read = at + room.value, read + more.value
        if at != size:
            raise Failed(33, "Cannot read all data (CANNOT_READ_ALL_DATA)")
        return bytes(out)
    finally:
        lz4.LZ4F_freeDecompressionContext(context)


def decoded(body, encoding):
    if encoding == "lz4":
        return unlz4(body)
    if encoding == "zstd":
        size = zstd.ZSTD_getFrameContentSize(body, ctypes.c_size_t(len(body)))
        if size > 1 << 30:
            raise Failed(117, "Not a zstd frame (INCORRECT_DATA)")
        out = ctypes.create_string_buffer(int(size) or 1)
        n = zstd.ZSTD_decompress(out, ctypes.c_size_t(size), body, ctypes.c_size_t(len(body)))
        if n != size:
            raise Failed(33, "Cannot read all data (CANNOT_READ_ALL_DATA)")
        return out.raw[:n]
    return zlib.decompress(body, 47) if encoding in ("gzip", "deflate") else body


class Front(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def do_GET(self):
        if self.path == "/ping":
            return self.reply(200, b"Ok.\n")
        return self.do_POST()

    def do_POST(self):
        try:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        except OSError:
            return
        if len(body) != int(self.headers.get("Content-Length") or 0):
            self.close_connection = True
            return  # the client is gone in the middle: nothing is done
        if self.path == "/_test/fault":
            with self.server.state["lock"]:
                fault = json.loads(body)
                self.server.state["faults"] += [fault] * fault.get("count", 1)
            return self.reply(200, b"")
        if self.path == "/_test/done":
            return self.reply(200, json.dumps(self.server.state["done"]).encode())
        params = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query, keep_blank_values=True,
                                             errors="surrogateescape"))
        fault = self.fault(params.get("query", "") + body[:4096].decode(errors="replace"))
        try:
            self.check_user(params)
            if fault.startswith("slow:"):
                time.sleep(float(fault[5:]))
            if fault == "garbage":
                self.wfile.write(os.urandom(64))
                return self.cut()
            if fault == "page":
                return self.reply(502, b"<html>Bad Gateway</html>", {"Server": "proxy"}, ours=False)
            if fault.startswith("code:"):
                raise Failed(int(fault[5:]), TEXTS.get(int(fault[5:]), "as the test wants it"))
            rows, read, answer, elapsed = self.execute(params, decoded(body, self.headers.get("Content-Encoding")))
        except Failed as error:
            status = 403 if error.code in (516, 497, 192, 193, 194) else 404 if error.code in (60, 81) else 500
            said = f"Code: {error.code}. DB::Exception: {error} (version {self.server.state['engine'].version})\n"
            return self.reply(status, said.encode(errors="replace"), {"X-ClickHouse-Exception-Code": str(error.code)})
        if fault == "lost":
            return self.cut()
        summary = {"read_rows": str(rows), "read_bytes": str(read), "elapsed_ns": str(elapsed * 1000)}
        return self.reply(200, answer, {"X-ClickHouse-Summary": json.dumps(summary)}, torn=fault == "half")

    def fault(self, sql):
        state = self.server.state
        with state["lock"]:
            for i, fault in enumerate(state["faults"]):
                if fault.get("match", "") in sql:
                    del state["faults"][i]
                    state["done"].append(fault["kind"])
                    return fault["kind"]
        return ""

    def check_user(self, params):
        user = self.headers.get("X-ClickHouse-User") or params.get("user") or "default"
        key = self.headers.get("X-ClickHouse-Key") or params.get("password") or ""
        if (user, key) != (self.server.state["user"], self.server.state["password"]):
            raise Failed(516, f"{user}: Authentication failed: password is incorrect, or there is no user with such "
                              "name. (AUTHENTICATION_FAILED)")

    def execute(self, params, body):
        engine, state = self.server.state["engine"], self.server.state
        database = params.get("database", "default")
        if not re.fullmatch(r"\w+", database):
            raise Failed(81, f"Database {database} does not exist (UNKNOWN_DATABASE)")
        sql, rows = params.get("query", ""), body
        if state["cluster"] and not sql:
            body = without_keeper(body.decode("utf-8", "surrogateescape"), state)
            body = body.encode("utf-8", "surrogateescape")
        if not sql or not sql.lstrip()[:6].lower() == "insert":
            sql, rows = sql + body.decode("utf-8", "surrogateescape"), b""
        if engine.version.startswith("26.5."):
            # As a library it never ends to wait for that; the server does.
            sql = re.sub(r"^(DROP TABLE .*) SYNC$", r"\1", sql)
        form = params.get("default_format", "TabSeparated")
        word = re.match(r"\s*(?:/\*.*?\*/\s*)*(\w+|\()", sql.lower() or "(", re.S)
        settings = {k: v for k, v in params.items() if k not in OF_THE_REQUEST}
        kill = re.fullmatch(r"KILL QUERY WHERE query_id = '([^']+)' ASYNC", sql)
        if kill:
            return engine.ask(CANCEL, text(kill.group(1)))
        if word and word.group(1) in READS and not settings:
            return self.in_database(UPKEEP, database, sql, form)  # not in the line of people's queries
        if word and word.group(1) in READS:
            def value(v):
                return v if re.fullmatch(r"[\d.]+|\{.*\}", v, re.S) else "'" + v + "'"
            # Last what forbids more.
            names = sorted(settings, key=lambda k: k == "readonly")
            setup = f"USE {database}; SET " + ", ".join(f"{k}={value(settings[k])}" for k in names)
            with state["lock"]:
                state["queries"] += 1
                marker = params.get("query_id", f"front-{state['queries']}")
            return engine.ask(QUERY, text(marker) + text(setup) + text(sql) + text(form))
        if rows:
            sql, found = re.subn(r"\s+FORMAT\s+RowBinary\s*$", "", sql)
            if not found:
                raise Failed(73, "only RowBinary is taken here (UNKNOWN_FORMAT)")
            with state["turns"][RUN]:
                sync = f"SET insert_distributed_sync={int(params.get('insert_distributed_sync', 0))}"
                return engine.ask(INSERT, varint(3) + text("USE " + database) + text("") + text(sync) + text("") +
                                  text(sql) + text(rows))
        return self.in_database(UPKEEP if sql.lower().startswith(("alter", "kill")) else RUN, database, sql, form)

    def in_database(self, op, database, sql, form):
        """Each of the engine's connections has one at a time."""
        engine = self.server.state["engine"]
        with self.server.state["turns"][op]:
            engine.ask(op, text("USE " + database) + text("TSV"))
            return engine.ask(op, text(sql) + text(form))

    def reply(self, status, body, headers=None, torn=False, ours=True):
        try:
            self.send_response_only(status)
            if ours:
                self.send_header("X-ClickHouse-Server-Display-Name", "front")
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body) + (10 if torn else 0)))
            self.end_headers()
            self.wfile.write(body)
            self.wfile.flush()
        except OSError:
            torn = True
        if torn:
            self.cut()

    def cut(self):
        self.close_connection = True
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], OSError):  # a client that is gone
            super().handle_error(request, client_address)


def main():
    parser = argparse.ArgumentParser()
    for name in ("engine", "lib", "dir"):
        parser.add_argument("--" + name, required=True)
    parser.add_argument("--port", type=int, action="append", required=True)
    parser.add_argument("--tls-port", type=int)
    parser.add_argument("--user", default="default")
    parser.add_argument("--password", default="")
    parser.add_argument("--cluster", default="")
    args = parser.parse_args()
    ctypes.CDLL(None).prctl(1, 9)  # dies with whoever started it
    state = {"engine": Engine(args), "user": args.user, "password": args.password, "cluster": args.cluster,
             "faults": [], "done": [], "queries": 0, "lock": threading.Lock(), "turns": {RUN: threading.Lock(), UPKEEP: threading.Lock()}}
    servers = [Server(("127.0.0.1", port), Front) for port in args.port]
    if args.tls_port:
        key, cert = os.path.join(args.dir, "key.pem"), os.path.join(args.dir, "ca.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-days", "2", "-subj", "/CN=front", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key,
                        "-out", cert], check=True, stderr=subprocess.DEVNULL)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        servers.insert(0, Server(("127.0.0.1", args.tls_port), Front))
        servers[0].socket = context.wrap_socket(servers[0].socket, server_side=True)
    for server in servers:
        server.state = state
        threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True).start()
    sys.exit(state["engine"].child.wait())


main()
