// What the admin API shows of the squash stage, and how it begins one.
#pragma once

#include "admin/admin.h"
#include "load/squash.h"

namespace penstock::cli {

/// `squash` must outlive the admin service.
void add_squash(admin::AdminSources& sources, load::Squash& squash);

}  // namespace penstock::cli
