#!/usr/bin/env python3
"""Writes the request sets of the bench: what PostHog's SDKs send, ready for the wire.

usage: payloads.py --out DIR --token phc_… [--requests 1024] [--seed 1]

  a    one server-side event of about 1 KB, plain JSON       POST /i/v0/e/
  b    50 server-side events, gzip                           POST /batch/
  c1   one browser event of about 2.5 KB, gzip-js            POST /i/v0/e/?compression=gzip-js
  c    five browser events, gzip-js                          the same
  v1   the 50 events of b as Capture V1 sends them, gzip     POST /i/v1/analytics/events

NAME.req holds per request four little-endian u32 (bytes of the request, events, bytes of the body
as sent, bytes of the JSON) and the request; NAME.raw holds u32 length and JSON, for the benches of
single stages. The same seed gives the same bytes.
"""
import argparse
import json
import pathlib
import random
import struct
import uuid
import zlib

EPOCH_MS = 1_790_000_000_000
EPOCH_TEXT = "2026-09-21T14:13:"  # the minute of EPOCH_MS; events spread over its seconds
NOUNS = ("order basket ledger parcel ticket voucher canvas signal beacon harbour meadow lantern "
         "compass anchor orchard pebble ribbon saddle timber valley").split()
PLANS = ("hobby", "team", "business", "enterprise")
EVENTS = ("order placed", "parcel shipped", "report opened", "seat added", "job finished")
AGENTS = (
    ("Chrome", 131, "Windows", "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 "
     "(KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"),
    ("Firefox", 132, "Linux", "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 "
     "Firefox/132.0"),
    ("Mobile Safari", 18, "iOS", "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) "
     "AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1"),
)


