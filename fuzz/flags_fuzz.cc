// Flags and remote config: any version, query and body give one answer in the asked shape.
//
// Input: four bytes of choices, then the body as JSON (or anything). The mutator works on tokens.
#include <array>

#include "event/json_scan.h"
#include "fuzz/capture_world.h"
#include "fuzz/json_mutator.h"

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

}  // namespace

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t size_max,
                                          unsigned seed) {
  using namespace penstock::fuzz;
  if (size <= kChoices || seed % 8 == 0) return LLVMFuzzerMutate(data, size, size_max);
  std::string body(text_of(data + kChoices, size - kChoices));
  mutate_json(body, size_max - kChoices, seed / 8);
  return kChoices + give_back(body, data + kChoices, size_max - kChoices);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace penstock::fuzz;
  Choices choices(text_of(data, size));
  const auto path = choices.pick(kPaths), query = choices.pick(kQueries);
  const auto type = choices.pick(kTypes);
  const bool get = choices.chance(32);
  std::string target(path);
  if (!query.empty()) target += "?" + std::string(query);
  const auto reply =
      capture_world().ask(get ? "GET" : "POST", target, {{"Content-Type", type}}, choices.rest());
  if (reply.status == 200) {
    hold(penstock::event::validate_json(reply.body), "the answer is JSON");
  }
  return 0;
}
