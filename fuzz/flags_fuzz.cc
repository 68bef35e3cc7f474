// Flags and remote config: any version, query and body give one answer in the asked shape, and an
// error in PostHog's JSON form.
//
// Input: four bytes of choices, then the body as JSON (or anything), which the driver may pack. The
// mutator works on tokens.
#include <array>

#include "fuzz/capture_world.h"
#include "fuzz/json_mutator.h"
#include "fuzz/packing.h"

namespace {

constexpr size_t kChoices = 4;
constexpr std::array<std::string_view, 4> kPaths{"/flags/", "/decide/", "/flags", "/decide"};
constexpr std::array<std::string_view, 10> kQueries{"",
                                                    "v=1",
                                                    "v=2",
                                                    "v=3",
                                                    "v=4",
                                                    "v=99",
                                                    "v=x",
                                                    "v=",
                                                    "v=2&config=true",
                                                    "version=3&compression=base64"};
constexpr std::array<std::string_view, 3> kTypes{"application/json", "text/plain",
                                                 "application/x-www-form-urlencoded"};
constexpr std::string_view kFlags = R"({"flags":[
  {"id":1,"key":"on","version":3,"filters":{"groups":[{"rollout_percentage":100}],
   "payloads":{"true":"{\"a\":1}"}}},
  {"id":2,"key":"variants","filters":{"groups":[{"rollout_percentage":50}],
   "payloads":{"blue":{"b":2}},"multivariate":{"variants":[
     {"key":"red","rollout_percentage":50},{"key":"blue","rollout_percentage":50}]}}},
  {"id":3,"key":"asks","filters":{"groups":[{"properties":[{"key":"email","type":"person"}]}]}},
  {"id":4,"key":"client","evaluation_runtime":"client","filters":{"groups":[{}]}},
  {"id":5,"key":"off","active":false,"filters":{"groups":[{}]}}]})";

/// The member that each shape puts the flags into.
void hold_shape(std::string_view path, std::string_view query, std::string_view body) {
  const auto answer = penstock::event::JsonFields::parse(body);
  penstock::fuzz::hold(answer.has_value(), "an answer is a JSON object");
  const bool decide = path.starts_with("/decide");
  const bool listed = decide ? query.starts_with("v=4") : query.starts_with("v=2");
  const auto flags = answer->find(listed ? "flags" : "featureFlags");
  if (listed || query.starts_with("v=1")) {
    penstock::fuzz::hold(flags.has_value(), "the flags are where the version has them");
  }
}

}  // namespace

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t size_max,
                                          unsigned seed) {
  return penstock::fuzz::mutate_request(data, size, size_max, seed, kChoices);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace penstock::fuzz;
  [[maybe_unused]] static const bool set_up = [] {
    capture_world().set("feature_flags", kFlags);
    return true;
  }();
  Choices choices(text_of(data, size));
  const auto path = choices.pick(kPaths), query = choices.pick(kQueries);
  const auto type = choices.pick(kTypes);
  const uint8_t last = choices.byte();
  const bool get = last % 32 == 31;
  const std::string body = packed(static_cast<Packing>(last / 32), choices.rest());
  std::string target(path);
  if (!query.empty()) target += "?" + std::string(query);
  const auto reply =
      capture_world().ask(get ? "GET" : "POST", target,
                          {{"Content-Type", type}, {"User-Agent", "posthog-js/1.2.3"}}, body);
  hold(capture_world().log.logged.records.empty(), "asking for flags logs nothing");
  if (reply.status == 200) {
    hold_shape(path, query, reply.body);
    return 0;
  }
  const auto error = penstock::event::JsonFields::parse(reply.body);
  hold(error && error->contains("type") && error->contains("code") && error->contains("detail"),
       "an error has PostHog's form");
  return 0;
}
