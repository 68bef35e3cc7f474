#include "simulation/world/loads.h"

#include <array>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

namespace penstock::simulation {
namespace {

constexpr std::array<const char*, 2> kIntents{"/data/load.intent", "/data/load.other"};
constexpr int64_t kDealMsMax = 4000;
constexpr uint64_t kDiesPercent = 20;

enum class Has : uint8_t { kFirst, kSecond, kBoth, kNobody };

}  // namespace

Loads::Loads(Machine& machine, runtime::Loop& loop, runtime::Runtime& runtime, log::Log& log,
             RemoteStore& store, ledger::Ledger& ledger)
    : m_(machine), loop_(loop), runtime_(runtime), log_(log), store_(store), ledger_(ledger) {}

Loads::~Loads() {
  *alive_ = false;
  if (follow_) follow_->stop();
}

Status Loads::start() {
  PENSTOCK_CHECK(make(0));
  if (!m_.shares_load()) return {};
  follow_ = ledger::LedgerFollow::make(loop_, log_, ledger_);
  follow_->start();
  deal();
  return {};
}

Status Loads::make(size_t which) {
  load::LoaderOptions options;
  options.state_path = kIntents[which];
  options.partitions = m_.tempo.partitions;
  options.rows_per_batch_max = m_.tempo.rows_per_batch_max;
  options.linger_ms = m_.tempo.linger_ms;
  options.bulk_linger_ms = m_.tempo.linger_ms / 2;
  options.retry_ms_max = 3000;
  if (m_.shares_load()) options.intents_topic = load::kIntentsTopic;
  loaders_[which] = load::Loader::make(loop_, runtime_, log_, store_, ledger_, options);
  return loaders_[which]->start();
}

void Loads::deal() {
  if (stopping_) return;
  Dice& dice = m_.share_dice;
  if (dice.percent(kDiesPercent)) loaders_[1].reset();  // in the middle of whatever it does
  // What a process alone has left is taken along before there are others (docs/KAFKA.md).
  if (!loaders_[1] && !m_.disk->exists(kIntents[0])) {
    if (const Status again = make(1); !again) loaders_[1].reset();
  }
  std::array<std::vector<Partition>, 2> mine;
  leads_ = false;
  for (int32_t p = 0; p < m_.tempo.partitions; p++) {
    Has has =
        dice.pick({Has::kFirst, Has::kFirst, Has::kSecond, Has::kSecond, Has::kBoth, Has::kNobody});
    if (!loaders_[1] || (has == Has::kNobody && m_.faults.is_calm())) has = Has::kFirst;
    const bool first = has == Has::kFirst || has == Has::kBoth;
    if (first) mine[0].push_back({p});
    if (has == Has::kSecond || has == Has::kBoth) mine[1].push_back({p});
    if (p == 0) leads_ = first;
  }
  for (size_t i = 0; i < mine.size(); i++) {
    if (loaders_[i]) loaders_[i]->share(mine[i]);
  }
  deal_later();
}

void Loads::deal_later() {
  loop_.after(std::chrono::milliseconds(m_.share_dice.between(20, kDealMsMax)),
              [this, alive = alive_] {
                if (*alive) deal();
              });
}

void Loads::stop(int64_t grace_ms, runtime::Task done) {
  stopping_ = true;
  if (follow_) follow_->stop();
  auto left = std::make_shared<size_t>(0);
  auto told = std::make_shared<runtime::Task>(std::move(done));
  for (const auto& loader : loaders_) *left += loader ? 1 : 0;
  for (const auto& loader : loaders_) {
    if (!loader) continue;
    loader->stop(grace_ms, [left, told] {
      if (--*left == 0) (*told)();
    });
  }
}

}  // namespace penstock::simulation
