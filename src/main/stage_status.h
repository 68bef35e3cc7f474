// What the admin API tells of the stages that run here: their figures in its words.
//
// The stages must outlive the sources. main's thread; what is added may be called from the admin
// loop.
#pragma once

#include "admin/admin.h"
#include "definitions/definitions.h"
#include "ingest/ingest.h"
#include "load/loader.h"
#include "replay/replay.h"

namespace penstock::cli {

/// Null: that stage does not run here.
struct StagesHere {
  const ingest::Ingest* ingest = nullptr;
  const replay::Replay* replay = nullptr;
  const definitions::Definitions* definitions = nullptr;
  const load::Loader* loader = nullptr;
};

void add_stages(admin::AdminSources& out, const StagesHere& stages);

}  // namespace penstock::cli
