// The tables and how they come to be; the page for it is docs/formats/persons.md.
//
// PostHog's tables are made when they are missing and otherwise taken as they are. What is
// Penstock's own is named `penstock_…`. Statements are idempotent and run under one advisory lock,
// so that several processes may start at once.
#pragma once

#include "base/result.h"
#include "persons/postgres/session.h"

namespace penstock::persons {

/// kDenied and kUnavailable as the server says; kConflict: a newer Penstock was here.
Status migrate(Connection& connection);

}  // namespace penstock::persons
