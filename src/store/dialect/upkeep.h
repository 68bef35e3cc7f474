// Upkeep: the jobs that change rows which are there already, one after the other.
//
// A job is a chain of statements on the engine's upkeep connection, with at most one mutation under
// way; it waits for that by asking how far it is. Whatever a job does may be done again: counts are
// taken before a change and after it, and a change is repeated until nothing is left to change. A
// job whose engine died is answered kUnavailable. Home loop only.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/runtime.h"
#include "store/dialect/statement.h"
#include "store/dialect/upkeep_sql.h"
#include "store/event_store.h"

namespace penstock::store {

class Upkeep {
 public:
  /// `room_bytes`: of the disk, left free by every rewriting.
  Upkeep(runtime::Loop& loop, sql::Place place, uint64_t room_bytes, SendStatements send)
      : loop_(loop), place_(std::move(place)), room_bytes_(room_bytes), send_(std::move(send)) {}
  ~Upkeep() { *alive_ = false; }

  void erase(EraseRequest request, EraseStep step, EraseDone done);
  void freeze(FreezeDone done);
  void squash(SquashStep step, SquashDone done);
  /// The engine has died: jobs that have begun end at their next statement.
  void engine_died() { life_++; }

 private:
  struct Erasure;
  struct Squash;
  using Next = std::move_only_function<void(std::string answer)>;
  using Failed = std::function<void(Error)>;
  /// Statements of one job, which end together with the engine they began on.
  struct Job {
    uint64_t life = 0;
    Failed failed;
  };

  void enqueue(std::move_only_function<void()> begin, std::function<void(Error)> refused);
  void ended();
  void ask(const Job& job, Turn turn, std::vector<Statement> statements, Next next);
  void ask(const Job& job, std::string_view sql, Next next);
  void ask_all(const Job& job, std::vector<std::string> statements, size_t at, Next next);
  /// Runs a mutation and returns when the engine is through with it.
  void mutate(const Job& job, std::string table, std::string_view sql, Next next);
  void look(const Job& job, const std::string& table, Next next);

  void renew(const Job& job, Next next);

  void put_down(std::shared_ptr<Erasure> e);
  void erase_table(std::shared_ptr<Erasure> e);
  void erase_rows(std::shared_ptr<Erasure> e, uint64_t rows);
  void table_erased(std::shared_ptr<Erasure> e);
  void list_partitions(std::shared_ptr<Squash> s);
  void squash_partition(std::shared_ptr<Squash> s);
  void squash_rows(std::shared_ptr<Squash> s, uint64_t rows);
  void rewrite(std::shared_ptr<Squash> s, const std::string& partition, uint64_t rows);
  void delete_applied(std::shared_ptr<Squash> s);
  /// False: whoever asked for it has let it go, and has been told.
  static bool goes_on(const Squash& s);

  runtime::Loop& loop_;
  const sql::Place place_;
  const uint64_t room_bytes_;
  SendStatements send_;
  std::deque<std::move_only_function<void()>> waiting_;  // kUpkeepJobsMax with the running one
  bool busy_ = false;
  uint64_t life_ = 0;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace penstock::store
