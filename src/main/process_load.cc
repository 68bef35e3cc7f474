// The stage load of a process, alone or beside others that fill the same tables
// (docs/decisions/0032-loads-share-partitions.md), of all slices or of some
// (docs/decisions/0042-everything-by-ranges.md).
#include <chrono>

#include "base/diag.h"
#include "main/deciding.h"
#include "main/process_parts.h"
#include "main/topics.h"

namespace penstock::cli {
namespace {

/// Whoever squashed before has ended by then: it looks before each step whether it still may.
constexpr int64_t kSquashesAfterNs = 15'000'000'000;
/// Before a load that was shut out asks again: two with one name (a data directory that was copied)
/// would shut each other out all the time.
constexpr std::chrono::milliseconds kJoinsAgainAfter{3000};
constexpr std::string_view kMemberPath = "/state/load_member";

}  // namespace

Status Process::Parts::start_load() {
  const bool shared = shares_load(settings);
  load::LoaderOptions options = settings.load;
  options.state_path = data_dir + "/state/load.intent";
  options.partitions = settings.processed_partitions();
  options.some = settings.looks_at_some_slices();
  if (shared) options.intents_topic = load::kIntentsTopic;
  loader = load::Loader::make(pipeline.loop(), *runtime, *log, *store, *ledger, options);
  Status outcome;
  on_loop(pipeline, [&] { outcome = loader->start(); });
  PENSTOCK_CHECK(outcome);
  load::SquashOptions squash_options = settings.squash;
  squash_options.state_path = data_dir + "/state/squash";
  if (shared) squash_options.leads = [this] { return squashes(); };
  squash = load::Squash::make(pipeline.loop(), *runtime, *store, *loader, squash_options);
  on_loop(pipeline, [&] { squash->start(); });
  if (!shared) return {};
  on_loop(pipeline, [&] { outcome = join_loads(); });
  return outcome;
}

Status Process::Parts::join_loads() {
  // Of a range the slices are shared out, else all partitions of what is decided.
  const bool by_slices = settings.looks_at_some_slices();
  PENSTOCK_TRY(const auto range, settings.slice_range());
  const std::string of = settings.range_name();
  PENSTOCK_TRY(const std::string member,
               member_name(*runtime, data_dir + std::string(kMemberPath) + of));
  const std::string topic = by_slices ? lease_topic(settings) : std::string(event::kTopicProcessed);
  PENSTOCK_TRY(load_lease,
               log::KafkaLease::join(settings.kafka, {.group = "loads" + of,
                                                      .topic = topic,
                                                      .member = member,
                                                      .first = by_slices ? range.from : 0}));
  load_lease->on_change([this] { pipeline.loop().post([this] { share_load(); }); });
  share_load();
  return {};
}

/// The group has shut this one out for good: it has nothing, and asks anew.
void Process::Parts::join_loads_again() {
  load_lease.reset();
  pipeline.loop().after(kJoinsAgainAfter, [this] {
    if (load_ends) return;
    const Status joined = join_loads();
    if (joined) return diag::info("asks for partitions to load again");
    diag::warn("cannot ask for partitions to load", {{"error", joined.error().message}});
    join_loads_again();
  });
}

void Process::Parts::share_load() {
  if (!load_lease || !loader || load_ends) return;
  const bool over = load_lease->over();
  std::vector<Partition> mine;
  bool has_first = false;
  const int32_t each = settings.looks_at_some_slices() ? settings.partitions : 1;
  for (const int32_t held : load_lease->held()) {
    for (int32_t p = held * each; p < (held + 1) * each; p++) mine.push_back({p});
    has_first = has_first || held == 0;
  }
  if (!has_first) {
    squashes_since_ns = 0;
  } else if (squashes_since_ns == 0) {
    squashes_since_ns = runtime->clock().mono_ns();
  }
  loader->share(mine);
  if (over) join_loads_again();
}

/// One at a time: whoever has the first partition.
bool Process::Parts::squashes() const {
  return squashes_since_ns != 0 &&
         runtime->clock().mono_ns() - squashes_since_ns >= kSquashesAfterNs;
}

}  // namespace penstock::cli
