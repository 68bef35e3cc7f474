import { describe, expect, it } from "vitest";

import { Cleaner } from "./clean";
import type { Members, RrwebEvent, RrwebNode } from "./rrweb";

const kOwn = "admin.example:8001";
const cleaner = (remote = false): Cleaner => new Cleaner({ remote, own_host: kOwn });

function element(tagName: string, attributes: Members = {}, ...childNodes: RrwebNode[]): RrwebNode {
  return { type: 2, id: 1, tagName, attributes, childNodes };
}
const full = (node: RrwebNode): RrwebEvent => ({ type: 2, timestamp: 1, data: { node } });
const change = (data: Members): RrwebEvent => ({ type: 3, timestamp: 1, data });

function cleaned(c: Cleaner, tagName: string, attributes: Members): Members {
  c.clean(full(element("body", {}, element(tagName, attributes))));
  return attributes;
}

describe("cleaning a recording", () => {
  it("leaves out what would be fetched and counts it by kind and site", () => {
    const c = cleaner();
    expect(cleaned(c, "img", { src: "https://cdn.example/a.png", alt: "A" })).toEqual({ alt: "A", "data-penstock-left-out": "" });
    expect(cleaned(c, "link", { rel: "stylesheet", href: "https://cdn.example/a.css" })).toEqual({ rel: "stylesheet" });
    expect(cleaned(c, "img", { srcset: "https://b.example/1.png 1x, https://b.example/2.png 2x" })).toEqual({ "data-penstock-left-out": "" });
    expect(c.left_out.count("picture")).toBe(3);
    expect(c.left_out.count("style")).toBe(1);
    expect(c.left_out.sites).toEqual(["b.example", "cdn.example"]);
  });

  it("keeps what carries itself, and links that only lead somewhere", () => {
    const c = cleaner();
    expect(cleaned(c, "img", { src: "data:image/png;base64,AA" })).toEqual({ src: "data:image/png;base64,AA" });
    expect(cleaned(c, "a", { href: "https://x.example" })).toEqual({ href: "https://x.example" });
    expect(cleaned(c, "use", { "xlink:href": "#icon" })).toEqual({ "xlink:href": "#icon" });
    expect(c.left_out.total).toBe(0);
  });

  it("keeps no frames, handlers, hints or refreshes, with consent neither", () => {
    for (const remote of [false, true]) {
      const c = cleaner(remote);
      expect(cleaned(c, "iframe", { src: "https://x.example", srcdoc: "<script>1</script>", width: "10" })).toEqual({ width: "10" });
      expect(cleaned(c, "object", { data: "https://x.example" })).toEqual({});
      expect(cleaned(c, "button", { onclick: "a()", onpointerenter: "b()", ping: "https://x.example" })).toEqual({});
      expect(cleaned(c, "link", { rel: "preconnect", href: "https://x.example" })).toEqual({});
      expect(cleaned(c, "link", { rel: "modulepreload stylesheet", href: "https://x.example" })).toEqual({});
      expect(cleaned(c, "meta", { "http-equiv": "refresh", content: "0;url=/" })).toEqual({ content: "0;url=/" });
      expect(cleaned(c, "base", { href: "https://x.example" })).toEqual({});
    }
  });

  it("with consent keeps absolute addresses of others, and never asks this server", () => {
    const c = cleaner(true);
    expect(cleaned(c, "img", { src: "https://cdn.example/a.png" })).toEqual({ src: "https://cdn.example/a.png" });
    for (const src of [`http://${kOwn}/api/me`, "/api/me", "//admin.example:8001/x", "file:///etc/passwd"]) {
      expect(cleaned(c, "img", { src }), src).toEqual({ "data-penstock-left-out": "" });
    }
    expect(cleaned(c, "link", { rel: "stylesheet", href: "https://cdn.example/a.css" })["href"]).toBe("https://cdn.example/a.css");
  });

  it("takes addresses out of CSS and leaves the rest of it valid", () => {
    const c = cleaner();
    expect(c.css(`a{background:red url("https://x.example/a.png") no-repeat}`)).toBe("a{background:red none no-repeat}");
    expect(c.css(`@import url(https://x.example/a.css) screen; @import 'b.css';`)).toBe("@import none screen; @import none;");
    expect(c.css(`@font-face{src:url(https://x.example/a.woff2) format("woff2")}`)).toBe(`@font-face{src:none format("woff2")}`);
    expect(c.css("a{background:url(data:image/gif;base64,AA)}")).toBe("a{background:url(data:image/gif;base64,AA)}");
    expect([c.left_out.count("picture"), c.left_out.count("style"), c.left_out.count("font")]).toEqual([1, 2, 1]);
  });

  it("looks into changes: new nodes, attributes, rules, sheets, fonts", () => {
    const c = cleaner();
    const added = element("img", { src: "https://x.example/1.png" });
    const attributes: Members = { src: "https://x.example/2.png", style: { background: ["url(https://x.example/3.png)", "important"] }, href: "https://x.example/" };
    c.clean(change({ source: 0, adds: [{ node: added }], attributes: [{ id: 1, attributes }], texts: [] }));
    expect(added.attributes).toEqual({ "data-penstock-left-out": "" });
    expect(attributes).toEqual({ "data-penstock-left-out": "", style: { background: ["none", "important"] } });
    const rule = { rule: "a{background:url(https://x.example/4.png)}" };
    c.clean(change({ source: 8, adds: [rule] }));
    expect(rule.rule).toBe("a{background:none}");
    expect(c.clean(change({ source: 10, fontSource: "url(https://x.example/a.woff2)", buffer: false }))).toBe(false);
    expect(c.clean(change({ source: 9, commands: [] }))).toBe(false);
    expect(c.left_out.canvas).toBe(true);
    expect(c.left_out.total).toBe(5);
  });

  it("walks a tree that is deeper than a stack", () => {
    let node = element("img", { src: "https://x.example/deep.png" });
    for (let i = 0; i < 200_000; i++) node = element("div", {}, node);
    const c = cleaner();
    c.clean(full(node));
    expect(c.left_out.total).toBe(1);
  });

  it("survives events that are not what they say", () => {
    const c = cleaner();
    for (const data of [{}, { node: 1 }, { source: 0, adds: "x", attributes: [1, null, { attributes: 7 }] }, { source: 15, styles: [{ rules: 3 }] }]) {
      expect(c.clean({ type: "node" in data ? 2 : 3, timestamp: 1, data: data as Members })).toBe(true);
    }
  });
});
