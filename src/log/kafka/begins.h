// The text that says where topics begin: docs/formats/kafka.md. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "log/begin.h"

namespace penstock::log::kafka {

/// Without the sequences, which the checkpoints of framed topics keep.
std::string encode_begins(const Begins& begins);
/// Nullopt: it is no such text.
std::optional<Begins> decode_begins(std::string_view text);

}  // namespace penstock::log::kafka
