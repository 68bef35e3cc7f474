// Goal: apps run as PostHog's plugin server runs them, and what they do stays with them.
// Method: Vms in this process, with a host that answers from memory.
#include "apps/script/vm.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <time.h>

#include <thread>

#include "event/json_fields.h"

namespace penstock::apps {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class Host : public VmHost {
 public:
  void host_call(Vm&, uint64_t id, std::string_view op, std::string arguments,
                 std::string) override {
    calls.push_back(std::string(op) + " " + arguments);
    waiting.push_back(id);
  }
  void log(Vm&, LogEntry::Source, LogEntry::Level, std::string message) override {
    logs.push_back(std::move(message));
  }
  void metric(Vm&, std::string_view name, std::string_view kind, double value) override {
    metrics.push_back(std::string(name) + " " + std::string(kind) + " " +
                      std::to_string(static_cast<int>(value)));
  }
  std::string locate(std::string_view) override { return R"({"city":{"names":{"en":"Here"}}})"; }
  int64_t mono_ns() const override { return now_ns; }
  int64_t wall_ms() const override { return 1'760'000'000'000; }
  void enter(Vm& vm, int64_t) override {
    // Stops what runs for long, as the worker's timer does.
    if (watch)
      watcher = std::jthread([&vm](const std::stop_token& stop) {
        const timespec pause{0, 2'000'000};
        for (int i = 0; i < 100 && !stop.stop_requested(); i++) ::nanosleep(&pause, nullptr);
        if (!stop.stop_requested()) vm.stop_flag() = true;
      });
  }
  void leave(Vm&) override { watcher = {}; }
  void fill_random(std::string& out) override { out.assign(out.size(), 'r'); }

  std::vector<std::string> calls, logs, metrics;
  std::vector<uint64_t> waiting;
  int64_t now_ns = 1;
  bool watch = false;
  std::jthread watcher;
};

class VmTest : public ::testing::Test {
 protected:
  /// Loads an app; answers what its loading did.
  VmAnswer load(std::map<std::string, std::string> files, const std::string& config = "{}") {
    VmSpec spec;
    spec.config = 39;
    spec.plugin = 60;
    spec.project = 2;
    spec.name = "App";
    spec.token = "phc_x";
    spec.config_json = config;
    spec.files = std::move(files);
    vm = std::make_unique<Vm>(host, std::move(spec), limits);
    VmAnswer out;
    vm->load([&](VmAnswer answer) { out = std::move(answer); });
    return out;
  }
  void load_js(const std::string& code, const std::string& config = "{}") {
    const VmAnswer answer = load({{"index.js", code}}, config);
    ASSERT_EQ(answer.kind, VmAnswer::Kind::kValue) << answer.error.message;
  }
  VmAnswer process(const std::string& event) {
    VmAnswer out;
    out.error.message = "it still waits";
    vm->process(2, event, [&](VmAnswer answer) { out = std::move(answer); });
    if (out.changed) out.json = out.event.whole(event);
    return out;
  }
  /// The event after one line of code in processEvent.
  std::string after(const std::string& code, const std::string& event) {
    load_js("function processEvent(event, meta) { " + code + "; return event }");
    const VmAnswer answer = process(event);
    EXPECT_EQ(answer.kind, VmAnswer::Kind::kValue) << answer.error.message;
    return answer.changed ? answer.json : event;
  }

