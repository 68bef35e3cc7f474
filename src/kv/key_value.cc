#include "kv/key_value.h"

namespace penstock::kv {

Status KeyValue::visit_many(const std::vector<std::string>& keys,
                            const std::function<Status(size_t, std::string_view)>& visit) const {
  PENSTOCK_TRY(const auto values, get_many(keys));
  for (size_t i = 0; i < values.size(); i++) {
    if (values[i]) PENSTOCK_CHECK(visit(i, *values[i]));
  }
  return {};
}

std::string prefix_end(std::string_view prefix) {
  std::string end(prefix);
  while (!end.empty() && static_cast<unsigned char>(end.back()) == 0xff) end.pop_back();
  if (!end.empty()) end.back() = static_cast<char>(static_cast<unsigned char>(end.back()) + 1);
  return end;
}

}  // namespace penstock::kv
