// Pieces: the parts of a batch that are tried one by one when the store refuses it as a whole.
//
// First each table under the batch's own id (a table that was stored before is kept once), then
// halves of a table, until a single row is refused. Such a row becomes an ingestion warning that
// carries it, so that nothing is lost and one row cannot hold the stream. Pure functions.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "load/batch/intent.h"
#include "store/event_store.h"

namespace penstock::load {

/// Events, persons, distinct ids, warnings, replay blocks, log entries, heatmaps, groups.
inline constexpr uint32_t kTables = 8;

uint64_t rows_of_table(const store::InsertBatch& batch, uint32_t table);
/// The rows of the piece; the id of the batch if it is a whole table, else one of its own.
std::shared_ptr<store::InsertBatch> piece_of(const std::shared_ptr<const store::InsertBatch>& batch,
                                             const Split& split);
/// A batch with one ingestion warning in place of the piece's single row.
std::shared_ptr<store::InsertBatch> warning_for(
    const std::shared_ptr<const store::InsertBatch>& batch, const Split& split,
    std::string_view reason, int64_t now_ms);

/// The piece after this one was stored; `active` is false when the batch is through.
Split after_stored(const store::InsertBatch& batch, Split split);
/// A smaller piece after this one was refused. Not for a single row.
Split after_refused(const store::InsertBatch& batch, Split split);
bool is_single_row(const store::InsertBatch& batch, const Split& split);

}  // namespace penstock::load
