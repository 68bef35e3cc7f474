#include "postgres/servers.h"

#include <postgresql/libpq-fe.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string_view>

namespace penstock::postgres {
namespace {

constexpr std::array<std::string_view, 3> kLists = {"host", "hostaddr", "port"};

std::vector<std::string> split(std::string_view list) {
  std::vector<std::string> out;
  for (;;) {
    const size_t comma = list.find(',');
    out.emplace_back(list.substr(0, comma));
    if (comma == std::string_view::npos) return out;
    list.remove_prefix(comma + 1);
  }
}

bool is_list(std::string_view name) { return std::ranges::find(kLists, name) != kLists.end(); }

}  // namespace

Result<std::vector<Parameters>> servers_of(const std::string& url) {
  char* said = nullptr;
  const std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> options(
      PQconninfoParse(url.c_str(), &said), &PQconninfoFree);
  const std::unique_ptr<char, decltype(&PQfreemem)> words(said, &PQfreemem);
  if (options == nullptr) {
    return fail(Code::kInvalid, said == nullptr ? "out of memory" : std::string(said));
  }
  size_t servers = 1;
  for (const PQconninfoOption* o = options.get(); o->keyword != nullptr; o++) {
    if (o->val == nullptr || !is_list(o->keyword)) continue;
    servers = std::max(servers, split(o->val).size());
  }
  std::vector<Parameters> out(servers);
  for (const PQconninfoOption* o = options.get(); o->keyword != nullptr; o++) {
    if (o->val == nullptr) continue;
    const std::vector<std::string> values =
        is_list(o->keyword) ? split(o->val) : std::vector<std::string>{o->val};
    // One port is everybody's.
    if (values.size() != 1 && values.size() != servers) {
      return fail(Code::kInvalid, std::string("\"") + o->keyword + "\" has " +
                                      std::to_string(values.size()) + " members and others " +
                                      std::to_string(servers));
    }
    for (size_t i = 0; i < servers; i++) {
      out[i].emplace_back(o->keyword, values[values.size() == 1 ? 0 : i]);
    }
  }
  return out;
}

}  // namespace penstock::postgres
