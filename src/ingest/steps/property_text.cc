#include "ingest/steps/property_text.h"

namespace penstock::ingest {

PropertyText::PropertyText(std::string object_text) : loaded_(std::move(object_text)) {
  if (auto fields = event::JsonFields::parse(loaded_)) {
    fields_ = std::move(*fields);
  } else {
    loaded_ = "{}";
  }
}

void PropertyText::set(std::string_view key, std::string_view raw) {
  fields_.set(key, raw);
  edited_ = true;
  text_valid_ = false;
}

bool PropertyText::erase(std::string_view key) {
  if (!fields_.erase(key)) return false;
  edited_ = true;
  text_valid_ = false;
  return true;
}

const std::string& PropertyText::text() const {
  if (!edited_) return loaded_;
  if (!text_valid_) {
    text_.clear();
    fields_.append_to(text_);
    text_valid_ = true;
  }
  return text_;
}

}  // namespace penstock::ingest
