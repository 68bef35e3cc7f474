// Elements chain: what was clicked, in one string (contract section 8, ERRATA A17).
#pragma once

#include <string>
#include <string_view>

#include "ingest/steps/item.h"

namespace penstock::ingest {

/// Moves $elements_chain or $elements out of the properties into `item.elements_chain`.
void build_elements(Item& item);

/// The chain of a `$elements` array (raw JSON); empty when it is no array.
std::string elements_chain(std::string_view raw_array);

/// How ICU's root collation orders two attribute names, as far as ASCII goes; other characters
/// come after, by code point. Negative, zero or positive.
int compare_attribute_names(std::string_view a, std::string_view b);

}  // namespace penstock::ingest