class Maker:
    def __init__(self, token, seed):
        self.token = token
        self.random = random.Random(seed)

    def words(self, n):
        return "-".join(self.random.choice(NOUNS) for _ in range(n))

    def uuid7(self):
        head = struct.pack(">Q", EPOCH_MS + self.random.randrange(50_000))[2:]
        raw = bytearray(head + self.random.randbytes(10))
        raw[6] = raw[6] & 0x0F | 0x70
        raw[8] = raw[8] & 0x3F | 0x80
        return str(uuid.UUID(bytes=bytes(raw)))

    def when(self):
        return f"{EPOCH_TEXT}{self.random.randrange(60):02}.{self.random.randrange(1000):03}Z"

    def server_event(self):
        r = self.random
        lines = [{"sku": f"SKU-{r.randrange(10**6):06}", "quantity": r.randrange(1, 6),
                  "price": round(r.uniform(1, 99), 2)} for _ in range(3)]
        return {
            "event": r.choice(EVENTS), "distinct_id": f"user_{r.randrange(200_000)}",
            "timestamp": self.when(), "uuid": self.uuid7(),
            "properties": {
                "$lib": "posthog-python", "$lib_version": "7.0.0", "$geoip_disable": True,
                "$groups": {"company": f"company_{r.randrange(5_000)}", "workspace": self.uuid7()},
                "order_id": f"ord_{r.randrange(10**10):010}", "lines": lines,
                "amount": round(r.uniform(1, 900), 2), "currency": r.choice(("EUR", "USD", "GBP")),
                "plan": r.choice(PLANS), "trial": r.random() < .2, "voucher": None,
                "channel": self.words(2), "path": "/v2/" + self.words(3),
                "request_id": str(uuid.UUID(int=r.getrandbits(128))),
                "duration_ms": r.randrange(1, 4_000), "$is_server": True,
                "comment": f'wrote "{self.words(3)}" for {self.words(2)} – très bien',
                "$set": {"email": f"user{r.randrange(10**6)}@example.com", "name": self.words(2),
                         "seen_at": self.when()},
            }}

    def visitor(self):
        r = self.random
        return {"agent": r.choice(AGENTS), "id": self.uuid7(), "device": self.uuid7(),
                "session": self.uuid7(), "window": self.uuid7(), "flags": self.uuid7(),
                "company": f"company_{r.randrange(5_000)}"}

    def element(self, tag, text=""):
        classes = [f"{self.words(1)}-{self.random.randrange(9)}" for _ in range(4)]
        tail = f'text="{text}"' if text else ""
        return (f'{tag}.{".".join(classes)}:attr__class="{" ".join(classes)}"'
                f'attr__data-name="{self.words(2)}"nth-child="{self.random.randrange(1, 9)}"'
                f'nth-of-type="{self.random.randrange(1, 5)}"{tail};')

    def browser_event(self, v):
        r = self.random
        browser, version, system, agent = v["agent"]
        path = f"/{self.words(2)}/{r.randrange(10**5)}/{self.words(1)}"
        url = f"https://app.example.com{path}?from={self.words(1)}&tab={self.words(1)}"
        name = r.choices(("$autocapture", "$pageview", "$pageleave", "feature used"),
                         (45, 30, 15, 10))[0]
        p = {
            "$os": system, "$os_version": "10", "$browser": browser, "$browser_version": version,
            "$device_type": "Mobile" if system == "iOS" else "Desktop",
            "$timezone": "Europe/Berlin", "$timezone_offset": -60, "$current_url": url,
            "$host": "app.example.com", "$pathname": path, "$raw_user_agent": agent,
            "$browser_language": "de-DE", "$browser_language_prefix": "de",
            "$screen_height": 1080, "$screen_width": 1920, "$viewport_height": 940,
            "$viewport_width": 1890, "$lib": "web", "$lib_version": "1.300.0",
            "$insert_id": f"{r.getrandbits(64):016x}", "$time": EPOCH_MS / 1000,
            "distinct_id": v["id"], "$device_id": v["device"], "$user_id": v["id"],
            "$active_feature_flags": ["new-navigation", "fast-checkout", "dark-theme"],
            "$feature/new-navigation": "test", "$feature/fast-checkout": True,
            "$feature/dark-theme": "control", "$feature/holdout": False,
            "$feature_flag_request_id": v["flags"], "$groups": {"company": v["company"]},
            "$initial_person_info": {"r": "https://www.example.org/",
                                     "u": "https://example.com/pricing?utm_campaign=launch"},
            "$referrer": "https://www.example.org/", "$referring_domain": "www.example.org",
            "$session_entry_url": "https://app.example.com/login?next=%2Fhome",
            "$session_entry_host": "app.example.com", "$session_entry_pathname": "/login",
            "$session_entry_referrer": "https://www.example.org/",
            "$session_entry_referring_domain": "www.example.org",
            "$configured_session_timeout_ms": 1_800_000, "$replay_sample_rate": None,
            "$replay_minimum_duration": 2000, "$recording_status": "active",
            "$sdk_debug_replay_internal_buffer_length": r.randrange(40),
            "$sdk_debug_replay_internal_buffer_size": r.randrange(90_000),
            "$sdk_debug_retry_queue_size": 0, "$autocapture_disabled_server_side": False,
            "$web_vitals_enabled_server_side": True, "$web_vitals_allowed_metrics": None,
            "$exception_capture_enabled_server_side": False,
            "$dead_clicks_enabled_server_side": True, "$pageview_id": self.uuid7(),
            "token": self.token, "$session_id": v["session"], "$window_id": v["window"],
            "$is_identified": True, "$process_person_profile": True,
            "$lib_custom_api_host": "https://events.example.com"}
        event = {"uuid": self.uuid7(), "event": name, "properties": p, "timestamp": self.when()}
        if name == "$autocapture":
            text = self.words(2)
            p |= {"$event_type": "click", "$ce_version": 1, "$el_text": text,
                  "$elements_chain": self.element("button", text) + self.element("div")
                  + self.element("main")}
        elif name == "$pageleave":
            p |= {"$prev_pageview_id": self.uuid7(), "$prev_pageview_pathname": path,
                  "$prev_pageview_duration": round(r.uniform(1, 100), 3),
                  "$prev_pageview_max_scroll": r.randrange(3_000),
                  "$prev_pageview_max_scroll_percentage": 1}
        elif name == "$pageview":
            p["title"] = self.words(3).replace("-", " ").title()
            event["$set"] = {"$browser": browser, "$os": system, "$current_url": url}
            event["$set_once"] = {"$initial_current_url": url}
        return event


