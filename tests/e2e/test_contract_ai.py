"""AI events on the wire: a batch as on /batch, and one event in multipart parts."""
import base64
import gzip
import json
import uuid

import sdk
from harness import KEY, Penstock
from raw import Table, Wire, batch, event

BOUNDARY = "----penstock-e2e-7d1f"


def part(name, data, kind="application/json", **more):
    data = data if isinstance(data, bytes) else json.dumps(data).encode()
    lines = [f"--{BOUNDARY}", f'Content-Disposition: form-data; name="{name}"; filename="blob"']
    lines += [f"Content-Type: {kind}"] if kind else []
    lines += [f"{key.replace('_', '-')}: {value}" for key, value in more.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + data + b"\r\n"


def form(*parts):
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


def headers(**more):
    out = {"Authorization": f"Bearer {KEY}",
           "Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    return {**out, **{key.replace("_", "-"): value for key, value in more.items()}}


def ai_event(**more):
    return {"event": "$ai_generation", "distinct_id": "u1", "uuid": str(uuid.uuid4()), **more}


def test_ai_batch_takes_what_batch_takes():
    with Penstock() as p:
        t = Table(p)
        for path in ("/i/v0/ai/batch", "/i/v0/ai/batch/"):
            t.row("batch", 200, batch(event("$ai_generation"), event("no ai event")), path)
            t.row("single", 200, {"api_key": KEY, **event("$ai_span")}, path)
            t.row("no key", 401, [event("$ai_span")], path)
            t.row("bad", 400, b"{", path)
            large = event("$ai_trace", properties={"$ai_input": "x" * (8 << 20)})
            t.row("8 MiB in an event", 200, batch(large), path)
        t.finish()
        sizes = p.sql("SELECT length(properties) FROM events WHERE event = '$ai_trace'")
        assert len(sizes) == 2 and all(int(s[0]) > 8 << 20 for s in sizes), sizes


def test_ai_multipart_becomes_one_event():
    with Penstock() as p, Wire(p) as wire:
        image = bytes(range(256)) * 20
        plain = ai_event(properties={"$ai_model": "m"})
        parts = ai_event(timestamp="2026-11-01T00:00:00Z")
        bodies = {
            plain["uuid"]: form(part("event", plain)),
            parts["uuid"]: form(
                part("event", parts), part("event.properties", {"$ai_model": "m", "deep": {"a": 1}}),
                part("event.properties.$ai_input", [{"role": "user", "content": "naïve ☂"}]),
                part("event.properties.$ai_output_choices", gzip.compress(b'[{"n":1}]'),
                     Content_Encoding="gzip"),
                part("event.properties.deep.note", "ünï \"quoted\"\r\n".encode(), "text/plain"),
                part("event.properties.image", image, "image/png")),
        }
        for one, data in bodies.items():
            for path, packed, more in (("/i/v0/ai", data, {}), ("/i/v0/ai/", gzip.compress(data),
                                                                {"Content_Encoding": "gzip"})):
                answer = wire.ask(packed, path, "POST", headers(**more, Origin="https://a.example"))
                assert answer.status == 200, answer
                said = json.loads(answer.body)
                assert said["status"] == "Ok", said
                assert said["accepted_parts"][0]["name"] == "event", said
                assert answer.headers["access-control-allow-origin"] == "https://a.example"
        total = sdk.balanced(p)
        assert (int(total["received"]), int(total["deduplicated"])) == (4, 2), total
        rows = dict(p.sql("SELECT toString(uuid), properties FROM events"))
        assert set(rows) == set(bodies), rows
        stored = json.loads(rows[parts["uuid"]])
        assert stored["$ai_input"] == [{"role": "user", "content": "naïve ☂"}], stored
        assert stored["$ai_output_choices"] == [{"n": 1}], stored
        assert stored["deep"] == {"a": 1, "note": "ünï \"quoted\"\r\n"}, stored
        kind, data = stored["image"].split(",", 1)
        assert kind == "data:image/png;base64" and base64.b64decode(data) == image, kind
        assert json.loads(rows[plain["uuid"]])["$ai_model"] == "m"


def test_ai_multipart_refusals():
    good = form(part("event", ai_event()))
    with Penstock() as p, Wire(p) as wire:
        def status(data, path="/i/v0/ai", method="POST", **more):
            sent = {k: v for k, v in headers(**more).items() if v is not None}
            answer = wire.ask(data, path, method, sent)
            assert "Location" not in answer.headers and KEY not in answer.body.decode(), answer
            return answer.status

        assert status(good, Authorization=None) == 401
        assert status(good, Authorization="Bearer phx_x") == 401
        assert status(good, Content_Type="application/json") == 415
        assert status(good, Content_Type="multipart/form-data") == 400
        assert status(b"") == 400
        assert status(good[:-10]) == 400
        assert status(good + b"more") == 400
        assert status(b"--other--") == 400
        assert status(form(part("event", {"event": "pageview", "distinct_id": "u"}))) == 400
        assert status(form(part("event", ai_event()), part("what", {}))) == 400
        assert status(form(part("event.properties", {}), part("event", ai_event()))) == 400
        assert status(form(part("event", ai_event()), part("event.properties.a", b"x" * (25 << 20),
                                                           "text/plain"))) == 413
        assert status(b"", method="GET") == 405
        for path in ("/i/v0/ai/otel", "/i/v1/logs", "/i/v1/traces", "/i/v1/metrics"):
            assert status(b"{}", path) == 404, path
        assert int(p.ledger()["total"]["received"]) == 0
        assert status(good) == 200
