// What looking for definitions costs per event.
//
//   definitions_bench [EVENTS] [rocks DIR]
//
// Events like posthog-js's (60 properties, 2 KB) of 50 names, then the same with ten random
// property names each, beyond the limit. Prints nanoseconds of CPU per event, decoding included.
#include <fmt/format.h>

#include <cstdlib>
#include <cstring>
#include <ctime>

#include "definitions/definition_store.h"
#include "event/processed_record.h"
#include "kv/key_value.h"

namespace penstock::definitions {
namespace {

constexpr size_t kBatch = 2000;

std::string record(size_t i, size_t random_names) {
  std::string properties = "{";
  for (int p = 0; p < 60; p++) {
    properties += fmt::format(R"("$property_number_{}":"some text of value {}",)", p, i % 7);
  }
  for (size_t p = 0; p < random_names; p++) properties += fmt::format(R"("r{}_{}":1,)", i, p);
  properties +=
      R"("$set":{"$browser":"Firefox","plan":"pro"},"$set_once":{"$initial_os":"Linux"}})";
  const std::string name = fmt::format("event {}", i % 50);
  event::Outcome o;
  o.project = {1};
  o.received_ms = 1'785'585'600'000 + static_cast<int64_t>(i);
  o.row.event = name;
  o.row.properties = properties;
  o.row.person_properties = "{}";
  std::string out;
  event::encode(o, out);
  return out;
}

int64_t run(DefinitionStore& store, int64_t& at, size_t events, size_t random_names) {
  int64_t spent = 0;
  for (size_t done = 0; done < events; done += kBatch) {
    std::vector<std::string> bytes;
    for (size_t i = 0; i < kBatch; i++) bytes.push_back(record(done + i, random_names));
    const std::vector<std::string_view> records(bytes.begin(), bytes.end());
    const std::clock_t begin = std::clock();
    if (!store.apply({0}, {at}, records)) std::abort();
    spent += (std::clock() - begin) * (1'000'000'000 / CLOCKS_PER_SEC);
    at += static_cast<int64_t>(kBatch);
  }
  return spent / static_cast<int64_t>(events);
}

}  // namespace
}  // namespace penstock::definitions

int main(int argc, char** argv) {
  using namespace penstock;
  const size_t events = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 200'000;
  std::unique_ptr<kv::KeyValue> kv = kv::make_memory_kv();
  if (argc > 3 && std::strcmp(argv[2], "rocks") == 0) {
    auto opened = kv::open_rocks_kv({.path = argv[3]});
    if (!opened) return 1;
    kv = std::move(*opened);
  }
  auto store = definitions::DefinitionStore::open(std::move(kv), {});
  if (!store) return 1;
  int64_t at = 0;
  definitions::run(**store, at, 10'000, 0);
  fmt::print("known properties:       {} ns per event\n", definitions::run(**store, at, events, 0));
  definitions::run(**store, at, 10'000, 10);  // fills what there is room for
  fmt::print("ten new names, no room: {} ns per event\n",
             definitions::run(**store, at, events, 10));
}
