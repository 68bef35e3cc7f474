// Deliveries: each accepted event is called for, once for each function of its project's app, again
// as the plugin contract says, and then given up; nothing else is called for.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "simulation/check/checks.h"

namespace penstock::simulation {
namespace {

using deliver::Attempt;
using deliver::Method;
using Call = DestinationBooks::Call;

constexpr std::array kFunctions = {Method::kOnEvent, Method::kExportEvents};

int most_attempts(Method method) { return method == Method::kExportEvents ? 16 : 5; }

/// Before attempt `next`, which counts from 0: 5, 10, 20, 40 s; exportEvents 3 s · 2^next.
int64_t wait_ms(const Tempo& tempo, Method method, int next) {
  if (method == Method::kExportEvents) return tempo.export_attempt_ms << next;
  return tempo.attempt_ms << (next - 1);
}

class Deliveries {
 public:
  Deliveries(Life& life, const Decided& decided)
      : life_(life),
        m_(life.machine()),
        decided_(decided),
        // What an engine that refuses writes forgets is called once more, and counted once more.
        exact_(m_.faults.count_of(Fault::kStateError) == 0),
        timed_(m_.faults.count_of(Fault::kClockJump) == 0) {}

  void check() {
    for (const auto& [uuid, accepted] : decided_.for_apps) {
      const auto attempts = life_.deliveries().attempts(uuid);
      if (!attempts) return broken("attempts cannot be read: " + attempts.error().message);
      for (const Method method : kFunctions) ended(method, uuid, accepted, *attempts);
    }
    for (const auto& [of, calls] : m_.destination.calls) {
      if (decided_.for_apps.contains(of.second)) continue;
      broken(fmt::format("{} was called for {}, which was not accepted", method_name(of.first),
                         of.second.text()));
    }
    count();
  }

 private:
  void broken(std::string what) { m_.broken("deliveries", std::move(what)); }

  void ended(Method method, const Uuid& uuid, uint64_t accepted,
             const std::vector<Attempt>& attempts) {
    const auto of = m_.destination.calls.find({method, uuid});
    const std::vector<Call> calls =
        of == m_.destination.calls.end() ? std::vector<Call>{} : of->second;
    const auto say = [&](std::string_view what) {
      std::string made;
      for (const Call& c : calls) {
        made += fmt::format(" {} in life {} at {}{}", c.attempt + 1, c.life, c.at_ms,
                            c.failed ? " failed," : ",");
      }
      broken(fmt::format("{} for {} {}; calls:{}", method_name(method), uuid.text(), what, made));
    };
    std::vector<int> numbers;
    uint64_t ends = 0, good = 0;
    for (const Attempt& a : attempts) {
      if (a.method != method) continue;
      numbers.push_back(a.number);
      const bool over = a.ok || a.next_ms == 0;
      if (over) ends++;
      if (a.ok) good++;
      if (a.number > most_attempts(method)) say("was tried too often");
      if (!over && a.next_ms - a.at_ms != wait_ms(m_.tempo, method, a.number)) {
        say(fmt::format("waits {} ms after attempt {}", a.next_ms - a.at_ms, a.number));
      }
      if (a.number == 0 && m_.tempo.deliver_queue_max > decided_.accepted) {
        say("was given up for want of room, and there was room");
      }
    }
    if (ends < accepted || (exact_ && ends > accepted)) {
      return say(fmt::format("came to an end {} times, it was accepted {} times", ends, accepted));
    }
    const auto arrived = std::ranges::count_if(calls, [](const Call& c) { return !c.failed; });
    if (static_cast<uint64_t>(arrived) < good) say("is said to have gone well, and did not");
    if (accepted > 1 || !exact_) return;
    std::ranges::sort(numbers);
    for (size_t i = 0; i < numbers.size() && numbers.front() > 0; i++) {
      if (numbers[i] != static_cast<int>(i) + 1) return say("lacks an attempt");
    }
    given_up_too_early(method, numbers.back(), good, calls, say);
    in_their_time(method, calls, say);
  }

  template <typename Say>
  void given_up_too_early(Method method, int made, uint64_t good, const std::vector<Call>& calls,
                          const Say& say) {
    if (good > 0 || made == 0 || made == most_attempts(method)) return;
    const bool final = std::ranges::any_of(calls, [](const Call& c) { return !c.retried; });
    if (!final) say(fmt::format("was given up after {} attempts", made));
  }

  template <typename Say>
  void in_their_time(Method method, const std::vector<Call>& calls, const Say& say) {
    for (size_t i = 1; i < calls.size(); i++) {
      const Call &before = calls[i - 1], &now = calls[i];
      // After a death, or for a worker that died, the same attempt is made again.
      if (now.attempt <= before.attempt) {
        if (now.life == before.life && before.counts) say("was called again for no reason");
        continue;
      }
      if (now.attempt > before.attempt + 1) return say("passed over an attempt");
      if (timed_ && now.at_ms - before.at_ms < wait_ms(m_.tempo, method, now.attempt)) {
        say(fmt::format("was tried again after {} ms", now.at_ms - before.at_ms));
      }
    }
  }

  void count() {
    uint64_t accepted = 0;
    for (const auto& [uuid, n] : decided_.for_apps) accepted += n;
    for (const deliver::DeliveryCounts& c : life_.deliveries().counts()) {
      if (std::ranges::find(kFunctions, c.method) == kFunctions.end()) continue;
      const uint64_t counted = c.successes + c.successes_on_retry + c.failures;
      if (counted == accepted || (!exact_ && counted > accepted)) continue;
      broken(fmt::format("{} calls of {} came to an end, {} events were accepted", counted,
                         method_name(c.method), accepted));
    }
  }

  Life& life_;
  Machine& m_;
  const Decided& decided_;
  const bool exact_, timed_;
};

}  // namespace

void check_deliveries(Life& life, const Decided& decided) { Deliveries(life, decided).check(); }

}  // namespace penstock::simulation
