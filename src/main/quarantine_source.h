// What the admin API may ask ingest about quarantine: trials, and how far re-drives are.
#pragma once

#include "admin/admin.h"
#include "ingest/ingest.h"
#include "runtime/runtime.h"

namespace penstock::cli {

struct QuarantineParts {
  ingest::Ingest& ingest;
  runtime::Loop& ingest_loop;
  runtime::Loop& admin_loop;
};
/// The parts outlive the admin API.
void add_quarantine(admin::AdminSources& sources, QuarantineParts parts);

}  // namespace penstock::cli
