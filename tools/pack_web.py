#!/usr/bin/env python3
"""Packs the built web UI into one file that the binary links in.

usage: pack_web.py WEB_DIST OUT_PACK OUT_ASM

OUT_PACK: for every file its path, content type, bytes and gzip copy, each with a u32le length.
OUT_ASM: an assembler file that includes the pack under the symbol penstock_web_pack. Without a
built UI the pack holds one page that says how to build it.
"""
import gzip
import pathlib
import struct
import sys

TYPES = {
    ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml", ".png": "image/png",
    ".ico": "image/x-icon", ".json": "application/json", ".woff2": "font/woff2",
    ".txt": "text/plain; charset=utf-8", ".webmanifest": "application/manifest+json",
}
MISSING = b"""<!doctype html><meta charset="utf-8"><title>Penstock</title>
<p>This build of Penstock carries no web UI. <code>make web build</code> adds it.</p>
"""


def field(out, data):
    out += struct.pack("<I", len(data)) + data


def main():
    dist, pack_path, asm_path = map(pathlib.Path, sys.argv[1:4])
    pack = bytearray()
    files = sorted(p for p in dist.rglob("*") if p.is_file()) if dist.is_dir() else []
    entries = [("/" + p.relative_to(dist).as_posix(), p.read_bytes()) for p in files]
    if not any(path == "/index.html" for path, _ in entries):
        entries = [("/index.html", MISSING)]
    for path, data in entries:
        kind = TYPES.get(pathlib.PurePosixPath(path).suffix, "application/octet-stream")
        small = gzip.compress(data, 9, mtime=0) if kind.split("/")[0] in ("text", "application") or "svg" in kind else b""
        if len(small) >= len(data):
            small = b""
        for part in (path.encode(), kind.encode(), data, small):
            field(pack, part)
    if not pack_path.exists() or pack_path.read_bytes() != pack:
        pack_path.write_bytes(pack)
    asm_path.write_text(
        '.section .rodata\n.balign 16\n.global penstock_web_pack\n.global penstock_web_pack_end\n'
        f'penstock_web_pack:\n.incbin "{pack_path}"\npenstock_web_pack_end:\n.byte 0\n'
        '.section .note.GNU-stack,"",@progbits\n')


main()
