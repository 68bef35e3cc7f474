#!/usr/bin/env python3
"""Packs files that Penstock serves into one file that the binary links in.

usage: pack_assets.py web WEB_DIST OUT_PACK OUT_ASM
       pack_assets.py sdk POSTHOG_JS_DIST OUT_PACK OUT_ASM
       pack_assets.py apps APPS OUT_PACK OUT_ASM
       pack_assets.py scripts APPS_JS:SUCRASE_DIST OUT_PACK OUT_ASM

OUT_PACK: for every file its path, content type, bytes and gzip copy, each with a u32le length.
OUT_ASM: an assembler file that includes the pack under the symbol penstock_web_pack,
penstock_sdk_pack, penstock_apps_pack or penstock_scripts_pack.

web: the built UI, with plain bytes and gzip copies; without a built UI one page that says how to
build it. sdk: the browser bundles that posthog-js and its snippet can ask for, gzip copies only,
because every browser takes them so. apps: packages of apps, plain bytes only. scripts: what app
workers run before apps and the types of what these find, plain bytes; sucrase's modules become one script, without what only its
command line and source maps need.
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
# What snippets load (array…), and every kind of posthog-js's loadExternalDependency that its package
# publishes, those of older versions included. The toolbar is not part of the package.
SDK_KINDS = (
    "array", "array.full", "array.full.es5",
    "recorder", "recorder-v2", "posthog-recorder", "lazy-recorder",
    "surveys", "surveys-preview", "product-tours", "product-tours-preview", "conversations",
    "exception-autocapture", "dead-clicks-autocapture", "tracing-headers", "logs",
    "element-inference", "customizations.full", "intercom-integration", "crisp-chat-integration",
    "web-vitals", "web-vitals-with-attribution", "web-vitals-soft-navs",
    "web-vitals-with-attribution-soft-navs",
)


def field(out, data):
    out += struct.pack("<I", len(data)) + data


def packed(data):
    return gzip.compress(data, 9, mtime=0)


def web_entries(dist):
    files = sorted(p for p in dist.rglob("*") if p.is_file()) if dist.is_dir() else []
    entries = [("/" + p.relative_to(dist).as_posix(), p.read_bytes()) for p in files]
    if not any(path == "/index.html" for path, _ in entries):
        entries = [("/index.html", MISSING)]
    for path, data in entries:
        kind = TYPES.get(pathlib.PurePosixPath(path).suffix, "application/octet-stream")
        is_text = kind.split("/")[0] in ("text", "application") or "svg" in kind
        small = packed(data) if is_text else b""
        yield path, kind, data, small if len(small) < len(data) else b""


def sdk_entries(dist):
    yield "/static/LICENSE.txt", TYPES[".txt"], b"", packed((dist / "../LICENSE").read_bytes())
    for name in sorted(SDK_KINDS):
        yield f"/static/{name}.js", TYPES[".js"], b"", packed((dist / f"{name}.js").read_bytes())


def app_entries(folder):
    for p in sorted(p for p in folder.rglob("*") if p.is_file()):
        yield "/" + p.relative_to(folder).as_posix(), "text/plain; charset=utf-8", p.read_bytes(), b""


def sucrase(dist):
    """One function that answers the module "./index" and how others are loaded; a module is looked up by its last path."""
    modules = []
    for path in sorted(p for p in dist.rglob("*.js") if "esm" not in p.parts):
        name = path.relative_to(dist).as_posix().removesuffix(".js")
        if name in ("cli", "register", "Options-gen-types"):
            continue
        text = path.read_text()
        if name in ("Options", "computeSourceMap", "util/formatTokens"):  # they need other packages
            text = "exports.validateOptions = exports.default = function () {};"
        modules.append(f'"{name}": function (module, exports, require) {{{text}\n}}')
    return ("(function () { const modules = {" + ",\n".join(modules) + """};
const loaded = {};
function load(name) {
  if (!loaded[name]) {
    const module = (loaded[name] = { exports: {} });
    const folder = name.split("/").slice(0, -1);
    modules[name](module, module.exports, (to) => {
      const path = folder.slice();
      for (const part of to.split("/")) {
        if (part === "..") path.pop();
        else if (part !== ".") path.push(part);
      }
      const found = path.join("/");
      return load(found in modules ? found : found + "/index");
    });
  }
  return loaded[name].exports;
}
return { ...load("index"), load }; })()""").encode()


def script_entries(places):
    own, dist = map(pathlib.Path, str(places).split(":"))
    for path in sorted([*own.glob("*.js"), *own.glob("*.d.ts")]):
        yield path.name, TYPES[".js"], path.read_bytes(), b""
    yield "sucrase.js", TYPES[".js"], sucrase(dist), b""


def main():
    what = sys.argv[1]
    dist, pack_path, asm_path = map(pathlib.Path, sys.argv[2:5])
    pack = bytearray()
    for path, kind, data, small in ENTRIES[what](dist):
        for part in (path.encode(), kind.encode(), data, small):
            field(pack, part)
    if not pack_path.exists() or pack_path.read_bytes() != pack:
        pack_path.write_bytes(pack)
    symbol = f"penstock_{what}_pack"
    asm_path.write_text(
        f'.section .rodata\n.balign 16\n.global {symbol}\n.global {symbol}_end\n'
        f'{symbol}:\n.incbin "{pack_path}"\n{symbol}_end:\n.byte 0\n'
        '.section .note.GNU-stack,"",@progbits\n')


ENTRIES = {"web": web_entries, "sdk": sdk_entries, "scripts": script_entries, "apps": app_entries}
main()
