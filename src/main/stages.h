// What a process with these stages does and what others do for it.
//
// Several processes share a log on Kafka (docs/decisions/0024-stages-as-processes.md); everything
// else is one process's. Pure functions of the settings.
#pragma once

#include <memory>

#include "main/settings.h"

namespace penstock::cli {

/// kInvalid: a name that is no stage, or stages that have to be in one process.
Status check_stages(const Settings& settings);
/// kInvalid: slices or process.slices cannot be what they are, or not with these stages.
Status check_slices(const Settings& settings);
/// False: it only fills lanes, or copies what was decided; who decides counts what becomes of it.
bool keeps_books(const Settings& settings);
/// Whether outcomes are appended here; on Kafka one process at a time does.
bool writes_processed(const Settings& settings);
/// Whether rows can be asked for here: of an embedded store only where it is filled.
bool has_rows(const Settings& settings);

/// Whether other processes with `load` may fill the same tables, each from some partitions.
bool shares_load(const Settings& settings);

ledger::LedgerOptions ledger_options_of(const Settings& settings);
/// Answers kUnavailable to everything: the rows lie in another process's directory.
std::unique_ptr<store::EventStore> make_store_elsewhere(runtime::Loop& loop);

}  // namespace penstock::cli
