#include "assets/assets.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "base/assert.h"

// The packed files, from the assembler files that the build generates.
extern "C" const char penstock_web_pack[];
extern "C" const char penstock_web_pack_end[];
extern "C" const char penstock_sdk_pack[];
extern "C" const char penstock_sdk_pack_end[];
extern "C" const char penstock_apps_pack[];
extern "C" const char penstock_apps_pack_end[];
extern "C" const char penstock_scripts_pack[];
extern "C" const char penstock_scripts_pack_end[];

namespace penstock::assets {
namespace {

using Pack = std::vector<Asset>;

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

Pack unpack(const char* begin, const char* end) {
  Pack out;
  std::string_view pack(begin, static_cast<size_t>(end - begin));
  while (!pack.empty()) {
    Asset a;
    a.path = take(pack);
    a.content_type = take(pack);
    a.bytes = take(pack);
    a.gzip = take(pack);
    out.push_back(a);
  }
  return out;
}

const Pack& web() {
  static const Pack all = unpack(penstock_web_pack, penstock_web_pack_end);
  return all;
}

const Pack& sdk() {
  static const Pack all = unpack(penstock_sdk_pack, penstock_sdk_pack_end);
  return all;
}

const Pack& scripts() {
  static const Pack all = unpack(penstock_scripts_pack, penstock_scripts_pack_end);
  return all;
}

const Asset* find(const Pack& pack, std::string_view path) {
  const auto found = std::ranges::find(pack, path, &Asset::path);
  return found == pack.end() ? nullptr : &*found;
}

}  // namespace

const Asset* find_web(std::string_view path) { return find(web(), path); }
size_t web_count() { return web().size(); }
const Asset* find_sdk(std::string_view path) { return find(sdk(), path); }
const std::vector<Asset>& app_files() {
  static const Pack all = unpack(penstock_apps_pack, penstock_apps_pack_end);
  return all;
}
std::string_view sdk_version() { return PENSTOCK_SDK_VERSION; }

std::string_view find_script(std::string_view name) {
  const Asset* found = find(scripts(), name);
  return found == nullptr ? std::string_view() : found->bytes;
}

}  // namespace penstock::assets
