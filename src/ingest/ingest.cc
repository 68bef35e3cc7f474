#include "ingest/ingest.h"

#include "ingest/cycle/ingest_service.h"

namespace penstock::ingest {

std::unique_ptr<Ingest> Ingest::make(runtime::Loop& loop, runtime::Runtime& runtime, log::Log& log,
                                     catalog::Catalog& catalog, persons::PersonStore& persons,
                                     ledger::Ledger& ledger, IngestOptions options) {
  return std::make_unique<IngestService>(loop, runtime, log, catalog, persons, ledger, options);
}

}  // namespace penstock::ingest
