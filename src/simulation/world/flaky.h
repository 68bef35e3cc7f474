// Decorators that let log, person store and object store fail as remote services do.
//
// Each forwards to the real one; before a call it may be away, after one that changes something it
// may be silent about it. The log is only ever silent: the embedded one knows what it wrote, but
// its promise to its callers is wider (log/log.h: kMaybe, and repeats of a sequence). Threads: as
// the ones they wrap. They live as long as a life.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "log/forwarding_log.h"
#include "objects/object_store.h"
#include "persons/person_store.h"
#include "simulation/world/faults.h"

namespace penstock::simulation {

class FlakyLog : public log::ForwardingLog {
 public:
  FlakyLog(std::unique_ptr<log::Log> inner, Faults& faults)
      : ForwardingLog(std::move(inner)), faults_(faults) {}

  void append(runtime::Loop& home, std::string topic, std::vector<log::Batch> batches,
              log::AppendDone done) override {
    ForwardingLog::append(home, std::move(topic), std::move(batches),
                          [&faults = faults_, done = std::move(done)](
                              Result<std::vector<log::Appended>> result) mutable {
                            const bool silent = result && faults.strike(Fault::kLogSilent);
                            if (!silent) return done(std::move(result));
                            done(fail(Code::kMaybe, "simulated: the log did not answer"));
                          });
  }

 private:
  Faults& faults_;
};

class FlakyPersons : public persons::PersonStore {
 public:
  FlakyPersons(std::unique_ptr<persons::PersonStore> inner, Faults& faults)
      : inner_(std::move(inner)), faults_(faults) {}

  Result<std::vector<std::optional<persons::Person>>> fetch(
      const std::vector<persons::DistinctIdKey>& keys) const override {
    PENSTOCK_CHECK(there());
    return inner_->fetch(keys);
  }
  Result<std::optional<persons::Person>> get(ProjectId project, const Uuid& id) const override {
    PENSTOCK_CHECK(there());
    return inner_->get(project, id);
  }
  Result<std::vector<std::string>> distinct_ids(ProjectId project, const Uuid& id,
                                                size_t ids_max) const override {
    PENSTOCK_CHECK(there());
    return inner_->distinct_ids(project, id, ids_max);
  }
  Result<std::vector<persons::Mapping>> mappings(ProjectId project, const Uuid& id, size_t ids_max,
                                                 std::string_view after) const override {
    PENSTOCK_CHECK(there());
    return inner_->mappings(project, id, ids_max, after);
  }
  Result<std::vector<persons::FoundId>> find_ids(ProjectId project, std::string_view prefix,
                                                 size_t ids_max) const override {
    PENSTOCK_CHECK(there());
    return inner_->find_ids(project, prefix, ids_max);
  }
  Result<std::vector<std::optional<persons::Group>>> fetch_groups(
      const std::vector<persons::GroupKey>& keys) const override {
    PENSTOCK_CHECK(there());
    return inner_->fetch_groups(keys);
  }
  Result<std::vector<persons::GroupType>> group_types(ProjectId project) const override {
    PENSTOCK_CHECK(there());
    return inner_->group_types(project);
  }
  Result<persons::MergeHistory> merges(ProjectId project, const Uuid& person) const override {
    PENSTOCK_CHECK(there());
    return inner_->merges(project, person);
  }
  Result<persons::LastVersions> last_versions(ProjectId project, std::string_view distinct_id,
                                              const Uuid& person) const override {
    PENSTOCK_CHECK(there());
    return inner_->last_versions(project, distinct_id, person);
  }
  bool has_deleted_ids(ProjectId project) const override {
    return inner_->has_deleted_ids(project);
  }
  Result<std::optional<std::string>> command_report(ProjectId project,
                                                    const Uuid& id) const override {
    PENSTOCK_CHECK(there());
    return inner_->command_report(project, id);
  }
  Result<std::vector<std::string>> command_reports(ProjectId project,
                                                   size_t reports_max) const override {
    PENSTOCK_CHECK(there());
    return inner_->command_reports(project, reports_max);
  }
  Status apply(const persons::PersonUpdates& updates,
               const std::vector<log::Position>& applied) override {
    PENSTOCK_CHECK(there());
    PENSTOCK_CHECK(inner_->apply(updates, applied));
    if (!faults_.strike(Fault::kPersonsSilent)) return {};
    return fail(Code::kMaybe, "simulated: the person store did not answer");
  }
  std::vector<log::Position> applied() const override { return inner_->applied(); }
  void recover(log::Log& log, runtime::Loop& home, Done done) override {
    inner_->recover(log, home, std::move(done));
  }
  Status checkpoint(log::Log& log) override {
    PENSTOCK_CHECK(there());
    return inner_->checkpoint(log);
  }
  Status caught_up() const override { return inner_->caught_up(); }
  Result<uint64_t> count(ProjectId project) const override { return inner_->count(project); }

 private:
  Status there() const {
    if (!faults_.strike(Fault::kPersonsAway)) return {};
    return fail(Code::kUnavailable, "simulated: the person store is away");
  }

  std::unique_ptr<persons::PersonStore> inner_;
  Faults& faults_;
};

class FlakyObjects : public objects::ObjectStore {
 public:
  FlakyObjects(std::unique_ptr<objects::ObjectStore> inner, Faults& faults)
      : inner_(std::move(inner)), faults_(faults) {}

  Status start() override { return inner_->start(); }
  Status put(std::string_view key, std::string_view bytes, Duration within) override {
    PENSTOCK_CHECK(there());
    return said(inner_->put(key, bytes, within));
  }
  Status put_if_absent(std::string_view key, std::string_view bytes, Duration within) override {
    PENSTOCK_CHECK(there());
    return said(inner_->put_if_absent(key, bytes, within));
  }
  Result<std::string> get(std::string_view key, objects::ByteRange range,
                          Duration within) override {
    PENSTOCK_CHECK(there());
    return inner_->get(key, range, within);
  }
  Result<std::vector<objects::ObjectInfo>> list(std::string_view prefix, std::string_view after,
                                                size_t limit, Duration within) override {
    PENSTOCK_CHECK(there());
    return inner_->list(prefix, after, limit, within);
  }
  Status remove(std::string_view key, Duration within) override {
    PENSTOCK_CHECK(there());
    return said(inner_->remove(key, within));
  }
  Result<objects::ObjectInfo> stat(std::string_view key, Duration within) override {
    PENSTOCK_CHECK(there());
    return inner_->stat(key, within);
  }

 private:
  Status there() const {
    if (!faults_.strike(Fault::kObjectsAway)) return {};
    return fail(Code::kUnavailable, "simulated: the object store is away");
  }
  Status said(Status status) const {
    if (!status || !faults_.strike(Fault::kObjectsSilent)) return status;
    return fail(Code::kMaybe, "simulated: the object store did not answer");
  }

  std::unique_ptr<objects::ObjectStore> inner_;
  Faults& faults_;
};

}  // namespace penstock::simulation
