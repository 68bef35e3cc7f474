// What Hog costs: a filter that does not match, and the GeoIP transformation of an event of 1 KB.
//
// usage: bench_hog             nanoseconds of CPU per run, on one thread
//        bench_hog geoip RUNS  microseconds of CPU per run of the transformation alone
//        bench_hog program     {"bytecode", "event", "place"}: what another machine needs to run it
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <string>
#include <string_view>

#include "hog/compiler.h"
#include "hog/filters.h"
#include "hog/machine.h"
#include "hog/templates.h"

namespace penstock::hog {
namespace {

int64_t clock_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

constexpr const char* kPlace =
    R"({"city":{"names":{"en":"Sydney"}},"country":)"
    R"({"names":{"en":"Australia"},"iso_code":"AU"},)"
    R"("continent":{"names":{"en":"Oceania"},"code":"OC"},"postal":{"code":"2000"},)"
    R"("location":{"latitude":-33.8,"longitude":151.2,"accuracy_radius":10,)"
    R"("time_zone":"Australia/Sydney"}})";

class BenchHost : public Host {
 public:
  int64_t now_ms() override { return 0; }
  int64_t clock_us() override { return clock_ns() / 1000; }
  double random() override { return 0; }
  Has has(std::string_view name) override {
    return name == "geoipLookup" ? Has::kFunction : Has::kNothing;
  }
  Result<Value> call(Heap& heap, std::string_view, std::span<const Value>) override {
    return heap.from_raw(kPlace);
  }
};

std::string event_of_1kb() {
  std::string out = R"({"event":"$pageview","distinct_id":"u1","properties":{"$ip":"1.2.3.4")";
  for (int i = 0; out.size() < 1000; i++) {
    out += fmt::format(R"(,"property_{}":"some value {}")", i, i);
  }
  return out + "}}";
}

template <typename Run>
double ns_per_run(Run run) {
  constexpr int kRounds = 5, kRuns = 40'000;
  double best = 1e18;
  for (int round = 0; round < kRounds; round++) {
    const std::clock_t begun = std::clock();  // CPU time: the machine may be shared
    for (int i = 0; i < kRuns; i++) run();
    const auto used = static_cast<double>(std::clock() - begun) * 1e9 / CLOCKS_PER_SEC;
    best = std::min(best, used / kRuns);
  }
  return best;
}

/// Answers how many bytes it made of the event.
class Geoip {
 public:
  size_t run() {
    JsonGlobals globals;
    globals.add("event", event_);
    globals.add("inputs", "{}");
    const Outcome& outcome = machine_.run(program_, globals, host_);
    return to_json(machine_.heap(), outcome.result).size();
  }
  const std::string& event() const { return event_; }
  const Program& program() const { return *program_; }

 private:
  Machine machine_;
  BenchHost host_;
  std::string event_ = event_of_1kb();
  std::shared_ptr<const Program> program_ =
      compile(stock_template("template-geoip")->source)->program;
};

int print_program() {
  const Geoip geoip;
  fmt::print("{{\"bytecode\":{},\"event\":{},\"place\":{}}}\n", geoip.program().to_json(),
             geoip.event(), kPlace);
  return 0;
}

int geoip_alone(int runs) {
  Geoip geoip;
  size_t bytes = 0;
  for (int i = 0; i < runs / 5; i++) geoip.run();
  const std::clock_t begun = std::clock();
  for (int i = 0; i < runs; i++) bytes = geoip.run();
  fmt::print("{:.3f}\n", static_cast<double>(std::clock() - begun) * 1e6 / CLOCKS_PER_SEC / runs);
  return bytes > geoip.event().size() ? 0 : 1;
}

int bench() {
  Machine machine;
  BenchHost host;
  Geoip geoip;
  const auto filter = compile_filters(
      R"({"events":[{"id":"signed up","properties":[{"key":"plan","value":"pro"}]}]})");
  const std::string name = "\"$pageview\"", properties = R"({"plan":"free"})";
  bool matches = false;
  size_t bytes = 0;
  const double filter_ns = ns_per_run([&] {
    JsonGlobals globals;
    globals.add("event", name);
    globals.add("properties", properties);
    matches = matches || matched(machine.run(*filter, globals, host));
  });
  const double geoip_ns = ns_per_run([&] { bytes = geoip.run(); });
  fmt::print("{{\"filter_ns\":{:.0f},\"geoip_ns\":{:.0f},\"geoip_bytes\":{}}}\n", filter_ns,
             geoip_ns, bytes);
  return matches || bytes < geoip.event().size() ? 1 : 0;
}

}  // namespace
}  // namespace penstock::hog

int main(int argc, char** argv) {
  const std::string_view what = argc > 1 ? argv[1] : "";
  if (what == "program") return penstock::hog::print_program();
  if (what == "geoip" && argc > 2) return penstock::hog::geoip_alone(std::atoi(argv[2]));
  return penstock::hog::bench();
}
