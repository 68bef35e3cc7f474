"""The edge of the real binary: HTTPS with renewal, proxies in front, clients that mean no good."""
import http.client
import json
import os
import pathlib
import socket
import ssl
import subprocess
import time
import urllib.parse

import sdk
from harness import BIN, KEY, Penstock


def certificate(folder, name="first"):
    """A self-signed pair for 127.0.0.1, written as a renewal does: under fresh names, then moved."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", f"/CN={name}",
                    "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", f"{folder}/key.new",
                    "-out", f"{folder}/cert.new"], check=True, capture_output=True)
    for part in ("key", "cert"):
        os.replace(f"{folder}/{part}.new", f"{folder}/{part}.pem")


class TlsPenstock(Penstock):
    """Speaks HTTPS; the harness's own requests trust exactly its certificate."""

    def __init__(self, *flags):
        super().__init__()
        certificate(self.data)
        self.flags = ("--set", f"http.tls_cert_file={self.data}/cert.pem",
                      "--set", f"http.tls_key_file={self.data}/key.pem", *flags)

    def request(self, url, body=None, headers=None, method=None):
        parts = urllib.parse.urlsplit(url)
        context = ssl.create_default_context(cafile=f"{self.data}/cert.pem")
        c = http.client.HTTPSConnection(parts.hostname, parts.port, context=context, timeout=60)
        c.request(method or ("GET" if body is None else "POST"),
                  parts.path + (f"?{parts.query}" if parts.query else ""), body, headers or {})
        answer = c.getresponse()
        text = answer.read()
        c.close()
        return answer.status, text, answer.headers

    def connection(self):
        parts = urllib.parse.urlsplit(self.capture)
        context = ssl.create_default_context(cafile=f"{self.data}/cert.pem")
        return http.client.HTTPSConnection(parts.hostname, parts.port, context=context, timeout=30)

    def shown(self):
        """The name of the certificate a new connection is shown."""
        parts = urllib.parse.urlsplit(self.capture)
        context = ssl.create_default_context(cafile=f"{self.data}/cert.pem")
        with socket.create_connection((parts.hostname, parts.port)) as raw:
            with context.wrap_socket(raw, server_hostname="127.0.0.1") as tls:
                return tls.getpeercert()["subject"][0][0][1]


def event(name):
    return json.dumps({"api_key": KEY, "event": name, "distinct_id": "me"}).encode()


def test_https_end_to_end_with_the_command_line_and_a_renewal():
    with TlsPenstock() as p:
        p.eventually(lambda: p.output().count("https://") >= 4)
        assert "http://" not in p.output()
        c = p.connection()
        c.request("POST", "/i/v0/e/", event("over tls"), {"Content-Type": "application/json"})
        first = c.getresponse()
        assert (first.status, json.loads(first.read())) == (200, {"status": "Ok"})
        code, out, err = p.cli("send", "from the command line")
        assert code == 0, (out, err)
        p.eventually(lambda: p.sql("SELECT count() FROM events")[0][0] in (2, "2"))
        code, out, err = p.cli("doctor")
        assert code == 0, (out, err)

        certificate(p.data, "second")
        p.eventually(lambda: p.shown() == "second", 15)
        p.eventually(lambda: sdk.metric(p, "penstock_wire_tls_renewals_total") >= 1)
        c.request("POST", "/i/v0/e/", event("same connection"),
                  {"Content-Type": "application/json"})
        assert c.getresponse().status == 200

        # A bad renewal: the old certificate stays, and it is counted.
        pathlib.Path(p.data, "key.pem").write_text("nonsense")
        p.eventually(lambda: sdk.metric(p, "penstock_wire_tls_renewal_failures_total") == 1, 15)
        assert p.shown() == "second"
        p.eventually(lambda: "old one stays" in p.output())
        assert "nonsense" not in p.output()


def test_login_over_https_sets_a_secure_cookie():
    with TlsPenstock() as p:
        link = next(w for w in p.output().split() if "/login#secret=" in w)
        status, _, headers = p.request(p.admin + "/api/login", json.dumps(
            {"secret": link.split("secret=")[1]}).encode(), {"Content-Type": "application/json"})
        assert status == 200 and "; Secure" in headers["Set-Cookie"], headers


def refused_start(*flags):
    """Starts on a fresh directory; answers what it says when it refuses."""
    p = Penstock(*flags)
    try:
        done = subprocess.run([BIN, "up", "--data", p.data, "--listen", "127.0.0.1:0", "--admin",
                               "127.0.0.1:0", *flags], capture_output=True, text=True, timeout=30)
        assert done.returncode != 0, done.stdout
        return done.stderr + done.stdout
    finally:
        p.close()


