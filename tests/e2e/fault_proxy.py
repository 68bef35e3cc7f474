"""A proxy on loopback that treats some of the requests badly, by a list told beforehand.

Every request that brings a body (to one of `paths`, when told) takes the next word of the list; when
the list has ended, and for all other requests, it is "pass":

  pass    goes to Penstock, and its answer back
  503     is answered 503 with Retry-After; Penstock hears nothing of it
  429     likewise, with 429
  cut     the connection is closed; Penstock hears nothing of it
  half    Penstock gets half of the body and then the connection is closed, on both sides
  lost    goes to Penstock, which takes it; its answer is lost and the connection closed
  torn    likewise, but the client gets the first half of the answer
  504     goes to Penstock, which takes it, and is answered 504
  slow    goes to Penstock after a second

Nothing here waits for anything but the request itself, so a busy machine only makes it slower. Where
Penstock is down or goes away the client's connection is closed, or, with `balancer`, it is answered
502, as a load balancer does.
"""
import http.client
import http.server
import socket
import sys
import threading
import time
import urllib.parse

CORS = ("Access-Control-Allow-Origin", "Access-Control-Allow-Credentials")
OF_ONE_CONNECTION = {"connection", "keep-alive", "transfer-encoding", "content-length", "host"}


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], OSError):  # a client that is gone
            super().handle_error(request, client_address)


class FaultProxy:
    """In front of one Penstock, which may be stopped and started behind it."""

    def __init__(self, penstock, faults=(), balancer=False, paths=None):
        self.target = urllib.parse.urlsplit(penstock.capture).netloc
        self.faults = list(faults)
        self.balancer = balancer
        self.only = paths
        self.done = []  # what was done to whom: (word, path)
        self.turned_away = 0  # requests that found no Penstock, or lost it on the way
        self.encodings = set()  # of the requests that bring a body
        self.lock = threading.Lock()
        self.server = Server(("127.0.0.1", 0), self.handler())
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def next_fault(self, path, has_body):
        if not has_body or self.only and urllib.parse.urlsplit(path).path not in self.only:
            return "pass"
        with self.lock:
            fault = self.faults.pop(0) if self.faults else "pass"
            self.done.append((fault, path))
        return fault

    def seen(self):
        with self.lock:
            return {fault for fault, _ in self.done}

    def paths(self):
        with self.lock:
            return {path.split("?")[0] for _, path in self.done}

    def handler(self):
        proxy = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def log_message(self, *_):
                pass

            def do_POST(self):
                treat(self, proxy)

            do_GET = do_OPTIONS = do_POST
        return Handler


def treat(client, proxy):
    body = body_of(client)
    fault = proxy.next_fault(client.path, bool(body))
    if body:
        proxy.encodings.add(client.headers.get("Content-Encoding"))
    try:
        if fault in ("503", "429"):
            return refuse(client, int(fault))
        if fault == "cut":
            return cut(client)
        if fault == "half":
            try:
                send_half(client, proxy.target, body)
            finally:
                cut(client)
            return None
        if fault == "slow":
            time.sleep(1)
        try:
            answer = ask(client, proxy.target, body)
        except OSError:
            proxy.turned_away += 1
            return refuse(client, 502) if proxy.balancer else cut(client)
        if fault == "504":
            return refuse(client, 504)
        if fault == "lost":
            return cut(client)
        reply(client, *answer, torn=fault == "torn")
    except OSError:  # the client is gone
        cut(client)
    return None


def body_of(client):
    if client.headers.get("Transfer-Encoding", "").lower() != "chunked":
        return client.rfile.read(int(client.headers.get("Content-Length") or 0))
    body = b""
    while size := int(client.rfile.readline().split(b";")[0], 16):
        body += client.rfile.read(size)
        client.rfile.readline()
    while client.rfile.readline().strip():
        pass
    return body


def head_of(client):
    return {name: value for name, value in client.headers.items()
            if name.lower() not in OF_ONE_CONNECTION}


def ask(client, target, body):
    """(status, headers, body) as Penstock gives them."""
    connection = http.client.HTTPConnection(target, timeout=60)
    try:
        connection.request(client.command, client.path, body or None, head_of(client))
        answer = connection.getresponse()
        return answer.status, answer.getheaders(), answer.read()
    except http.client.HTTPException as error:
        raise ConnectionError(str(error)) from error
    finally:
        connection.close()


def send_half(client, target, body):
    host, port = target.rsplit(":", 1)
    lines = [f"{client.command} {client.path} HTTP/1.1", f"Host: {target}",
             *(f"{name}: {value}" for name, value in head_of(client).items()),
             f"Content-Length: {len(body)}", "", ""]
    with socket.create_connection((host, int(port)), timeout=60) as penstock:
        penstock.sendall("\r\n".join(lines).encode("latin-1") + body[:len(body) // 2])


def reply(client, status, headers, body, torn=False):
    client.send_response_only(status)
    for name, value in headers:
        if name.lower() not in OF_ONE_CONNECTION:
            client.send_header(name, value)
    client.send_header("Content-Length", str(len(body)))
    client.end_headers()
    if client.command != "HEAD":
        client.wfile.write(body[:len(body) // 2] if torn else body)
    if torn:
        cut(client)


def refuse(client, status):
    said = b"come back later"
    client.send_response_only(status)
    client.send_header("Content-Type", "text/plain")
    client.send_header("Retry-After", "1")
    if origin := client.headers.get("Origin"):
        for name, value in zip(CORS, (origin, "true")):
            client.send_header(name, value)
    client.send_header("Content-Length", str(len(said)))
    client.end_headers()
    client.wfile.write(said)


def cut(client):
    client.close_connection = True
    try:
        client.wfile.flush()
        client.connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
