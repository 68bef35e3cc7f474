// The places where something of a person lies, beside the person store: what a deletion clears.
//
// Each bears being asked again. Called on the pipeline loop, where the store lives; what blocks
// runs on the pool. Everything handed in outlives them. Failure: the place's own, retried by
// ingest.
#pragma once

#include <cstdint>
#include <vector>

#include "admin/admin.h"
#include "ingest/ingest.h"
#include "ledger/ledger.h"
#include "objects/object_store.h"
#include "runtime/runtime.h"
#include "store/event_store.h"

namespace penstock::cli {

struct EraseParts {
  runtime::Runtime& runtime;
  runtime::Loop& loop;
  store::EventStore& store;
  objects::ObjectStore& objects;
  ledger::Ledger& ledger;
  int64_t log_retention_ms = 0;  // 0: no limit
  bool loads = true;             // events on their way become rows here
  bool loads_elsewhere = false;  // or other processes may make rows of them in the same store
};

ingest::PersonCommandOptions person_commands(EraseParts parts);

/// What ingest is at, in the admin API's words.
std::vector<admin::PersonCommandStatus> open_person_commands(const ingest::Ingest& ingest);

}  // namespace penstock::cli