def test_wrong_edge_settings_are_refused_with_a_reason():
    assert "go together" in refused_start("--set", "http.tls_cert_file=/tmp/x.pem")
    assert "/nowhere/cert.pem" in refused_start("--set", "http.tls_cert_file=/nowhere/cert.pem",
                                                "--set", "http.tls_key_file=/nowhere/key.pem")
    assert "10.0.0.0/99" in refused_start("--set", "http.trusted_proxies=10.0.0.0/99")
    assert "http.tls_cert_file" in refused_start("--set", "capture.listen=0.0.0.0:0")


def raw(p, data, read=True):
    parts = urllib.parse.urlsplit(p.capture)
    s = socket.create_connection((parts.hostname, parts.port), timeout=30)
    s.sendall(data)
    if not read:
        return s
    try:
        return s.recv(65536)
    except ConnectionResetError:
        return b""  # closed with our bytes unread


def request_bytes(body, extra=b""):
    return (b"POST /i/v0/e/ HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" + extra +
            b"Content-Length: %d\r\n\r\n" % len(body) + body)


def test_the_proxy_protocol_names_the_client():
    class Proxied(Penstock):
        def get(self, path):  # the harness's readiness check comes as a proxy would
            answer = raw(self, b"PROXY UNKNOWN\r\nGET " + path.encode() + b" HTTP/1.1\r\n\r\n")
            return int(answer.split()[1] if answer else 0), answer, {}

    with Proxied("--set", "http.proxy_protocol=true") as p:
        answer = raw(p, b"PROXY TCP6 2001:db8::7 ::2 1234 80\r\n" + request_bytes(event("six")))
        assert answer.startswith(b"HTTP/1.1 200"), answer
        v2 = (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c" + bytes([198, 51, 100, 9, 127, 0, 0, 1]) +
              b"\x04\xd2\x00\x50")
        assert raw(p, v2 + request_bytes(event("four"))).startswith(b"HTTP/1.1 200")
        assert raw(p, request_bytes(event("bare"))) == b""  # closed, not answered
        assert p.cli("send", "from the command line")[0] == 0
        p.eventually(lambda: len(p.sql("SELECT event FROM events")) == 3)
        ips = dict(p.sql("SELECT event, JSONExtractString(properties, '$ip') FROM events"))
        assert ips["six"] == "2001:db8::7" and ips["four"] == "198.51.100.9", ips


def test_a_forwarded_address_counts_only_from_a_trusted_proxy():
    for trusted, expected in (("127.0.0.0/8", "203.0.113.5"), ("10.0.0.0/8", "127.0.0.1"),
                              ("", "6.6.6.6")):
        with Penstock("--set", f"http.trusted_proxies={trusted}") as p:
            assert p.post("/i/v0/e/", event("x"),
                          {"X-Forwarded-For": "6.6.6.6, 203.0.113.5"})[0] == 200
            p.eventually(lambda: len(p.sql("SELECT event FROM events")) == 1)
            ip = p.sql("SELECT JSONExtractString(properties, '$ip') FROM events")[0][0]
            assert ip == expected, (trusted, ip)


def test_a_path_prefix_and_the_access_log():
    with Penstock("--set", "capture.path_prefix=/ingest-x1") as p:
        p.eventually(lambda: f"{p.capture}/ingest-x1" in p.output())
    folder = Penstock()
    log = pathlib.Path(folder.data, "access.log")
    try:
        with Penstock("--set", "capture.path_prefix=/ingest-x1", "--set",
                      f"http.access_log={log}") as p:
            assert p.post("/ingest-x1/i/v0/e/?ip=hidden", event("secret-event"))[0] == 200
            assert p.post("/i/v0/e/", event("plain"))[0] == 200
            assert p.get(f"/ingest-x1/array/{KEY}/config")[0] == 200
            assert p.post("/ingest-x1/i/v0/e/", b"{")[0] == 400
            assert p.cli("send", "from the command line")[0] == 0
            p.eventually(lambda: "/ingest-x1/batch/" in log.read_text())
        text = log.read_text()
        lines = [line.split() for line in text.splitlines()]
        assert all(len(line) == 8 for line in lines), lines
        assert ["POST", "/ingest-x1/i/v0/e/", "200"] in [line[1:4] for line in lines]
        assert ["GET", "/ingest-x1/array/*/config", "200"] in [line[1:4] for line in lines]
        assert ["POST", "/ingest-x1/i/v0/e/", "400"] in [line[1:4] for line in lines]
        assert any(line[2].startswith("/api/") for line in lines)  # the admin API's are there too
        for secret in (KEY, "hidden", "secret-event", "phx_"):
            assert secret not in text, secret
    finally:
        folder.close()