  VmLimits limits;
  Host host;
  std::unique_ptr<Vm> vm;
};

constexpr const char* kEvent =
    R"({"event":"a","team_id":2,"properties":{"x":1,"deep":{"list":[1,2.50],"s":"\u00e9"}}})";

TEST_F(VmTest, WhatIsNotChangedIsWrittenBackAsItWas) {
  EXPECT_EQ(after("event.properties.deep.list.length", kEvent), kEvent);
  EXPECT_EQ(after("event.properties.y = event.properties.x + 1", kEvent),
            R"({"event":"a","team_id":2,"properties":{"x":1,)"
            R"("deep":{"list":[1,2.50],"s":"\u00e9"},"y":2}})");
  EXPECT_EQ(after("delete event.properties.deep", kEvent),
            R"({"event":"a","team_id":2,"properties":{"x":1}})");
  EXPECT_EQ(after("event.properties.deep.list.push(3)", kEvent),
            R"({"event":"a","team_id":2,"properties":{"x":1,)"
            R"("deep":{"list":[1,2.5,3],"s":"\u00e9"}}})");
  EXPECT_EQ(after("event.properties.u = undefined; event.properties.f = () => 1", kEvent), kEvent);
}

TEST_F(VmTest, LazyObjectsAreOrdinaryOnes) {
  const auto value = [&](const std::string& code) {
    const std::string out = after("const e = event, p = e.properties; event.r = " + code, kEvent);
    return std::string(event::JsonFields::parse(out)->find("r").value_or("?"));
  };
  EXPECT_EQ(value("Object.keys(p)"), R"(["x","deep"])");
  EXPECT_EQ(value("JSON.stringify(p)"), R"("{\"x\":1,\"deep\":{\"list\":[1,2.5],\"s\":\"é\"}}")");
  EXPECT_EQ(value("'x' in p && !('y' in p) && 'toString' in p"), "true");
  EXPECT_EQ(value("p.hasOwnProperty('x') && Object.hasOwn(p, 'deep')"), "true");
  EXPECT_EQ(value("Object.prototype.toString.call(p) + String(p)"),
            R"("[object Object][object Object]")");
  EXPECT_EQ(value("p instanceof Object && p.constructor === Object"), "true");
  EXPECT_EQ(value("({...p, x: 2})"), R"({"x":2,"deep":{"list":[1,2.5],"s":"é"}})");
  EXPECT_EQ(value("Object.entries(p)[0]"), R"(["x",1])");
  EXPECT_EQ(value("Object.assign({}, p).x"), "1");
  EXPECT_EQ(value("(() => { const out = []; for (const k in p) out.push(k); return out })()"),
            R"(["x","deep"])");
  EXPECT_EQ(value("(() => { const { x, ...rest } = p; return Object.keys(rest) })()"),
            R"(["deep"])");
  EXPECT_EQ(value("p.deep === p.deep"), "true");
  EXPECT_EQ(value("(() => { Object.defineProperty(p, 'g', {get: () => 5, enumerable: true});"
                  " return p.g + Object.keys(p).length })()"),
            "8");
  EXPECT_EQ(
      value("(() => { Object.freeze(p); p.x = 9; p.z = 1; return [p.x, p.z === undefined] })()"),
      "[1,true]");
  EXPECT_EQ(value("(() => { const o = Object.create(p); o.x = 3; return [o.x, p.x] })()"), "[3,1]");
  EXPECT_EQ(value("Object.getOwnPropertyDescriptor(p, 'x')"),
            R"({"value":1,"writable":true,"enumerable":true,"configurable":true})");
}

TEST_F(VmTest, KeysWithEscapesTwinsAndNumbers) {
  const std::string event =
      R"({"event":"a","team_id":2,"properties":{"\u0061b":1,"b":2,"2":0,"ab":3,"1":0,)"
      R"("__proto__":4}})";
  load_js(
      "function processEvent(e) { return {...e, properties: {v: e.properties.ab, "
      "k: Object.keys(e.properties)}} }");
  EXPECT_EQ(process(event).json,
            R"({"event":"a","team_id":2,"properties":{"v":3,"k":["1","2","ab","b","__proto__"]}})");
}

TEST_F(VmTest, ExportsAreFoundWhereverTheyAre) {
  for (const char* code :
       {"function processEvent(e) { e.via = 1; return e }",
        "const processEvent = async (e) => { e.via = 1; return e }",
        "exports.processEvent = (e) => { e.via = 1; return e }",
        "module.exports = { processEvent(e) { e.via = 1; return e } }",
        "export function processEvent(e) { e.via = 1; return e }",
        "export default { processEvent: async (e) => { e.via = 1; return e } }",
        "export const processEventBatch = async (batch) => batch.map((e) => ({ ...e, via: 1 }))"}) {
    load_js(code);
    EXPECT_EQ(process(R"({"event":"a","team_id":2})").json, R"({"event":"a","team_id":2,"via":1})")
        << code;
  }
}

TEST_F(VmTest, TypeScriptNeedsNoBuild) {
  const VmAnswer answer =
      load({{"index.ts", R"(
    import { Plugin, PluginEvent } from '@posthog/plugin-scaffold'
    import type { Other } from './types'
    import { add } from './lib/math'
    enum Kind { A = 'kind-a' }
    interface Extra extends PluginEvent { kind?: Kind }
    const plugin: Plugin = {
      processEvent: async (event: Extra, { config }): Promise<Extra> => {
        event.kind = Kind.A
        event.properties!['sum'] = add(1, <number>config.n as any)
        return event
      },
    }
    export default plugin)"},
            {"lib/math.ts", "export const add = (a: number, b: string) => a + Number(b)"},
            {"plugin.json", R"({"main":"index.ts"})"}},
           R"({"n":"2"})");
  ASSERT_EQ(answer.kind, VmAnswer::Kind::kValue) << answer.error.message << answer.error.stack;
  EXPECT_EQ(process(R"({"team_id":2,"properties":{}})").json,
            R"({"team_id":2,"properties":{"sum":3},"kind":"kind-a"})");
}

TEST_F(VmTest, NamespacesHaveValues) {
  const VmAnswer answer =
      load({{"index.ts", R"(
    import { Url } from './url'
    import * as crypto from 'crypto'
    import hashes, { createHash } from 'crypto'
    namespace Names {
      export const prefix: string = 'p'
      export let count = 0
      const hidden = 1 >> 0
      export function next<T>(it: T): string { count++; return prefix + hidden + it }
      export class Box { held = this.it + '!'; constructor(private readonly it: string) {} }
      export enum Kind { A = 'kind-a' }
      export namespace Deep { export const more = `${prefix}/${Kind.A}` }
      export interface Nothing { a: string }
    }
    namespace Names { export const again = prefix + 2 }
    namespace OnlyTypes { export type A = string }
    const OnlyTypes = 'a value'
    class Old { static version: number; b?: string }
    namespace Old { export const age = 3 }
    export import Deep = Names.Deep
    export function processEvent(event: any) {
      event.r = [Names.next('x'), Names.count, new Names.Box('b').held, Deep.more, Names.again,
        OnlyTypes, Old.age, 'version' in Old, Url.Parts.host, hashes === crypto,
        createHash === crypto.createHash, (Names as any).hidden === undefined]
      return event
    })"},
            {"url.ts", "export namespace Url.Parts { export const host = 'h' }"}});
  ASSERT_EQ(answer.kind, VmAnswer::Kind::kValue) << answer.error.message << answer.error.stack;
  EXPECT_EQ(
      process(R"({"team_id":2})").json,
      R"({"team_id":2,"r":["p1x",1,"b!","p/kind-a","p2","a value",3,false,"h",true,true,true]})");
}

TEST_F(VmTest, FilesAreFoundAsTypeScriptNamesThem) {
  ASSERT_EQ(load({{"src/index.ts",
                   "import { a } from './a.js'\nimport b from '../b'\n"
                   "export const processEvent = (e: any) => ({ ...e, r: [a, b.c] })"},
                  {"src/a.ts", "export const a: number = 1"},
                  {"b/index.js", "module.exports = { c: 2 }"},
                  {"plugin.json", R"({"main":"src/index.ts"})"}})
                .kind,
            VmAnswer::Kind::kValue);
  EXPECT_EQ(process(R"({"team_id":2})").json, R"({"team_id":2,"r":[1,2]})");
}

TEST_F(VmTest, ItSaysWhatItHas) {
  load_js(R"(
    exports.setupPlugin = async ({ global, config }) => { global.ready = config.a }
    exports.processEvent = (e, { global }) => { e.r = global.ready; return e }
    exports.runEveryMinute = () => {}
    exports.runEveryLeapYear = () => {}
    exports.jobs = { later: () => {} }
    exports.metrics = { sent: 'SUM' }
    exports.randomThing = 1)",
          R"({"a":"b"})");
  const VmAnswer loaded = load({{"index.js", "exports.jobs={j(){}}; exports.runEveryX=()=>{}"}});
  EXPECT_THAT(loaded.json,
              HasSubstr(R"("methods":[],"scheduled_tasks":["runEveryX"],"jobs":["j"])"));
  EXPECT_EQ(load({{"index.js", "exports.metrics={m:'avg'}"}}).kind, VmAnswer::Kind::kThrew);
  EXPECT_THAT(load({{"index.js", "require('left-pad')"}}).error.message, HasSubstr("not provided"));
  EXPECT_THAT(load({{"main.js", ""}}).error.message, HasSubstr("Could not load index.js"));
  EXPECT_EQ(load({{"index.js", ""}, {"plugin.json", "{"}}).kind, VmAnswer::Kind::kThrew);
}

TEST_F(VmTest, DroppingThrowingAndGarbage) {
  load_js(
      "function processEvent(e) { if (e.event === 'd') return; e.mark = 1;"
      " if (e.event === 't') throw new RangeError('boom');"
      " if (e.event === 'g') return 'text'; if (e.event === 'm') e.team_id = 3; return e }");
  EXPECT_EQ(process(R"({"event":"d","team_id":2})").kind, VmAnswer::Kind::kNothing);
  const VmAnswer threw = process(R"({"event":"t","team_id":2})");
  EXPECT_EQ(threw.kind, VmAnswer::Kind::kThrew);
  EXPECT_EQ(threw.error.name, "RangeError");
  EXPECT_EQ(threw.json, R"({"event":"t","team_id":2,"mark":1})") << "changes in place remain";
  EXPECT_EQ(process(R"({"event":"g","team_id":2})").kind, VmAnswer::Kind::kThrew);
  const VmAnswer moved = process(R"({"event":"m","team_id":2})");
  EXPECT_EQ(moved.kind, VmAnswer::Kind::kThrew);
  EXPECT_EQ(moved.json, R"({"event":"m","team_id":2,"mark":1})") << "and the project is restored";
}

TEST_F(VmTest, LoopsMemoryAndDepthEndTheCallAndNotTheProcess) {
  limits.memory_bytes = 16U << 20;
  host.watch = true;
  load_js(R"(function processEvent(e) {
    if (e.event === 'loop') for (;;) {}
    if (e.event === 'catch') for (;;) { try { for (;;) {} } catch {} }
    if (e.event === 'deep') { const f = () => f() + 1; f() }
    if (e.event === 'memory') { const all = []; for (;;) all.push(new Array(100000).fill(1)) }
    if (e.event === 'text') 'x'.repeat(2 ** 29) + 'y'
    if (e.event === 'regexp') /^(a+)+$/.test('a'.repeat(40) + 'b')
    return e })");
  EXPECT_EQ(process(R"({"event":"deep","team_id":2})").error.name, "InternalError");
  EXPECT_FALSE(vm->breached());
  for (const char* name : {"loop", "catch", "memory", "text", "regexp"}) {
    auto fresh = vm->spec();
    vm = std::make_unique<Vm>(host, fresh, limits);
    vm->load([](VmAnswer) {});
    const VmAnswer answer = process(R"({"event":")" + std::string(name) + R"(","team_id":2})");
    EXPECT_EQ(answer.kind, VmAnswer::Kind::kThrew) << name;
    EXPECT_TRUE(vm->breached()) << name;
  }
}

