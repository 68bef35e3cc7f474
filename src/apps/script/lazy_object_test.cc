// Goal: a script cannot tell a lazy object from what JSON.parse makes, whatever it does to it.
// Method: random JSON texts with awkward keys; an app does the same random things to the lazy event
// and to a parsed copy of its text, and compares what it sees after every step. What the worker
// writes back is compared with JSON.stringify of the copy.
#include <gtest/gtest.h>

#include <random>

#include "apps/script/vm.h"
#include "event/json_equal.h"
#include "event/json_fields.h"

namespace penstock::apps {
namespace {

class NoHost : public VmHost {
 public:
  void host_call(Vm&, uint64_t, std::string_view, std::string, std::string) override {}
  void log(Vm&, LogEntry::Source, LogEntry::Level, std::string message) override {
    ADD_FAILURE() << message;
  }
  void metric(Vm&, std::string_view, std::string_view, double) override {}
  std::string locate(std::string_view) override { return {}; }
  int64_t mono_ns() const override { return 1; }
  int64_t wall_ms() const override { return 1; }
  void enter(Vm&, int64_t) override {}
  void leave(Vm&) override {}
  void fill_random(std::string& out) override { out.assign(out.size(), '7'); }
};

class Texts {
 public:
  explicit Texts(uint64_t seed) : dice_(seed) {}
  size_t below(size_t n) { return dice_() % n; }

  std::string object(int depth) {
    std::string out = "{";
    const size_t members = below(depth > 2 ? 40 : 7);
    for (size_t i = 0; i < members; i++) {
      if (i > 0) out += below(4) == 0 ? " , " : ",";
      out += key() + (below(5) == 0 ? " : " : ":") + value(depth - 1);
    }
    return out + "}";
  }

 private:
  std::string key() {
    static const std::vector<std::string> keys{
        "\"a\"",        "\"b\"",       "\"c\"",           "\"\\u0061\"", "\"1\"",
        "\"10\"",       "\"2\"",       "\"01\"",          "\"\"",        "\"__proto__\"",
        "\"toString\"", "\"length\"",  "\"properties\"",  "\"\\\"\"",    "\"\\n\"",
        "\"\u00e9\"",   "\"\\u00e9\"", "\"constructor\"", "\"$set\"",    "\"4294967295\"",
        "\"x y\""};
    return keys[below(keys.size())];
  }
  std::string value(int depth) {
    switch (below(depth > 0 ? 9 : 7)) {
      case 0: return "null";
      case 1: return "true";
      case 2: return std::to_string(static_cast<int64_t>(dice_()) >> below(60));
      case 3: return "-0";
      case 4: return "1.50e2";
      case 5: return R"("text \u0041\ud83d\ude00 \"")";
      case 6: return "\"plain\"";
      case 7: return object(depth);
      default: {
        std::string out = "[";
        for (size_t i = below(4); i > 0; i--) out += value(depth - 1) + (i > 1 ? "," : "");
        return out + "]";
      }
    }
  }
  std::mt19937_64 dice_;
};

constexpr const char* kApp = R"(
let seed = 0;
const dice = (n) => {
  seed = (seed * 1103515245 + 12345) % 2147483648;
  return Math.floor(seed / 65536) % n;
};
const keys = ['a', 'b', 'c', '1', '10', '2', '01', '', '__proto__', 'toString', 'length',
  'properties', 'new', '\n', 'é'];
const isObject = (v) => typeof v === 'object' && v !== null;
function same(step, lazy, eager) {
  const a = JSON.stringify(lazy), b = JSON.stringify(eager);
  if (a !== b) throw new Error(step + ': ' + a + ' is not ' + b);
}
// One random thing, to both; answers what it made of each.
function act(lazy, eager) {
  const key = keys[dice(keys.length)], what = dice(14), fresh = dice(100);
  const both = (f) => [f(lazy), f(eager)];
  switch (what) {
    case 0: return both((o) => o[key]);
    case 1: return both((o) => { if (key !== '__proto__') o[key] = fresh; return o[key]; });
    case 2: return both((o) => delete o[key]);
    case 3: return both((o) => Object.keys(o));
    case 4: return both((o) => ({ ...o }));
    case 5: return both((o) => [key in o, Object.hasOwn(o, key), o.propertyIsEnumerable(key)]);
    case 6: return both((o) => { const list = []; for (const k in o) list.push(k); return list; });
    case 7: return both((o) => Object.getOwnPropertyDescriptor(o, key));
    case 8: return both((o) => {
      if (isObject(o[key]) && Object.hasOwn(o, key)) o[key].deep = fresh;
      return o;
    });
    case 9: return both((o) => { if (Array.isArray(o[key])) o[key].push(fresh); return o; });
    case 10: return both((o) => Object.entries(o));
    case 11: return both((o) => {
      const all = { value: fresh, configurable: true, enumerable: true, writable: true };
      if (key !== '__proto__') Object.defineProperty(o, key, all);
      return o;
    });
    case 12: return both((o) => { const { [key]: gone, ...rest } = o; return rest; });
    default: return both((o) => Object.assign(Object.create({ inherited: 1 }), o));
  }
}
function processEvent(event) {
  const { seed: from, text, ...none } = event.properties;
  const eager = JSON.parse(text);
  seed = from;
  let lazy = event.subject;
  for (let i = 0; i < 25; i++) {
    const [a, b] = act(lazy, eager);
    same('step ' + i, a, b);
    if (dice(3) === 0) same('all after ' + i, lazy, eager);
  }
  event.properties = { now: JSON.stringify(eager) };
  return event;
}
)";

TEST(LazyObject, AScriptCannotTellItFromAParsedOne) {
  NoHost host;
  VmSpec spec;
  spec.config_json = "{}";
  spec.files["index.js"] = kApp;
  Vm vm(host, spec, {});
  vm.load([](VmAnswer answer) {
    ASSERT_EQ(answer.kind, VmAnswer::Kind::kValue) << answer.error.message;
  });
  for (uint64_t seed = 1; seed <= 1000; seed++) {
    const std::string subject = Texts(seed).object(4);
    std::string quoted;
    event::append_json_string(quoted, subject);
    const std::string text = R"({"team_id":2,"subject":)" + subject + R"(,"properties":{"seed":)" +
                             std::to_string(seed) + R"(,"text":)" + quoted + "}}";
    vm.process(2, text, [&](VmAnswer answer) {
      ASSERT_EQ(answer.kind, VmAnswer::Kind::kValue)
          << "seed " << seed << ": " << answer.error.message << "\n"
          << subject;
      answer.json = answer.event.whole(text);
      const auto fields = event::JsonFields::parse(answer.json);
      ASSERT_TRUE(fields) << "seed " << seed << ": " << answer.json;
      const auto inner = event::JsonFields::parse(fields->find("properties").value_or("{}"));
      const std::string expected = event::decode_string(inner->find("now").value_or("\"\""));
      EXPECT_TRUE(event::json_equal(fields->find("subject").value_or(""), expected))
          << "seed " << seed << "\n"
          << answer.json << "\n"
          << expected;
    });
    if (::testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace penstock::apps
