// Token counts of events about language models (ERRATA B13): what is no number becomes null, with a
// warning, so that costs can be added up. Pure; ingest loop only.
#pragma once

#include "ingest/steps/item.h"

namespace penstock::ingest {

/// After sanitise. Nothing happens to other events; the event always goes on.
void check_ai_tokens(Item& item, Warnings& warnings);

/// Whether JavaScript's Number() would make a finite number of this text.
bool is_numeric_text(std::string_view text);

}  // namespace penstock::ingest