TEST_F(VmTest, OneAppsChangesOfTheWorldStayInIt) {
  load_js(
      "Object.prototype.polluted = 1; Array.prototype.map = () => 'broken';"
      " globalThis.JSON = null; function processEvent(e) { return e }");
  auto first = std::move(vm);
  load_js(
      "function processEvent(e) { e.r = [({}).polluted === undefined, [1].map((x) => x + 1),"
      " JSON.stringify(1)]; return e }");
  EXPECT_EQ(process(R"({"team_id":2})").json, R"({"team_id":2,"r":[true,[2],"1"]})");
}

TEST_F(VmTest, HostCallsAreAwaitedAndTimeOut) {
  load_js("async function processEvent(e, { cache }) { e.r = await cache.get('k', 1); return e }");
  VmAnswer out;
  int told = 0;
  const auto done = [&](VmAnswer answer) {
    out = std::move(answer);
    told++;
  };
  vm->process(2, R"({"team_id":2})", done);
  EXPECT_EQ(told, 0);
  EXPECT_THAT(host.calls, ElementsAre(R"(cache.get {"key":"k"})"));
  vm->settle(host.waiting[0], true, R"("\"v\"")", "");
  EXPECT_EQ(out.event.whole(R"({"team_id":2})"), R"({"team_id":2,"r":"v"})");
  vm->process(2, R"({"team_id":2})", done);
  vm->settle(host.waiting[1], false, "IllegalOperationError: no", "");
  EXPECT_EQ(out.error.name, "IllegalOperationError");
  vm->process(2, R"({"team_id":2})", done);
  host.now_ns = vm->next_due();
  vm->run_due();
  EXPECT_EQ(told, 3);
  EXPECT_EQ(out.error.message, "timed out after promise waited for 30 seconds");
}

