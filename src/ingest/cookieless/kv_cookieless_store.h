// KvCookielessStore: CookielessStore over one KeyValue; keys in docs/formats/cookieless.md.
#pragma once

#include <map>
#include <mutex>
#include <string>

#include "ingest/cookieless_store.h"
#include "log/replay.h"

namespace penstock::ingest {

class KvCookielessStore final : public CookielessStore {
 public:
  KvCookielessStore(std::unique_ptr<kv::KeyValue> kv, runtime::Runtime& runtime,
                    std::unique_ptr<catalog::SharedSalts> shared)
      : kv_(std::move(kv)), runtime_(runtime), shared_(std::move(shared)) {}

  Result<SipBytes> salt(int32_t day) override;
  Result<std::optional<CookielessSession>> session(const CookielessVisitor& visitor) const override;
  Result<std::vector<Uuid>> identifies(const CookielessVisitor& visitor) const override;
  Status apply(const std::vector<event::CookielessChange>& changes,
               const std::vector<log::Position>& applied) override;
  void recover(log::Log& log, runtime::Loop& home, Done done) override;
  Status checkpoint(log::Log& log) override;

 private:
  Status load();
  Status keep_positions();
  Status forget_days();
  Status add(kv::WriteBatch& batch, std::map<std::string, std::string>& fresh,
             const event::CookielessChange& change) const;
  void put_positions(kv::WriteBatch& batch) const;

  mutable std::mutex mutex_;
  std::unique_ptr<kv::KeyValue> kv_;
  runtime::Runtime& runtime_;
  std::unique_ptr<catalog::SharedSalts> shared_;
  std::map<int32_t, SipBytes> salts_;  // by day; as many as there are days open
  log::Positions applied_;
  bool salts_durable_ = false;  // all that are in the KeyValue
  bool loaded_ = false;
  bool unflushed_ = false;
  int64_t committed_ms_ = 0, forgot_ms_ = 0;
};

}  // namespace penstock::ingest
