// RemoteStore: the event store as this process sees it: another process, slow, away or silent.
//
// The rows lie in Machine::store and survive everything. Inserts are whole per table and kept once
// per batch and table, as the engine promises; between tables the connection may break. One of
// these per life; callbacks run on its loop. (Destinations and apps, when there are any, are other
// services of this kind: each gets its decorator here and its faults in faults.h.)
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "runtime/runtime.h"
#include "simulation/world/machine.h"
#include "store/event_store.h"

namespace penstock::simulation {

class RemoteStore : public store::EventStore {
 public:
  RemoteStore(Machine& machine, runtime::Runtime& runtime, runtime::Loop& loop)
      : m_(machine), runtime_(runtime), loop_(loop) {}
  ~RemoteStore() override { *alive_ = false; }

  Status start() override { return {}; }
  void stop() override {}
  void insert(std::shared_ptr<const store::InsertBatch> batch, store::InsertDone done) override;
  void query(store::Query query, store::QueryDone done) override {
    m_.store.rows.query(std::move(query), std::move(done));
  }
  void cancel(const std::string&) override {}
  void erase_person(store::EraseRequest request, store::EraseStep step,
                    store::EraseDone done) override;
  void freeze_overrides(store::FreezeDone done) override {
    m_.store.rows.freeze_overrides(std::move(done));
  }
  void squash_overrides(store::SquashStep step, store::SquashDone done) override {
    m_.store.rows.squash_overrides(std::move(step), std::move(done));
  }
  store::StoreHealth health() const override { return m_.store.rows.health(); }

 private:
  Status answer(const store::InsertBatch& batch);
  Status store_tables(const store::InsertBatch& batch, size_t tables);
  void note_warnings(const store::InsertBatch& batch);

  Machine& m_;
  runtime::Runtime& runtime_;
  runtime::Loop& loop_;
  int64_t away_until_ns_ = 0;
  size_t inserting_ = 0;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace penstock::simulation