TEST_F(VmTest, AFetchThatFailsThrowsWhatNodeFetchThrows) {
  load_js(R"(import fetch, { FetchError } from 'node-fetch'
    export async function processEvent(e) {
      try { await fetch('http://example.com/') } catch (error) {
        e.r = [error.name, error.type, error.code, error.message, error instanceof FetchError,
          error instanceof TypeError, fetch.default === fetch]
      }
      return e })");
  std::string told;
  for (const char* failure :
       {"FetchError: request failed: Couldn't connect to server", "FetchError: network timeout",
        "TypeError: only HTTP(S) protocols are supported"}) {
    vm->process(2, R"({"team_id":2})",
                [&](VmAnswer answer) { told = answer.event.whole(R"({"team_id":2})"); });
    vm->settle(host.waiting.back(), false, failure, "");
    if (failure[0] == 'T') {
      EXPECT_THAT(told, HasSubstr(R"(["TypeError",null,null,)"));
      EXPECT_THAT(told, HasSubstr("false,true,true]"));
      continue;
    }
    const bool late = std::string_view(failure).ends_with("timeout");
    EXPECT_THAT(told,
                HasSubstr(late ? R"(["FetchError","request-timeout",null,"network timeout at: )"
                               : R"(["FetchError","system","ECONNREFUSED","request to )"));
    EXPECT_THAT(told, HasSubstr("true,false,true]"));
  }
}

