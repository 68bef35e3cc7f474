#include "admin/assets.h"

#include <cstring>
#include <vector>

#include "base/assert.h"

// The packed files, from the assembler file that the build generates.
extern "C" const char penstock_web_pack[];
extern "C" const char penstock_web_pack_end[];

namespace penstock::admin {
namespace {

std::string_view take(std::string_view& in) {
  uint32_t size = 0;
  PENSTOCK_ASSERT(in.size() >= sizeof size);
  std::memcpy(&size, in.data(), sizeof size);
  in.remove_prefix(sizeof size);
  PENSTOCK_ASSERT(in.size() >= size);
  const std::string_view out = in.substr(0, size);
  in.remove_prefix(size);
  return out;
}

const std::vector<Asset>& assets() {
  static const std::vector<Asset> all = [] {
    std::vector<Asset> out;
    std::string_view pack(penstock_web_pack,
                          static_cast<size_t>(penstock_web_pack_end - penstock_web_pack));
    while (!pack.empty()) {
      Asset a;
      a.path = take(pack);
      a.content_type = take(pack);
      a.bytes = take(pack);
      a.gzip = take(pack);
      out.push_back(a);
    }
    return out;
  }();
  return all;
}

}  // namespace

const Asset* find_asset(std::string_view path) {
  for (const Asset& a : assets()) {
    if (a.path == path) return &a;
  }
  return nullptr;
}

size_t asset_count() { return assets().size(); }

}  // namespace penstock::admin
