#include "simulation/world/faults.h"

#include <algorithm>
#include <string>

#include "simulation/simulation.h"

namespace penstock::simulation {
namespace {

struct Kind {
  std::string_view name;
  uint64_t ppm;  // of its opportunities, at intensity 1
  std::string_view of, words;
};
constexpr std::string_view kProcess = "the process";
constexpr std::string_view kDisk = "the disk";
constexpr std::string_view kLyingDisk = "a disk that lies";
constexpr std::string_view kNetwork = "the network between clients and Penstock";
constexpr std::string_view kStore = "the event store (where SQL reads)";
constexpr std::string_view kServices =
    "log, persons and recordings, where another machine keeps them";
constexpr std::string_view kApps = "apps that change events";
constexpr std::string_view kDestinations = "what apps send events to";
/// In the order of Fault.
constexpr std::array<Kind, kFaults> kKinds{{
    {"power_loss", 600'000, kProcess, "the power went while something was being written"},
    {"killed", 400'000, kProcess, "the process was killed while something was being written"},
    {"pause", 60'000, kProcess, "the whole process stood still for a while"},
    {"thread_pause", 60'000, kProcess,
     "one part of the process stood still while the others went on"},
    {"pool_full", 60'000, kProcess, "blocking work was turned away because too much waited"},
    {"clock_jump", 60'000, kProcess, "the clock jumped forward or back"},
    {"torn_writes", 500'000, kDisk, "of a write that the power cut off only pieces were there"},
    {"lost_writes", 500'000, kDisk, "writes that were not confirmed were gone after a power cut"},
    {"reordered_writes", 500'000, kDisk,
     "later writes survived a power cut and earlier ones did not"},
    {"sync_error", 10'000, kDisk, "the disk could not confirm that data is safe"},
    {"folder_sync_error", 60'000, kDisk, "the disk could not confirm that a file's name is safe"},
    {"write_error", 10'000, kDisk, "a write failed"},
    {"read_error", 10'000, kDisk, "a read failed once"},
    {"bad_sector", 1'000, kDisk, "a place on the disk could not be read until it was mended"},
    {"disk_full", 60'000, kDisk, "the disk was full"},
    {"slow_disk", 60'000, kDisk, "the disk was slow"},
    {"state_error", 10'000, kDisk, "the files of counts and persons could not be written"},
    {"bit_rot", 500'000, kLyingDisk, "a stored bit flipped by itself"},
    {"misdirected_write", 500'000, kLyingDisk, "a write landed in another place"},
    {"forgotten_write", 500'000, kLyingDisk, "a write that was confirmed as safe was not there"},
    {"request_lost", 50'000, kNetwork, "a request got lost on its way"},
    {"answer_lost", 50'000, kNetwork, "an answer got lost on its way back"},
    {"request_twice", 50'000, kNetwork, "a request came twice"},
    {"request_late", 50'000, kNetwork, "a request came late, perhaps after a restart"},
    {"store_away", 100'000, kStore, "it could not be reached"},
    {"store_busy", 100'000, kStore, "it said that it was too busy"},
    {"store_slow", 100'000, kStore, "it was slow"},
    {"store_silent", 100'000, kStore, "it did the work and did not say so"},
    {"store_half", 100'000, kStore, "it stored one half and closed the connection"},
    {"store_refuses", 1'000'000, kStore, "it refused certain rows for good"},
    {"log_silent", 10'000, kServices, "the log wrote and did not say so"},
    {"persons_away", 20'000, kServices, "persons could not be reached"},
    {"persons_silent", 20'000, kServices, "persons were written and nobody said so"},
    {"objects_away", 50'000, kServices, "recordings could not be written"},
    {"objects_silent", 50'000, kServices, "recordings were written and nobody said so"},
    {"app_hangs", 50'000, kApps, "an app did not come to an end"},
    {"app_garbles", 20'000, kApps, "an app answered something that is no event"},
    {"app_worker_dies", 20'000, kApps, "the process that runs apps was ended by one of them"},
    {"destination_away", 100'000, kDestinations, "it could not be reached"},
    {"destination_busy", 100'000, kDestinations, "it said that it was too busy"},
    {"destination_slow", 50'000, kDestinations, "it was slow"},
    {"destination_half", 50'000, kDestinations,
     "it took the event and closed the connection without an answer"},
}};

}  // namespace

std::string_view fault_name(Fault fault) { return kKinds[static_cast<size_t>(fault)].name; }

const std::vector<std::string_view>& fault_names() {
  static const std::vector<std::string_view> names = [] {
    std::vector<std::string_view> out;
    for (const Kind& kind : kKinds) out.push_back(kind.name);
    return out;
  }();
  return names;
}

FaultWords fault_words(std::string_view name) {
  const auto* found = std::ranges::find(kKinds, name, &Kind::name);
  return found == kKinds.end() ? FaultWords{} : FaultWords{found->of, found->words};
}

Faults::Faults(uint64_t seed, bool any, const std::vector<std::string>& only) : dice_(seed) {
  // Few kinds at a time find more than all of them always: they do not hide each other.
  const uint64_t share = dice_.pick<uint64_t>({0, 10, 10, 25, 25, 50, 50, 90});
  for (size_t i = 0; i < kFaults; i++) {
    const uint64_t intensity = dice_.pick<uint64_t>({20, 50, 100, 100, 300, 1000});
    const bool drawn = dice_.percent(share);
    const bool wanted =
        only.empty() ? drawn : std::ranges::find(only, kKinds[i].name) != only.end();
    if (any && wanted) ppm_[i] = std::min<uint64_t>(kKinds[i].ppm * intensity / 100, 1'000'000);
  }
}

}  // namespace penstock::simulation