TEST_F(VmTest, ExportEventsIsCalledForABatchAndSaysWhetherToTryAgain) {
  load_js(R"(exports.exportEvents = async (batch, { config }) => {
    if (config.fail) throw new (config.fail === 'later' ? RetryError : Error)(config.fail)
    console.log(batch.map((e) => e.event)) })",
          R"({"exportEventsToIgnore":" skip , ","fail":""})");
  std::string told;
  const auto done = [&](VmAnswer answer) { told = answer.json; };
  vm->hook("exportEvents", "0", {R"({"event":"one"})", R"({"event":"skip"})", R"({"event":"two"})"},
           done);
  EXPECT_EQ(told, R"({"results":[null,null,null]})");
  EXPECT_THAT(host.logs, ElementsAre(R"(["one","two"])"));
  EXPECT_THAT(host.metrics,
              ElementsAre("events_seen sum 2", "events_delivered_successfully sum 2"));
  host.metrics.clear();
  load_js("exports.exportEvents = async () => { throw new RetryError('later') }");
  vm->hook("exportEvents", "3", {R"({"event":"one"})"}, done);
  EXPECT_THAT(told, HasSubstr(R"("retry":true)"));
  EXPECT_THAT(host.metrics, ElementsAre("retry_errors sum 1"));
  vm->hook("exportEvents", "15", {R"({"event":"one"})"}, done);
  EXPECT_THAT(host.metrics, Contains("undelivered_events sum 1")) << "the last attempt";
  load_js("exports.exportEvents = async () => { throw new Error('never') }");
  vm->hook("exportEvents", "0", {R"({"event":"one"})"}, done);
  EXPECT_THAT(told, AllOf(HasSubstr("never"), Not(HasSubstr("retry"))));
  EXPECT_THAT(host.calls, IsEmpty()) << "the host keeps what is to be tried again";
}