def to_json(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def gzip(data):
    packer = zlib.compressobj(6, zlib.DEFLATED, 31)
    return packer.compress(data) + packer.flush()


def post(path, headers, body):
    lines = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", *headers, f"Content-Length: {len(body)}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


SERVER = ["User-Agent: posthog-python/7.0.0", "Accept: */*", "Accept-Encoding: gzip, deflate",
          "Content-Type: application/json"]
BROWSER = ["User-Agent: " + AGENTS[0][3], "Accept: */*", "Accept-Encoding: gzip, deflate, br, zstd",
           "Accept-Language: de-DE,de;q=0.9,en;q=0.8", "Origin: https://app.example.com",
           "Referer: https://app.example.com/", "Sec-Fetch-Dest: empty", "Sec-Fetch-Mode: cors",
           "Sec-Fetch-Site: cross-site", "Content-Type: text/plain"]


def shape_a(m):
    raw = to_json({"api_key": m.token, **m.server_event()})
    return post("/i/v0/e/", SERVER, raw), 1, len(raw), raw


def shape_b(m):
    raw = to_json({"api_key": m.token, "historical_migration": False, "sent_at": m.when(),
                   "batch": [m.server_event() for _ in range(50)]})
    body = gzip(raw)
    return post("/batch/", SERVER + ["Content-Encoding: gzip"], body), 50, len(body), raw


def shape_v1(m):
    events = []
    for _ in range(50):
        e = m.server_event()
        # The SDK tells these in headers and options instead.
        del e["properties"]["$lib"], e["properties"]["$lib_version"]
        events.append({"event": e["event"], "uuid": e["uuid"], "distinct_id": e["distinct_id"],
                       "timestamp": e["timestamp"], "session_id": m.uuid7(),
                       "options": {"process_person_profile": True}, "properties": e["properties"]})
    raw = to_json({"created_at": m.when(), "batch": events})
    body = gzip(raw)
    head = [f"Authorization: Bearer {m.token}", "PostHog-Sdk-Info: posthog-python/7.0.0",
            "PostHog-Attempt: 1", f"PostHog-Request-Id: {m.uuid7()}",
            f"PostHog-Request-Timestamp: {m.when()}", "Content-Encoding: gzip"]
    return post("/i/v1/analytics/events", SERVER + head, body), 50, len(body), raw


def browser_shape(n):
    def shape(m):
        visitor = m.visitor()
        events = [m.browser_event(visitor) for _ in range(n)]
        raw = to_json(events if n > 1 else events[0])
        body = gzip(raw)
        path = f"/i/v0/e/?ip=0&_={EPOCH_MS}&ver=1.300.0&compression=gzip-js"
        return post(path, BROWSER, body), n, len(body), raw
    return shape


SHAPES = {"a": shape_a, "b": shape_b, "c1": browser_shape(1), "c": browser_shape(5),
          "v1": shape_v1}


def write(directory, name, maker, requests):
    events = raw_bytes = body_bytes = 0
    with open(directory / f"{name}.req", "wb") as out, open(directory / f"{name}.raw", "wb") as raws:
        for _ in range(requests):
            request, n, body, raw = SHAPES[name](maker)
            out.write(struct.pack("<IIII", len(request), n, body, len(raw)) + request)
            raws.write(struct.pack("<I", len(raw)) + raw)
            events, raw_bytes, body_bytes = events + n, raw_bytes + len(raw), body_bytes + body
    print(f"{name:3} {requests} requests of {events // requests} events; "
          f"{raw_bytes // events} B of JSON, {body_bytes // events} B on the wire per event")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--token", required=True)
    parser.add_argument("--requests", type=int, default=1024)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for name in SHAPES:
        write(options.out, name, Maker(options.token, options.seed), options.requests)


if __name__ == "__main__":
    main()
