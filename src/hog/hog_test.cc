// Programs through compiler and machine: what they give, print and fail with.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "hog/compiler.h"
#include "hog/machine.h"

namespace penstock::hog {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

/// A fixed clock and fixed chance; time passes by one microsecond per look.
class FixedHost : public Host {
 public:
  int64_t now_ms() override { return 1'700'000'000'123; }
  int64_t clock_us() override { return clock_ += step; }
  double random() override { return 0.5; }
  Has has(std::string_view name) override {
    if (name == "fetch") return Has::kAsyncFunction;
    return name == "twice" ? Has::kFunction : Has::kNothing;
  }
  Result<Value> call(Heap&, std::string_view, std::span<const Value> arguments) override {
    if (arguments.size() != 1 || !arguments[0].is_number()) {
      return penstock::fail(Code::kInvalid, "twice needs a number");
    }
    return Value::number(arguments[0].as_number() * 2);
  }
  std::shared_ptr<const Program> module(std::string_view name) override {
    return name == "lib" ? compile("return 7")->program : nullptr;
  }
  int64_t step = 1;

 private:
  int64_t clock_ = 0;
};

class HogTest : public testing::Test {
 protected:
  const Outcome& run(std::string_view source, std::string_view globals = "{}") {
    auto compiled = compile(source);
    if (!compiled) {
      ADD_FAILURE() << explained(source, compiled.error());
      static const Outcome kNothing;
      return kNothing;
    }
    globals_ = JsonGlobals(globals);
    return machine_.run(compiled->program, globals_, host_, limits_);
  }
  /// What the program returns, as it is printed; or its error.
  std::string shown(std::string_view source, std::string_view globals = "{}") {
    const Outcome& outcome = run(source, globals);
    return outcome.finished() ? print_value(machine_.heap(), outcome.result)
                              : "ERROR " + outcome.error;
  }
  std::string bytecode(std::string_view source) {
    auto compiled = compile(source);
    return compiled ? compiled->program->to_json() : explained(source, compiled.error());
  }

