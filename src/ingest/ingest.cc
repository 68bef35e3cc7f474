#include "ingest/ingest.h"

#include <algorithm>

#include "base/assert.h"
#include "event/raw_record.h"
#include "ingest/cycle/ingest_service.h"

namespace penstock::ingest {
namespace {

/// Several slices of the projects, each decided by a service of its own.
class SlicedIngest final : public Ingest {
 public:
  explicit SlicedIngest(const event::Layout& layout) : layout_(layout) {}
  void add(int32_t index, std::unique_ptr<Ingest> one) {
    slices_.push_back({index, std::move(one)});
  }

  Status start() override {
    for (Part& s : slices_) PENSTOCK_CHECK(s.ingest->start());
    return {};
  }
  void stop(runtime::Task done) override {
    auto left = std::make_shared<size_t>(slices_.size());
    auto last = std::make_shared<runtime::Task>(std::move(done));
    for (Part& s : slices_) {
      s.ingest->stop([left, last] {
        if (--*left == 0) (*last)();
      });
    }
  }
  IngestStats stats() const override {
    IngestStats out;
    for (const Part& s : slices_) {
      IngestStats one = s.ingest->stats();
      out.events += one.events;
      out.accepted += one.accepted;
      out.dropped += one.dropped;
      out.duplicates += one.duplicates;
      out.quarantined += one.quarantined;
      out.cycles += one.cycles;
      out.cpu_ns += one.cpu_ns;
      // Of lanes that are everybody's each counts the others' records until it has passed over
      // them.
      out.lag_records = layout_.apart ? out.lag_records + one.lag_records
                                      : std::max(out.lag_records, one.lag_records);
      if (out.last_error.empty()) out.last_error = std::move(one.last_error);
    }
    return out;
  }
  std::vector<CommandStatus> commands() const override {
    std::vector<CommandStatus> out;
    for (const Part& s : slices_) std::ranges::move(s.ingest->commands(), std::back_inserter(out));
    return out;
  }
  std::vector<RedriveStatus> redrives() const override {
    std::vector<RedriveStatus> out;
    for (const Part& s : slices_) std::ranges::move(s.ingest->redrives(), std::back_inserter(out));
    return out;
  }
  void try_out(event::Source source, std::string record, TriedOut done) override {
    const auto raw = event::decode_raw(record);
    const int32_t slice = raw ? event::slice_of(raw->token, layout_.slices) : 0;
    for (Part& s : slices_) {
      if (s.index == slice) return s.ingest->try_out(source, std::move(record), std::move(done));
    }
    done(fail(Code::kUnavailable, "another process decides this project's events; ask there"));
  }

 private:
  struct Part {
    int32_t index;
    std::unique_ptr<Ingest> ingest;
  };
  event::Layout layout_;
  std::vector<Part> slices_;
};

}  // namespace

std::unique_ptr<Ingest> Ingest::make(runtime::Loop& loop, runtime::Runtime& runtime, log::Log& log,
                                     catalog::Catalog& catalog, persons::PersonStore& persons,
                                     ledger::Ledger& ledger, IngestOptions options) {
  const auto one = [&](event::Slice slice) {
    return std::make_unique<IngestService>(loop, runtime, log, catalog, persons, ledger, slice,
                                           options);
  };
  PENSTOCK_ASSERT(!options.slices.empty());
  if (options.slice_count == 1) return one({});
  auto out = std::make_unique<SlicedIngest>(options.layout());
  for (const int32_t index : options.slices) out->add(index, one({index, options.slice_count}));
  return out;
}

}  // namespace penstock::ingest
