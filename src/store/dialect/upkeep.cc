#include "store/dialect/upkeep.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <sstream>
#include <utility>

#include "base/diag.h"
#include "base/metrics.h"
#include "store/dialect/upkeep_sql.h"

namespace penstock::store {
namespace {

Counter squashed_total{"penstock_store_squashed_rows_total",
                       "Event rows that were given the person their distinct id belongs to now."};
Counter erased_total{"penstock_store_erased_rows_total", "Rows of erased persons, all tables."};

constexpr std::chrono::milliseconds kLookPause{50};
// Between two counts rows may come in that carry an older person; they are rewritten as well.
constexpr int kRoundsMax = 8;

uint64_t number(const std::string& text) { return std::strtoull(text.c_str(), nullptr, 10); }

}  // namespace

struct Upkeep::Erasure {
  Job job;
  EraseRequest request;
  EraseStep step;
  EraseDone done;
  std::vector<sql::EraseTarget> targets;
  std::vector<ErasedTable> tables;
  int rounds = 0;
};

struct Upkeep::Squash {
  Job job;
  SquashStep step;
  SquashDone done;
  SquashProgress progress;
  std::vector<std::string> partitions;
  int rounds = 0;
};

// --- jobs one after the other
// ---------------------------------------------------------------------

void Upkeep::enqueue(std::move_only_function<void()> begin, std::function<void(Error)> refused) {
  if (waiting_.size() >= kUpkeepJobsMax) {
    return refused({Code::kBusy, "too many erasures and squashes are waiting"});
  }
  waiting_.push_back(std::move(begin));
  if (busy_) return;
  busy_ = true;
  std::exchange(waiting_.front(), nullptr)();
}

void Upkeep::ended() {
  waiting_.pop_front();
  busy_ = !waiting_.empty();
  if (busy_) std::exchange(waiting_.front(), nullptr)();
}

void Upkeep::ask(const Job& job, Turn turn, std::vector<Statement> statements, Next next) {
  if (job.life != life_) {
    return job.failed({Code::kUnavailable, "the engine ended in the middle; repeat it"});
  }
  send_(turn, std::move(statements),
        [this, alive = alive_, job, next = std::move(next)](Result<std::string> reply) mutable {
          if (!*alive) return;
          if (reply) return next(std::move(*reply));
          const Code code =
              reply.error().code == Code::kMaybe ? Code::kUnavailable : reply.error().code;
          job.failed({code, std::move(reply.error().message)});
        });
}

void Upkeep::ask(const Job& job, std::string_view sql, Next next) {
  std::vector<Statement> one;
  one.push_back({std::string(sql), ""});
  ask(job, Turn::kBeside, std::move(one), std::move(next));
}

void Upkeep::ask_all(const Job& job, std::vector<std::string> statements, size_t at, Next next) {
  if (at == statements.size()) return next("");
  const std::string sql = statements[at];
  ask(job, sql,
      [this, job, statements = std::move(statements), at,
       next = std::move(next)](const std::string&) mutable {
        ask_all(job, std::move(statements), at + 1, std::move(next));
      });
}

void Upkeep::mutate(const Job& job, std::string table, std::string_view sql, Next next) {
  ask(job, sql,
      [this, job, table = std::move(table), next = std::move(next)](const std::string&) mutable {
        look(job, table, std::move(next));
      });
}

void Upkeep::look(const Job& job, const std::string& table, Next next) {
  ask(job, sql::unfinished(place_, table),
      [this, job, table, next = std::move(next)](const std::string& answer) mutable {
        const size_t tab = answer.find('\t');
        if (number(answer) == 0)
          return ask_all(job, sql::settle(place_, table), 0, std::move(next));
        std::string reason = tab == std::string::npos ? "" : answer.substr(tab + 1);
        if (reason.size() > 1) {
          return ask(job, sql::give_up(place_, table),
                     [job, reason, next = std::move(next)](const std::string&) {
                       job.failed({Code::kUnavailable, "rows could not be changed: " + reason});
                     });
        }
        loop_.after(kLookPause,
                    [this, alive = alive_, job, table, next = std::move(next)]() mutable {
                      if (*alive) look(job, table, std::move(next));
                    });
      });
}

/// Overrides in memory are made anew; on a cluster there are none.
void Upkeep::renew(const Job& job, Next next) {
  if (!place_.cluster.empty()) return next("");
  ask(job, Turn::kAmongInserts, sql::in_one_go(sql::renew_overrides()), std::move(next));
}

// --- erasing
// --------------------------------------------------------------------------------------

void Upkeep::erase(EraseRequest request, EraseStep step, EraseDone done) {
  if (request.distinct_ids.size() > kEraseIdsMax) {
    return done(fail(Code::kInvalid, fmt::format("more than {} distinct ids", kEraseIdsMax)));
  }
  auto e = std::make_shared<Erasure>();
  e->targets = sql::erase_targets(place_, request);
  e->request = std::move(request);
  e->step = std::move(step);
  e->done = std::move(done);
  enqueue(
      [this, e] {
        // Weak, because the erasure holds it; whoever may call it holds the erasure.
        e->job = {life_, [this, weak = std::weak_ptr(e)](Error error) {
                    if (const auto own = weak.lock()) own->done(std::unexpected(std::move(error)));
                    ended();
                  }};
        ask(e->job, sql::give_up_those_of(place_, "penstock_erasing"),
            [this, e](const std::string&) { put_down(e); });
      },
      [e](Error error) { e->done(std::unexpected(std::move(error))); });
}

void Upkeep::put_down(std::shared_ptr<Erasure> e) {
  ask(e->job, Turn::kAmongInserts, sql::put_down_ids(place_, e->request.distinct_ids),
      [this, e](const std::string&) {
        ask_all(e->job, sql::complete_ids(place_, e->request), 0,
                [this, e](const std::string&) { erase_table(e); });
      });
}

void Upkeep::erase_table(std::shared_ptr<Erasure> e) {
  if (e->tables.size() == e->targets.size()) {
    // Distinct ids are personal themselves: nothing of them stays, in memory neither.
    return renew(e->job, [this, e](const std::string&) {
      ask(e->job, sql::forget_ids(), [this, e](const std::string&) {
        e->done(std::move(e->tables));
        ended();
      });
    });
  }
  // A row that one replica has and the one that counts has not yet would be left.
  const sql::EraseTarget& target = e->targets[e->tables.size()];
  ask_all(e->job, sql::settle(place_, target.table), 0, [this, e](const std::string&) {
    ask(e->job, sql::count_of(e->targets[e->tables.size()]),
        [this, e](const std::string& rows) { erase_rows(e, number(rows)); });
  });
}

void Upkeep::erase_rows(std::shared_ptr<Erasure> e, uint64_t rows) {
  const sql::EraseTarget& target = e->targets[e->tables.size()];
  if (rows == 0) return table_erased(std::move(e));
  if (++e->rounds > kRoundsMax) {
    return e->job.failed({Code::kBusy, fmt::format("rows keep coming into {}", target.table)});
  }
  if (e->rounds == 1) erased_total.add(rows);
  ask(e->job, sql::note_count(e->request, target, rows), [this, e](const std::string&) {
    const sql::EraseTarget& at = e->targets[e->tables.size()];
    mutate(e->job, at.table, sql::delete_of(place_, at),
           [this, e](const std::string&) { erase_table(e); });
  });
}

void Upkeep::table_erased(std::shared_ptr<Erasure> e) {
  const sql::EraseTarget& target = e->targets[e->tables.size()];
  ask(e->job, sql::noted_count(e->request, target), [this, e](const std::string& rows) {
    e->tables.push_back({std::string(e->targets[e->tables.size()].name), number(rows)});
    e->rounds = 0;
    if (e->step) e->step(e->tables.back());
    erase_table(e);
  });
}

// --- squashing
// ------------------------------------------------------------------------------------

void Upkeep::freeze(FreezeDone done) {
  auto shared = std::make_shared<FreezeDone>(std::move(done));
  const auto failed = [this, shared](Error error) {
    (*shared)(std::unexpected(std::move(error)));
    ended();
  };
  enqueue(
      [this, shared, failed] {
        const Job job{life_, failed};
        ask_all(job, sql::freeze(place_), 0, [this, job, shared](const std::string&) {
          ask(job, sql::frozen_count(), [this, shared](const std::string& count) {
            (*shared)(number(count));
            ended();
          });
        });
      },
      [shared](Error error) { (*shared)(std::unexpected(std::move(error))); });
}

void Upkeep::squash(SquashStep step, SquashDone done) {
  auto s = std::make_shared<Squash>();
  s->step = std::move(step);
  s->done = std::move(done);
  enqueue(
      [this, s] {
        s->job = {life_, [this, weak = std::weak_ptr(s)](Error error) {
                    if (const auto own = weak.lock()) own->done(std::unexpected(std::move(error)));
                    ended();
                  }};
        ask(s->job, sql::frozen_count(), [this, s](const std::string& count) {
          s->progress.overrides = number(count);
          ask_all(s->job, sql::ready_frozen(place_), 0,
                  [this, s](const std::string&) { list_partitions(s); });
        });
      },
      [s](Error error) { s->done(std::unexpected(std::move(error))); });
}

void Upkeep::list_partitions(std::shared_ptr<Squash> s) {
  if (s->progress.overrides == 0) return delete_applied(std::move(s));
  ask(s->job, sql::event_partitions(place_), [this, s](const std::string& answer) {
    std::istringstream lines(answer);
    for (std::string line; std::getline(lines, line);) s->partitions.push_back(line);
    s->progress.partitions = s->partitions.size();
    squash_partition(s);
  });
}

void Upkeep::squash_partition(std::shared_ptr<Squash> s) {
  if (s->progress.partitions_done == s->partitions.size()) return delete_applied(std::move(s));
  ask_all(s->job, sql::settle(place_, "sharded_events"), 0, [this, s](const std::string&) {
    const std::string& partition = s->partitions[s->progress.partitions_done];
    ask(s->job, sql::stale_count(place_, partition),
        [this, s](const std::string& answer) { squash_rows(s, number(answer)); });
  });
}

void Upkeep::squash_rows(std::shared_ptr<Squash> s, uint64_t rows) {
  if (rows == 0) {
    s->rounds = 0;
    s->progress.partitions_done++;
    if (!goes_on(*s)) return;
    return squash_partition(std::move(s));
  }
  if (++s->rounds > kRoundsMax) {
    return s->job.failed({Code::kBusy, "rows with older persons keep coming in"});
  }
  const std::string partition = s->partitions[s->progress.partitions_done];
  rewrite(std::move(s), partition, rows);
}

/// What the new parts replace stays on the disk for some minutes, so each partition asks anew.
void Upkeep::rewrite(std::shared_ptr<Squash> s, const std::string& partition, uint64_t rows) {
  ask(s->job, sql::room_for(place_, partition),
      [this, s, partition, rows](const std::string& answer) {
        const uint64_t free = number(answer);
        const size_t tab = answer.find('\t');
        const uint64_t needed = tab == std::string::npos ? 0 : number(answer.substr(tab + 1));
        if (free < room_bytes_ + needed) {
          return s->job.failed(
              {Code::kExhausted,
               fmt::format(
                   "too little disk to rewrite rows of partition {}: {} MiB are needed and {} "
                   "MiB left free, {} MiB are there",
                   partition, needed >> 20, room_bytes_ >> 20, free >> 20)});
        }
        mutate(s->job, "sharded_events", sql::rewrite(place_, partition),
               [this, s, rows](const std::string&) {
                 s->progress.rows_rewritten += rows;
                 squashed_total.add(rows);
                 squash_partition(s);
               });
      });
}

bool Upkeep::goes_on(const Squash& s) {
  if (!s.step || s.step(s.progress)) return true;
  s.job.failed({Code::kCancelled, "another process squashes from here on"});
  return false;
}

/// Every row has the person of its frozen override, or of a newer one that stays.
void Upkeep::delete_applied(std::shared_ptr<Squash> s) {
  if (!goes_on(*s)) return;
  ask(s->job, sql::applied_count(place_), [this, s](const std::string& answer) {
    if (number(answer) > 0) {
      if (++s->rounds > kRoundsMax) {
        return s->job.failed({Code::kBusy, "applied overrides could not be deleted"});
      }
      return mutate(s->job, "person_distinct_id_overrides", sql::delete_applied(place_),
                    [this, s](const std::string&) { delete_applied(s); });
    }
    renew(s->job, [this, s](const std::string&) {
      ask_all(s->job, sql::thaw(place_), 0, [this, s](const std::string&) {
        s->done(s->progress);
        ended();
      });
    });
  });
}

}  // namespace penstock::store