  Machine machine_;
  FixedHost host_;
  JsonGlobals globals_;
  Limits limits_;
};

TEST_F(HogTest, ArithmeticIsJavaScripts) {
  EXPECT_EQ(shown("return 1 + '2'"), "3");
  EXPECT_EQ(shown("return null + 1"), "1");
  EXPECT_EQ(shown("return 'x' + 1"), "NaN");
  EXPECT_EQ(shown("return 1 / 0"), "Infinity");
  EXPECT_EQ(shown("return -5 % 3"), "-2");
  EXPECT_EQ(shown("return 0.1 + 0.2"), "0.30000000000000004");
  EXPECT_EQ(shown("return 1e21"), "1e+21");
}

TEST_F(HogTest, ComparisonConvertsAsTheContractSays) {
  EXPECT_EQ(shown("return ['1' == 1, null == 0, null < 1, true == 'true', [1,2] == [1,2]]"),
            "[true, false, true, true, true]");
  EXPECT_EQ(shown("return [['a'] == ['a'], [1] < [1, 0], 'b' > 'a']"), "[false, true, true]");
  EXPECT_EQ(shown("return toDateTime('2024-01-01') == '2024-01-01 00:00:00'"), "true");
  EXPECT_EQ(shown("return ['cat' like 'a', 'a\nb' like 'a%b', null like '%', 'A' ilike 'a']"),
            "[true, false, true, true]");
}

TEST_F(HogTest, PropertiesCountFromOne) {
  EXPECT_EQ(shown("let a := [1, 2, 3] return [a[1], a[-1], a.2, a[9]]"), "[1, 3, 2, null]");
  EXPECT_THAT(shown("let a := [1] let i := 0 return a[i]"), HasSubstr("start from index 1"));
  EXPECT_EQ(shown("return event.properties.a", R"({"event":{"properties":{"a":"x\u00e9"}}})"),
            "xé");
  EXPECT_EQ(shown("return event.nothing.here", R"({"event":{}})"), "null");
  EXPECT_EQ(shown("return missing"), "ERROR Global variable not found: missing");
}

TEST_F(HogTest, GlobalsAreCopiesOfTheirOwn) {
  EXPECT_EQ(
      shown("let e := event; e.p.x := 2; return [e.p.x, event.p.x]", R"({"event":{"p":{"x":1}}})"),
      "[2, 1]");
  const Outcome& outcome = run("let e := event; e.p.y := 'n' return e",
                               R"({"event":{"p":{"x":[1, 2.50]},"q":"\u0041"}})");
  // What nobody looked at goes out as it came in.
  EXPECT_EQ(to_json(machine_.heap(), outcome.result),
            R"({"p":{"x":[1, 2.50],"y":"n"},"q":"\u0041"})");
}

TEST_F(HogTest, ClosuresShareWhatTheyCapture) {
  EXPECT_EQ(shown("fun f() { let n := 0 return () -> { n := n + 1 return n } }"
                  "let g := f(); g(); return g()"),
            "2");
  EXPECT_EQ(shown("fun fib(n) { if (n < 2) { return n } else { return fib(n-1) + fib(n-2) } }"
                  "return fib(15)"),
            "610");
  EXPECT_EQ(shown("return arrayMap(x -> x * 2, [1, 2])"), "[2, 4]");
  EXPECT_EQ(shown("let f := a, b -> a + b return f(1, 2)"), "3");
  EXPECT_EQ(shown("return arrayReduce(a, b -> a + b, [1, 2], 3)"), "6");
  EXPECT_EQ(shown("let a := 1 return length([a, b, x -> x])"), "1");
  EXPECT_EQ(shown("return JSONExtractString('{\"a\":[1,{\"b\":2}]}', 'a')"), "1,[object Object]");
  EXPECT_EQ(shown("return arrayReduce((a, b) -> a + b, [1, 2, 3], 10)"), "16");
  EXPECT_EQ(shown("return sortableSemver('v1.10.2-beta')"), "[1, 10, 2]");
}

TEST_F(HogTest, ExceptionsAreCaughtByType) {
  constexpr std::string_view kSource =
      "fun f(t) { try { throw HogError(t, 'm', {'a': 1}) } catch (x: One) { return 'one' }"
      " catch (y: Two) { return y.payload.a } } return [f('One'), f('Two')]";
  EXPECT_EQ(shown(kSource), "['one', 1]");
  EXPECT_EQ(shown("throw Error('it''s')"), "ERROR Error('it\\'s')");
  // A typed clause that does not match passes the error on.
  EXPECT_EQ(shown("try { throw Error('a') } catch (x: One) { return 1 }"), "ERROR Error('a')");
  EXPECT_THAT(shown("try { return upper(null) } catch { return 1 }"), StartsWith("ERROR"));
}

TEST_F(HogTest, ReturnInsideTryTakesItsHandlerWithIt) {
  EXPECT_EQ(shown("fun f() { try { return 1 } catch (e) { return 2 } }"
                  "f() throw Error('later')"),
            "ERROR Error('later')");
}

TEST_F(HogTest, LimitsEndTheRun) {
  limits_.time_us = 10'000;
  host_.step = 100;
  EXPECT_THAT(shown("while (true) {}"), HasSubstr("Execution timed out after 0.01 seconds"));
  limits_ = Limits{};
  host_.step = 0;
  limits_.memory_bytes = 1 << 20;
  EXPECT_THAT(shown("let s := 'xxxxxxxx' while (true) { s := concat(s, s) }"),
              HasSubstr("Memory limit of 1048576 bytes exceeded"));
  EXPECT_THAT(shown("return range(1000000000)"), HasSubstr("Memory limit"));
  EXPECT_THAT(shown("let a := [] a[900000000] := 1"), HasSubstr("Memory limit"));
  EXPECT_THAT(shown("let a := [] for (let i := 0; i < 5000; i := i + 1) { a := [a] } return 1"),
              HasSubstr("nested too deeply"));
  limits_ = Limits{};
  EXPECT_THAT(shown("fun f() { return f() } return f()"),
              HasSubstr("Call stack exceeded maximum length of 1000"));
}

TEST_F(HogTest, MemoryBehindCyclesIsTakenBack) {
  for (int i = 0; i < 50; i++) {
    EXPECT_EQ(shown("let a := [1] a[2] := a let o := {'a': a} a[3] := o return length(a)"), "3");
  }
  EXPECT_EQ(shown("let a := [1] a[2] := a return a"), "[1, null]");
}

TEST_F(HogTest, PrintIsBounded) {
  limits_.printed_lines = 2;
  const Outcome& outcome = run("for (let i := 0; i < 5; i := i + 1) { print('n', i, [1, 'a']) }");
  EXPECT_THAT(outcome.printed, ElementsAre("n 0 [1, 'a']", "n 1 [1, 'a']"));
  EXPECT_EQ(outcome.printed_lost, 3);
}

TEST_F(HogTest, AsyncCallsSuspendAndGoOnFromJson) {
  constexpr std::string_view kSource =
      "let d := toDateTime('2024-01-02') let e := Error('x', {'k': [1]})"
      "let n := 1 let f := () -> { n := n + 1 return n }"
      "let r := fetch('u', {'a': 1}) f()"
      "return [r.status, toString(d), e.message, e.payload.k, n]";
  const Outcome& outcome = run(kSource);
  ASSERT_EQ(outcome.state, Outcome::State::kSuspended);
  EXPECT_EQ(outcome.async_function, "fetch");
  EXPECT_EQ(print_value(machine_.heap(), outcome.async_arguments[1]), "{'a': 1}");
  const auto state = machine_.save();
  ASSERT_TRUE(state.has_value());
  Machine other;
  ASSERT_TRUE(other.restore(*state).has_value());
  const Outcome& end = other.resume(from_json(other.heap(), R"({"status":200})"), globals_, host_);
  EXPECT_EQ(print_value(other.heap(), end.result),
            "[200, '2024-01-02T00:00:00.000Z', 'x', [1], 2]");
  EXPECT_EQ(end.async_steps, 1);
}

TEST_F(HogTest, AsyncFunctionsAreValuesToo) {
  const Outcome& outcome = run("let f := fetch let r := f('u', 2) return r + 1");
  ASSERT_EQ(outcome.state, Outcome::State::kSuspended);
  EXPECT_EQ(print_value(machine_.heap(), outcome.async_arguments[0]), "u");
  const Outcome& end = machine_.resume(Value::number(4), globals_, host_);
  EXPECT_EQ(print_value(machine_.heap(), end.result), "5");
  limits_.async_steps = 1;
  ASSERT_EQ(run("sleep(1) sleep(1)").state, Outcome::State::kSuspended);
  EXPECT_EQ(machine_.resume({}, globals_, host_, limits_).error,
            "Exceeded maximum number of async steps: 1");
}

TEST_F(HogTest, StatesThatAreNoneAreRefused) {
  Machine other;
  for (const char* bad : {"", "[]", "{}", R"({"bytecodes":{"root":{"bytecode":["_H",1]}}})",
                          R"({"bytecodes":{"root":{"bytecode":[1]}},"stack":[],"upvalues":[],)"
                          R"("callStack":[],"throwStack":[]})"}) {
    EXPECT_FALSE(other.restore(bad).has_value()) << bad;
  }
}

TEST_F(HogTest, HostFunctionsAndModules) {
  EXPECT_EQ(shown("return twice(21) + import('lib')"), "49");
  EXPECT_EQ(shown("return twice('a')"), "ERROR twice needs a number");
  EXPECT_EQ(shown("return import('other')"), "ERROR Unknown chunk: other");
  EXPECT_EQ(shown("return nobody(1)"), "ERROR Unsupported function call: nobody");
  EXPECT_EQ(shown("return upper()"), "ERROR Function upper requires at least 1 arguments");
}

TEST_F(HogTest, OldBytecodeTakesArgumentsFromTheTop) {
  // ["_h", …]: the first argument is the one that was pushed last.
  auto program = Program::from_json(R"(["_h", 32, "b", 32, "a", 2, "concat", 2, 38])");
  ASSERT_TRUE(program.has_value());
  EXPECT_EQ(print_value(machine_.heap(), machine_.run(*program, globals_, host_).result), "ab");
  auto declared =
      Program::from_json(R"(["_h", 41, "f", 1, 6, 33, 2, 36, 0, 8, 38, 33, 21, 2, "f", 1, 38])");
  ASSERT_TRUE(declared.has_value());
  EXPECT_EQ(print_value(machine_.heap(), machine_.run(*declared, globals_, host_).result), "42");
}

TEST_F(HogTest, BytecodeThatIsBrokenFailsTheRun) {
  for (const char* bad :
       {"[\"_H\",1,35]", "[\"_H\",1,32]", "[\"_H\",1,36,5]", "[\"_H\",1,99]", "[\"_H\",1,39,-50]",
        "[\"_H\",1,33,1,54,0]", "[\"_H\",1,42,5]", "[\"_H\",1,51]", "[\"_H\",1,55,0]",
        "[\"_H\",1,33,1,53,0]", "[\"_H\",1,1,3]", "[\"_H\",1,2,5,0]", "[\"_H\",1,57]"}) {
    auto program = Program::from_json(bad);
    ASSERT_TRUE(program.has_value()) << bad;
    EXPECT_EQ(machine_.run(*program, globals_, host_).state, Outcome::State::kFailed) << bad;
  }
  for (const char* bad : {"", "{}", "[]", "[1]", "[\"_H\",1,[]]", "[\"_H\",7]", "[\"_x\"]"}) {
    EXPECT_FALSE(Program::from_json(bad).has_value()) << bad;
  }
}

TEST_F(HogTest, BytecodeIsLaidOutAsStored) {
  EXPECT_EQ(bytecode("return 1 + 2"), R"(["_H",1,33,2,33,1,6,38])");
  EXPECT_EQ(bytecode("let a := 1.0 a := a ?? event.x"),
            R"(["_H",1,34,1.0,36,0,47,7,35,32,"x",32,"event",1,2,37,0,35])");
  EXPECT_EQ(bytecode("if (a) { return 1 } else { return 2 }"),
            R"(["_H",1,32,"a",1,1,40,5,33,1,38,39,3,33,2,38])");
  EXPECT_EQ(bytecode("fun f(a) { return a } f(1)"),
            R"(["_H",1,52,"f",1,0,3,36,0,38,53,0,33,1,36,0,54,1,35,35])");
  EXPECT_EQ(bytecode("try { throw Error('a') } catch (e) { print(e) }"),
            R"(["_H",1,50,10,32,"a",2,"Error",1,49,51,39,17,36,0,32,"type",45,)"
            R"(36,0,2,"print",1,35,39,2,35,49,35,35])");
  EXPECT_EQ(bytecode("return 1 or (2 or 3)"), R"(["_H",1,33,1,33,2,33,3,4,3,38])");
  EXPECT_EQ(bytecode("1 between 2 and 3"), R"(["_H",1,33,2,33,1,14,33,3,33,1,16,3,2,35])");
}

TEST_F(HogTest, MistakesAreShownWhereTheyAre) {
  const auto error = [](std::string_view source) {
    auto compiled = compile(source);
    return compiled ? std::string("compiled") : explained(source, compiled.error(), "a.hog");
  };
  EXPECT_EQ(error("let x := 1\n  y := 2"),
            "a.hog:2:3: Variable `y` is not declared here; globals can't be assigned. Declare it "
            "with let first\n  2 |   y := 2\n    |   ^\n");
  EXPECT_THAT(error("let x := (1 +"), HasSubstr("Expected an expression, found the end"));
  EXPECT_THAT(error("let a := 1 let a := 2"), HasSubstr("already declared"));
  EXPECT_THAT(error("x := 'abc"), HasSubstr("1:6: This string is never closed"));
  EXPECT_THAT(error("return [1, 2][0]"), HasSubstr("no index 0"));
  EXPECT_THAT(error(std::string(500, '(')), HasSubstr("nested more than 200"));
  EXPECT_THAT(error([] {
                std::string s;
                for (int i = 0; i < 5000; i++) s += "- ";
                return s + "x";
              }()),
              HasSubstr("too many minuses"));
}

TEST_F(HogTest, ACatchThatHidesAVariableIsToldOf) {
  const auto warnings = [](std::string_view source) {
    std::vector<std::string> out;
    const auto compiled = compile(source);
    if (!compiled) return out;
    for (const Diagnostic& one : compiled->warnings) {
      out.push_back(std::to_string(one.place.line) + " " + one.message.substr(0, 34));
    }
    return out;
  };
  using ::testing::ElementsAre;
  EXPECT_THAT(warnings("let e := event\ntry { f() } catch (err: X) { e.a := err.type }\nreturn e"),
              ElementsAre("2 Inside a catch `e` is the error, o"));
  EXPECT_THAT(warnings("let type := 1\ntry { f() } catch {\n type := 2 }"),
              ElementsAre("3 Inside a catch `type` is the error"));
  EXPECT_THAT(warnings("let e := 1 try { f() } catch (e) { print(e.message) }"), ElementsAre());
  EXPECT_THAT(warnings("try { f() } catch (err) { print(e.message, type) }"), ElementsAre());
}

TEST_F(HogTest, TemplatesKeepTheTypeOfALoneExpression) {
  const auto value = [&](std::string_view text) {
    auto compiled = compile_template(text);
    if (!compiled) return explained(text, compiled.error());
    globals_ = JsonGlobals(R"({"a":{"n":1},"z":null})");
    return to_json(machine_.heap(), machine_.run(compiled->program, globals_, host_).result);
  };
  EXPECT_EQ(value("{a}"), R"({"n":1})");
  EXPECT_EQ(value("{a.n}"), "1");
  EXPECT_EQ(value("it's {a.n}, {z}!"), R"("it's 1, !")");
  EXPECT_EQ(value("\\{a} {f'<{a.n}>'}"), R"("{a} <1>")");
  EXPECT_EQ(value(""), R"("")");
  EXPECT_THAT(value("{a"), HasSubstr("Expected '}'"));
}

TEST_F(HogTest, TagsAndQueriesBecomeDictionaries) {
  EXPECT_EQ(shown("return <A b={1 + 1} c='x' d>text{2}<B/></A>"),
            "{'__hx_tag': 'A', 'b': 2, 'c': 'x', 'd': true, 'children': ['text', 2, "
            "{'__hx_tag': 'B'}]}");
  EXPECT_EQ(shown("let n := 3 return sql(a + {n})"), "sql(plus(a, 3))");
  EXPECT_EQ(shown("return (select a as x, count() from events where a = 'b' limit 5)"),
            "sql(SELECT a AS x, count() FROM events WHERE equals(a, 'b') LIMIT 5)");
}

TEST_F(HogTest, FormattingKeepsWordsAndComments) {
  const auto tidy = [](std::string_view source) { return format_source(source).value_or("ERROR"); };
  EXPECT_EQ(tidy("let x:=1   // one\nif(x==1){print( 'a',-x )\n}else{ return {'a' :[1,2]} }"),
            "let x := 1 // one\nif (x == 1) { print('a', -x)\n} else { return {'a': [1, 2]} }\n");
  EXPECT_EQ(tidy("fun f(a,b){\nreturn a?b:f'{a}  b'\n\n\n\n}\n"),
            "fun f(a, b) {\n    return a ? b : f'{a}  b'\n}\n");
  EXPECT_FALSE(format_source("let x := ").has_value());
}

}  // namespace
}  // namespace penstock::hog
