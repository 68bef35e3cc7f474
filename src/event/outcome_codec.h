// How an Outcome is laid out in the processed topic (docs/formats/records.md).
//
// A part of processed_record.cc with a file of its own. Version and type stand before what is
// written here.
#pragma once

#include "base/codec.h"
#include "event/processed_record.h"

namespace penstock::event {

inline constexpr uint8_t kOutcomeVersionMin = 1, kOutcomeVersionMax = 3;

uint8_t version_of(const Outcome& outcome);
void write_outcome(ByteWriter& w, const Outcome& outcome);
/// `known` becomes false when its kind is not.
Outcome read_outcome(ByteReader& in, uint8_t version, bool& known);

}  // namespace penstock::event
