// Deciding: of the processes with ingest on one Kafka the one that decides holds a lease, under a
// name that its data directory keeps (docs/decisions/0024-stages-as-processes.md). main's thread,
// or whoever moves a log; blocks.
#pragma once

#include <memory>
#include <string>

#include "log/kafka_lease.h"
#include "main/settings.h"
#include "runtime/runtime.h"

namespace penstock::cli {

/// Whether this data directory has asked before: then Kafka has the topics.
bool has_asked_to_decide(const Settings& settings, const runtime::FileSystem& files,
                         const std::string& data_dir);
/// A data directory's own name in a group, kept in this file: after a restart it is the same one.
Result<std::string> member_name(runtime::Runtime& runtime, const std::string& path);
/// Asks for the lease; it is held once KafkaLease::wait says so.
Result<std::unique_ptr<log::KafkaLease>> ask_to_decide(const Settings& settings,
                                                       runtime::Runtime& runtime,
                                                       const std::string& data_dir);

}  // namespace penstock::cli