TEST_F(VmTest, EachEventOfACallHasItsOwnEnd) {
  load_js(R"(exports.onEvent = async (e) => {
    if (e.event === 'later') throw new RetryError('away')
    if (e.event === 'bad') throw new TypeError('no') })");
  std::string told;
  vm->hook("onEvent", "", {R"({"event":"ok"})", R"({"event":"later"})", R"({"event":"bad"})"},
           [&](VmAnswer answer) { told = answer.json; });
  EXPECT_THAT(told, HasSubstr(R"({"results":[null,{"name":"RetryError","message":"away")"));
  EXPECT_THAT(told, HasSubstr(R"("retry":true},{"name":"TypeError","message":"no")"));
}

TEST_F(VmTest, TheWorldOfAnApp) {
  const auto value = [&](const std::string& code) {
    load_js(
        "const { createHash, createHmac } = require('crypto'); const zlib = require('zlib');"
        "async function processEvent(event, meta) { return { team_id: 2, r: " +
        code + " } }");
    const VmAnswer answer = process(R"({"team_id":2})");
    return answer.kind == VmAnswer::Kind::kValue
               ? std::string(event::JsonFields::parse(answer.json)->find("r").value_or("?"))
               : answer.error.message;
  };
  EXPECT_EQ(value("createHash('sha256').update('a').digest('hex').slice(0, 8)"), R"("ca978112")");
  EXPECT_EQ(value("createHmac('sha1', 'k').update('a').digest('base64')"),
            R"("QOfUQcrbF7B/BQNBqiOmgg7YHIs=")");
  EXPECT_EQ(value("Buffer.from('héllo').toString('base64')"), R"("aMOpbGxv")");
  EXPECT_EQ(value("Buffer.from('aGk', 'base64').toString()"), R"("hi")");
  EXPECT_EQ(value("zlib.gunzipSync(zlib.gzipSync('again')).toString()"), R"("again")");
  EXPECT_EQ(value("[new URL('../x?y=1#z', 'https://A.example:443/b/c/d').href,"
                  " new URL('http://h/p?a=1&a=2').searchParams.getAll('a')]"),
            R"(["https://a.example/b/x?y=1#z",["1","2"]])");
  EXPECT_EQ(value("typeof process + typeof setTimeout + typeof require('node-fetch')"),
            R"("undefinedfunctionfunction")");
  EXPECT_EQ(value("(await meta.geoip.locate('1.2.3.4')).city.names.en"), R"("Here")");
  EXPECT_EQ(value("atob(btoa('x')) + new TextDecoder().decode(new TextEncoder().encode('ü'))"),
            R"("xü")");
  EXPECT_EQ(value("[(1234.5).toLocaleString(), new Date(0).toLocaleDateString(),"
                  " new Date(0).toLocaleTimeString('en-US', { timeZone: 'Asia/Tokyo' }),"
                  " new Date(0).toLocaleString(undefined, { dateStyle: 'short' }),"
                  " new Date(NaN).toLocaleString()]"),
            R"(["1,234.5","1/1/1970","9:00:00 AM","1/1/70","Invalid Date"])");
  EXPECT_EQ(value("new Intl.NumberFormat('en-US', { style: 'percent' }).format(0.5)"), R"("50%")");
  EXPECT_THAT(value("new Intl.DateTimeFormat('en-US', { timeZone: 'no' })"),
              HasSubstr("Invalid time zone"));
  EXPECT_EQ(value("typeof performance.now()"), R"("number")");
  EXPECT_EQ(value("require('@posthog/plugin-scaffold').RetryError === RetryError"), "true");
  EXPECT_THAT(value("new (require('pg').Client)()"), HasSubstr("not provided"));
  EXPECT_THAT(value("await meta.jobs.x().runIn(1, 'eon')"), HasSubstr("Invalid time unit"));
}

TEST_F(VmTest, ALineForAShellIsAComment) {
  const std::string line = "#!/usr/bin/env node\n";
  load_js(line + "exports.processEvent = (event) => { event.properties.y = 1; return event }");
  EXPECT_THAT(process(kEvent).json, HasSubstr(R"("y":1)"));
  const VmAnswer two = load(
      {{"index.ts", line + "import { y } from './y'\nexport const processEvent = (event: any) => "
                           "{ event.properties.y = y; return event }"},
       {"y.js", line + "exports.y = 2"}});
  ASSERT_EQ(two.kind, VmAnswer::Kind::kValue) << two.error.message;
  EXPECT_THAT(process(kEvent).json, HasSubstr(R"("y":2)"));
}

TEST_F(VmTest, ModulesAwaitOutsideOfFunctions) {
  load_js(
      "export const rate = await Promise.resolve(2)\n"
      "export const processEvent = (event) => { event.properties.y = rate; return event }");
  EXPECT_THAT(process(kEvent).json, HasSubstr(R"("y":2)"));
}

TEST_F(VmTest, StructuredClonesAreWholeAndApart) {
  const auto value = [&](const std::string& code) {
    const std::string out = after("event.r = (() => { " + code + " })()", R"({"team_id":2})");
    return std::string(event::JsonFields::parse(out)->find("r").value_or("?"));
  };
  EXPECT_EQ(
      value("const a = { d: new Date(5), m: new Map([[1, new Set([2])]]), b: new Uint8Array([3]),"
            " r: /x/g, l: [undefined, null] }; a.self = a; const c = structuredClone(a);"
            "return [c !== a && c.self === c, c.d instanceof Date && c.d.getTime(),"
            " c.m.get(1).has(2), c.b[0], c.r.flags, c.l.length]"),
      R"([true,5,true,3,"g",2])");
  EXPECT_EQ(value("const c = structuredClone(event); c.x = 1; return [c.team_id, event.x ?? 0]"),
            "[2,0]");
  EXPECT_EQ(value("try { structuredClone(() => 1) } catch (e) { return e.name }"),
            R"("DataCloneError")");
}

TEST_F(VmTest, ARejectionThatIsHandledLaterIsNoneOfTheLog) {
  load_js(
      "async function processEvent(event) {"
      "  await Promise.allSettled([Promise.reject(new Error('awaited'))]);"
      "  if (event.event === 'b') Promise.reject(new Error('forgotten'));"
      "  return event }");
  process(R"({"event":"a","team_id":2})");
  EXPECT_THAT(host.logs, ::testing::IsEmpty());
  process(R"({"event":"b","team_id":2})");
  EXPECT_THAT(host.logs, ElementsAre(HasSubstr("nobody waits for it: Error: forgotten")));
}

}  // namespace
}  // namespace penstock::apps
