"""Hog from the command line, and against PostHog's published machine and parser."""
import http.server
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading

BIN = os.environ["PENSTOCK_BIN"]
HOG = pathlib.Path(__file__).resolve().parents[1] / "hog"


def hog(*args, stdin=None):
    return subprocess.run([BIN, "hog", *args], input=stdin, capture_output=True, text=True, timeout=30)


def test_hog_runs_programs_and_shows_mistakes():
    with tempfile.TemporaryDirectory() as folder:
        event = pathlib.Path(folder, "event.json")
        event.write_text(json.dumps({"event": {"properties": {"n": 20}}}))
        out = hog("run", "-e", "print('n is', event.properties.n) return event.properties.n + 1", "--globals", str(event))
        assert (out.returncode, out.stdout) == (0, "n is 20\n21\n"), out
        out = hog("run", "--json", "-e", "throw Error('no')")
        assert out.returncode == 1 and json.loads(out.stdout)["error"] == "Error('no')", out
        program = pathlib.Path(folder, "a.hog")
        program.write_text("let x := 1\nreturn x +\n")
        out = hog("run", str(program))
        assert out.returncode == 1 and f"{program}:3:1: Expected an expression" in out.stderr, out
        program.write_text("let x:=[1,2] // two\nreturn upper(x)\n")
        out = hog("run", str(program))
        assert out.returncode == 1 and "2 | return upper(x)" in out.stderr and "^" in out.stderr, out
        assert hog("fmt", "--write", str(program)).returncode == 0
        assert program.read_text() == "let x := [1, 2] // two\nreturn upper(x)\n"


class Answers(http.server.BaseHTTPRequestHandler):
    """Tells what it was asked; redirects and fails where it is asked to."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        told = json.dumps({"method": self.command, "body": body, "type": self.headers.get("Content-Type"),
                           "key": self.headers.get("X-Key")}).encode()
        if self.path == "/text":
            told = b"plain {"
        self.send_response({"/moved": 302, "/bad": 400}.get(self.path, 200))
        self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)

    do_GET = do_PUT = do_POST

    def log_message(self, *_):
        pass


DESTINATION = """let n := 0
for (let path in ['/json', '/text', '/moved', '/bad']) {
  let res := fetch(f'{inputs.url}{path}', {'method': 'put', 'headers': {'X-Key': 'k', 'n': 5}, 'body': {'n': n, 'path': path}})
  print(res.status, typeof(res.body))
  n := n + 1
}
sleep(0.01)
let res := fetch(f'{inputs.url}/json')
return [n, res.body.method, res.body.type, fetch(f'{inputs.url}/json', {'method': 'GET', 'body': 'x'}).body.body, fetch('http://nowhere.invalid/').status]
"""


def test_hog_fetches_and_goes_on_where_it_waited():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    try:
        with tempfile.TemporaryDirectory() as folder:
            globals_ = pathlib.Path(folder, "globals.json")
            globals_.write_text(json.dumps({"inputs": {"url": url}}))
            given = ("--globals", str(globals_), "--allow-private", "127.0.0.1")
            out = hog("run", "-", *given, stdin=DESTINATION)
            assert (out.returncode, out.stderr) == (0, ""), out
            assert out.stdout == "200 object\n200 string\n302 object\n400 object\n" \
                "[4, 'POST', 'application/json', '', 500]\n", out
            out = hog("run", "-e", f"return fetch('{url}/json')")
            assert out.returncode == 1 and "--allow-private" in out.stderr, out
            # The run is saved where it waits and goes on in another process.
            saved = pathlib.Path(folder, "saved.json")
            out = hog("run", "--suspend", "--json", "-e",
                      "let who := {'at': toDateTime('2024-01-31')}  let res := fetch('https://x.example', {'method': 'GET'})  return (res.status, who.at)")
            saved.write_text(out.stdout)
            outcome = json.loads(out.stdout)
            assert out.returncode == 0 and outcome["async_function"] == "fetch", out
            assert outcome["arguments"] == ["https://x.example", {"method": "GET"}], outcome
            out = hog("run", "--resume", str(saved), "--result", '{"status": 418}')
            assert (out.returncode, out.stdout) == (0, "(418, DateTime(1706659200.0, 'UTC'))\n"), out
            out = hog("run", "-e", "postHogCapture({'event': 'x'})")
            assert out.returncode == 1 and "PostHog's server" in out.stderr and "warning" not in out.stderr, out
            out = hog("run", "-e", "return cleanNullValues({'a': null, 'b': 1})")
            assert out.stdout == "{'b': 1}\n", out
    finally:
        server.shutdown()
        server.server_close()


def test_hog_bytecode_round_trip():
    code = hog("compile", "-", stdin="return 6 * 7").stdout
    assert json.loads(code) == ["_H", 1, 33, 7, 33, 6, 8, 38]
    assert hog("run", "-", stdin=code).stdout == "42\n"
    assert "MULTIPLY" in hog("disasm", "-", stdin=code).stdout
    assert hog("repl", stdin="let a := 20\na * 2\n").stdout == "40\n"


def test_hog_agrees_with_posthogs_machine_and_parser():
    if not (HOG / "node_modules").exists():
        return "tools/setup --test fetches the oracles"
    out = subprocess.run([sys.executable, str(HOG / "differential.py"), "--programs", "2000", "--tree-every", "100"],
                         capture_output=True, text=True, timeout=600)
    assert out.returncode == 0, out.stdout[-4000:]


def test_hog_agrees_on_programs_like_destination_templates():
    if not (HOG / "node_modules").exists():
        return "tools/setup --test fetches the oracles"
    out = subprocess.run([sys.executable, str(HOG / "differential.py"), "--style", "destinations", "--programs", "500", "--tree-every", "250"],
                         capture_output=True, text=True, timeout=600)
    assert out.returncode == 0, out.stdout[-4000:]
