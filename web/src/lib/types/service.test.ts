import { readFileSync, readdirSync } from "node:fs";
import ts from "typescript-service";
import { beforeAll, describe, expect, it } from "vitest";

import { inserted_types, to_original, to_typed } from "./hooks";
import { TypeService } from "./service";

const kLib = new URL("../../../node_modules/typescript-service/lib/", import.meta.url);
const kDeclarations = readFileSync(new URL("../../../../src/apps/js/penstock-app.d.ts", import.meta.url), "utf8");

describe("types of an app", () => {
  let service: TypeService;
  beforeAll(() => {
    const library = Object.fromEntries(
      readdirSync(kLib)
        .filter((name) => /^lib\.es.*\.d\.ts$/.test(name) && !/\.(dom|full)/.test(name))
        .map((name) => [name, readFileSync(new URL(name, kLib), "utf8")]),
    );
    service = new TypeService(ts, library, kDeclarations);
  });
  const of = (text: string, name = "index.js"): TypeService => {
    service.open({ [name]: text }, ["greeting"]);
    return service;
  };
  /** The text without its bar, and where that was. */
  const at_bar = (text: string): [string, number] => [text.replace("|", ""), text.indexOf("|")];
  const options = (text: string, name?: string): string[] => {
    const [code, at] = at_bar(text);
    return of(code, name).completions(name ?? "index.js", at).map((o) => o.label);
  };

  it("the declarations have no mistake in them", () => {
    of("");
    expect(service.mistakes("penstock-app.d.ts")).toEqual([]);
  });

  it("JavaScript without annotations knows the event, the meta and the settings", () => {
    expect(options("export function processEvent(event, meta) {\n  event.|\n}")).toEqual(
      expect.arrayContaining(["uuid", "event", "distinct_id", "properties", "team_id"]),
    );
    expect(options("export async function processEvent(event, { storage }) { await storage.| }")).toEqual(["del", "get", "set"]);
    expect(options("export const onEvent = (event, meta) => { meta.config.| }")).toContain("greeting");
    expect(options("function processEvent(event, meta) { meta.| }")).toContain("geoip");
    expect(options("console.|")).toEqual(expect.arrayContaining(["log", "warn"]));
  });

  it("TypeScript has what it imports", () => {
    const head = "import { Plugin } from '@posthog/plugin-scaffold'\n";
    expect(options(`${head}export const processEvent: Plugin['processEvent'] = (event) => { event.| }`, "index.ts")).toContain("distinct_id");
    expect(options("import * as zlib from 'zlib'\nzlib.|", "index.ts")).toContain("gunzipSync");
  });

  it("says what is wrong, where it is", () => {
    const [code, at] = at_bar("export function processEvent(event) {\n  event.|propertees = {}\n  return event\n}\n");
    const found = of(code).mistakes("index.js");
    expect(found).toHaveLength(1);
    expect(found[0]).toMatchObject({ from: at, to: at + "propertees".length, severity: "error" });
    expect(found[0]?.message).toMatch(/propertees.*does not exist/s);
    expect(of("export function processEvent(event) {\n  return event\n").mistakes("index.js")[0]?.message).toBe("'}' expected.");
    expect(of("import fs from 'fs'\nfs").mistakes("index.js")[0]?.message).toMatch(/Cannot find module 'fs'/);
  });

  it("leaves working code alone", () => {
    for (const code of [
      "export function processEvent(event, { config }) {\n  if (event.properties) event.properties.greeting = config.greeting\n  return event\n}",
      "async function setupPlugin({ global, cache }) { global.n = await cache.get('n', 0) }\nmodule.exports = { setupPlugin }",
      "const { createHash } = require('crypto')\nexport function processEvent(event) { event.distinct_id = createHash('md5').update('a').digest('hex'); return event }",
      "export const jobs = { later: async (payload, meta) => { await meta.jobs.later({}).runIn(5, 'minutes') } }\nexport const metrics = { sent: 'sum' }",
    ]) {
      expect(of(code).mistakes("index.js")).toEqual([]);
    }
  });

  it("says what a name means", () => {
    const [code, at] = at_bar("export function processEvent(event, meta) { return meta.geo|ip && event }");
    const meaning = of(code).meaning("index.js", at);
    expect(meaning?.signature).toContain("geoip: GeoIPExtension");
    expect(code.slice(meaning?.from, meaning?.to)).toBe("geoip");
    const [call, place] = at_bar("fet|ch('https://example.com')");
    expect(of(call).meaning("index.js", place)?.documentation).toMatch(/not public/);
  });
});

it("places are carried over what was inserted", () => {
  const code = "let a\nexport function processEvent(event) {}\nfunction onEvent() {}\n";
  const { text, insertions } = inserted_types("index.js", code);
  expect(insertions).toHaveLength(2);
  for (let at = 0; at <= code.length; at++) {
    const typed = to_typed(insertions, at);
    expect(text[typed]).toBe(code[at]);
    expect(to_original(insertions, typed)).toBe(at);
  }
  expect(inserted_types("index.ts", code).insertions).toEqual([]);
  expect(inserted_types("index.js", "/** @param {PluginEvent} event */\nfunction processEvent(event) {}").insertions).toEqual([]);
});
