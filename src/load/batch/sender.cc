#include "load/batch/sender.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/diag.h"
#include "base/metrics.h"
#include "base/probe.h"
#include "load/batch/pieces.h"

namespace penstock::load {
namespace {

Counter retries_total{"penstock_load_retries_total", "Batches sent again after a failure."};
Counter refused_rows_total{"penstock_load_refused_rows_total",
                           "Rows the store refused; each became an ingestion warning."};

}  // namespace

Sender::Sender(runtime::Loop& loop, runtime::Runtime& runtime, store::EventStore& store,
               Intents& intents, SenderOptions options,
               std::function<void(const std::string&)> report)
    : loop_(loop),
      runtime_(runtime),
      store_(store),
      intents_(intents),
      options_(std::move(options)),
      report_(std::move(report)) {}

Sender::~Sender() { *alive_ = false; }

void Sender::send(Intent intent, bool is_written, std::shared_ptr<const store::InsertBatch> batch,
                  Sent done) {
  intent_ = std::move(intent);
  batch_ = std::move(batch);
  done_ = std::move(done);
  is_written ? attempt() : write_intent();
}

void Sender::stop() {
  generation_++;
  batch_ = nullptr;
  done_ = nullptr;
}

void Sender::write_intent() {
  intents_.write(intent_,
                 [this, alive = alive_, generation = generation_](const Result<bool>& written) {
                   if (!*alive || generation != generation_) return;
                   if (!written) return again(written.error(), &Sender::write_intent);
                   if (!*written) return came_second();
                   attempt();
                 });
}

void Sender::came_second() {
  retry_ms_ = 0;
  if (std::exchange(failing_, false)) report_("");
  finished(false);
}

void Sender::note_split() {
  intents_.note(intent_, [this, alive = alive_, generation = generation_](const Status& noted) {
    if (!*alive || generation != generation_) return;
    if (!noted) return again(noted.error(), &Sender::note_split);
    attempt();
  });
}

void Sender::attempt() {
  if (!intent_.split.active) {
    return insert(batch_, [this](const Status& s) { answered(s); });
  }
  insert(piece_of(batch_, intent_.split), [this](const Status& s) { answered(s); });
}

void Sender::insert(std::shared_ptr<const store::InsertBatch> rows,
                    std::move_only_function<void(Status)> next) {
  const int64_t begin = runtime_.clock().mono_ns();
  store_.insert(std::move(rows), [this, alive = alive_, generation = generation_, begin,
                                  next = std::move(next)](Status status) mutable {
    if (!*alive || generation != generation_) return;
    last_insert_us_ = (runtime_.clock().mono_ns() - begin) / 1000;
    next(std::move(status));
  });
}

void Sender::answered(const Status& status) {
  if (status) return advance();
  // kInvalid is the store's word that these rows will never do; all else may pass.
  if (status.error().code == Code::kInvalid) return refused(status.error());
  probe<"load.insert_is_repeated">();
  again(status.error(), &Sender::attempt);
}

void Sender::advance() {
  retry_ms_ = 0;
  if (std::exchange(failing_, false)) report_("");
  if (!intent_.split.active) return finished(true);
  intent_.split = after_stored(*batch_, intent_.split);
  if (!intent_.split.active) return finished(true);
  note_split();
}

void Sender::refused(const Error& error) {
  if (!intent_.split.active) {
    probe<"load.batch_is_taken_apart">();
    diag::error("store refused a batch, which is taken apart", {{"error", error.message}});
    intent_.split = {true, 0, 0, 0};
    while (intent_.split.table < kTables && rows_of_table(*batch_, intent_.split.table) == 0) {
      intent_.split.table++;
    }
    if (intent_.split.table == kTables) return finished(true);
    return note_split();
  }
  if (is_single_row(*batch_, intent_.split)) return set_row_aside(error);
  intent_.split = after_refused(*batch_, intent_.split);
  note_split();
}

void Sender::set_row_aside(const Error& error) {
  auto warning = warning_for(batch_, intent_.split, error.message, runtime_.clock().wall_ms());
  insert(std::move(warning), [this, error](const Status& status) {
    if (!status && status.error().code != Code::kInvalid) {
      // The row is tried again first: it is the same answer under the same id.
      return again(status.error(), &Sender::attempt);
    }
    diag::error("store refused a row, which became an ingestion warning",
                {{"error", error.message}, {"table", intent_.split.table}});
    refused_rows_total.add();
    probe<"load.row_is_set_aside">();
    advance();
  });
}

void Sender::again(const Error& error, void (Sender::*step)()) {
  retries_total.add();
  if (store_.health().ready) {
    failing_ = true;
    report_(error.message);
    retry_ms_ = std::clamp(retry_ms_ * 2, options_.retry_ms_min, options_.retry_ms_max);
  } else {
    // A store that is starting says so itself and paces its own restarts: no failure of ours, and
    // nothing to wait for longer than it takes.
    retry_ms_ = options_.retry_ms_min;
  }
  loop_.after(std::chrono::milliseconds(retry_ms_),
              [this, alive = alive_, generation = generation_, step] {
                if (*alive && generation == generation_) (this->*step)();
              });
}

void Sender::finished(bool stored) {
  generation_++;
  batch_ = nullptr;
  if (done_) std::exchange(done_, nullptr)(stored);
}

}  // namespace penstock::load
