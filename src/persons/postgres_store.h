// PersonStore on PostgreSQL 15, in the shapes of PostHog's tables.
//
// Persons lie in `posthog_person`, distinct ids in `posthog_persondistinctid`; what those cannot
// hold (versions of deleted persons, distinct ids whose person is not there yet, merges, reports of
// commands, positions) lies in `penstock_…` beside them: docs/formats/persons.md. One `apply` is
// one transaction. Nothing here needs the server to be up: without it calls answer kUnavailable or
// kTimeout within their deadlines, and at the next success the store finds out what it lacks and
// replays it from the log.
//
// Threads: `fetch`, `apply` and `recover` use one connection and wait for each other; the other
// reads have connections of their own and may come from any thread. Every call may block up to
// `connect_ms + statement_ms`. Failure: kUnavailable, kTimeout, kBusy (a deadlock), kExhausted (its
// disk), kDenied (its permissions); a value that PostgreSQL refuses is left out, counted and
// logged.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "persons/person_store.h"

namespace penstock::persons {

struct PostgresOptions {
  std::string url;     // postgresql://…, or libpq's key=value form
  std::string source;  // names the log that positions are of; another log begins at its start
  int64_t connect_ms = 3000;
  int64_t statement_ms = 10'000;
  int64_t retry_ms = 1000;  // after a failed connect, until the next one is tried
  size_t readers_max = 4;   // connections for reads of people
  /// Partitions of the processed topic whose changes this process writes; empty: all.
  std::function<bool(Partition)> decides{};
};

std::unique_ptr<PersonStore> make_postgres_person_store(PostgresOptions options);

}  // namespace penstock::persons
