#include "store/retrying_store.h"

#include <algorithm>
#include <chrono>
#include <set>
#include <utility>

namespace penstock::store {
namespace {

constexpr int64_t kMillion = 1'000'000;

class RetryingStore final : public EventStore {
 public:
  RetryingStore(std::unique_ptr<EventStore> inner, runtime::Runtime& runtime, runtime::Loop& home,
                RetryingStoreOptions options)
      : inner_(std::move(inner)), clock_(runtime.clock()), loop_(home), options_(options) {}
  ~RetryingStore() override { *alive_ = false; }

  Status start() override { return inner_->start(); }
  void stop() override { inner_->stop(); }
  void insert(std::shared_ptr<const InsertBatch> batch, InsertDone done) override {
    inner_->insert(std::move(batch), std::move(done));
  }
  void query(Query query, QueryDone done) override {
    const int64_t until = clock_.mono_ns() + query.limits.time_ms_max * kMillion;
    attempt(std::move(query), std::move(done), until, 1);
  }
  void cancel(const std::string& query_id) override {
    cancelled_.insert(query_id);
    inner_->cancel(query_id);
    if (!pausing_.contains(query_id)) cancelled_.erase(query_id);
  }
  void erase_person(EraseRequest request, EraseStep step, EraseDone done) override {
    inner_->erase_person(std::move(request), std::move(step), std::move(done));
  }
  void freeze_overrides(FreezeDone done) override { inner_->freeze_overrides(std::move(done)); }
  void squash_overrides(SquashStep step, SquashDone done) override {
    inner_->squash_overrides(std::move(step), std::move(done));
  }
  StoreHealth health() const override { return inner_->health(); }

 private:
  void attempt(Query query, QueryDone done, int64_t until, int tries) {
    auto again = std::make_shared<Query>(query);
    inner_->query(std::move(query), [this, alive = alive_, again, until, tries,
                                     done = std::move(done)](Result<QueryResult> r) mutable {
      if (r || r.error().code != Code::kUnavailable || !*alive || tries >= options_.tries_max) {
        return done(std::move(r));
      }
      const int64_t pause_ms =
          std::min(options_.first_pause_ms << (tries - 1), options_.longest_pause_ms);
      const int64_t left_ms = (until - clock_.mono_ns()) / kMillion - pause_ms;
      if (left_ms <= 0) return done(std::move(r));  // a better answer than a timeout
      again->limits.time_ms_max = left_ms;
      pausing_.insert(again->id);
      auto kept = std::make_shared<QueryDone>(std::move(done));
      loop_.after(std::chrono::milliseconds(pause_ms), [this, alive, again, kept, until, tries] {
        if (!*alive) return (*kept)(fail(Code::kCancelled, "the store has stopped"));
        pausing_.erase(again->id);
        if (cancelled_.erase(again->id) > 0) {
          return (*kept)(fail(Code::kCancelled, "the query was cancelled"));
        }
        attempt(std::move(*again), std::move(*kept), until, tries + 1);
      });
    });
  }

  const std::unique_ptr<EventStore> inner_;
  runtime::Clock& clock_;
  runtime::Loop& loop_;
  const RetryingStoreOptions options_;
  std::set<std::string> pausing_, cancelled_;  // ids; the second is part of the first
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace

std::unique_ptr<EventStore> make_retrying_store(std::unique_ptr<EventStore> inner,
                                                runtime::Runtime& runtime, runtime::Loop& home,
                                                RetryingStoreOptions options) {
  return std::make_unique<RetryingStore>(std::move(inner), runtime, home, options);
}

}  // namespace penstock::store
