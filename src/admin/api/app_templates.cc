#include "admin/api/app_templates.h"

#include <fmt/format.h>

#include <map>

#include "assets/assets.h"
#include "base/diag.h"
#include "base/json_writer.h"
#include "hog/templates.h"

namespace penstock::admin {
namespace {

using Packages = std::map<std::string, catalog::AppFiles, std::less<>>;

/// Paths are "/<id>/<path>".
const Packages& packages() {
  static const Packages all = [] {
    Packages out;
    for (const assets::Asset& asset : assets::app_files()) {
      const std::string_view path = asset.path.substr(1);
      const size_t slash = path.find('/');
      out[std::string(path.substr(0, slash))][std::string(path.substr(slash + 1))] =
          std::string(asset.bytes);
    }
    for (const hog::StockTemplate& stock : hog::stock_templates()) {
      catalog::AppFiles& files = out[std::string(stock.id)];
      files["index.hog"] = stock.source.substr(stock.source.find_first_not_of('\n'));
      JsonWriter w;
      w.begin_object().field("name", stock.name).field("description", stock.description);
      w.field("main", "index.hog").key("config").raw(stock.inputs).end_object();
      files["plugin.json"] = w.take();
    }
    return out;
  }();
  return all;
}

}  // namespace

const std::vector<AppTemplate>& app_template_list() {
  static const std::vector<AppTemplate> all = [] {
    std::vector<AppTemplate> out;
    for (const auto& [id, files] : packages()) {
      auto manifest = catalog::read_app_manifest(files);
      if (manifest) {
        out.push_back({id, std::move(*manifest)});
      } else {
        diag::warn("a template is left out",
                   {{"template", id}, {"error", manifest.error().message}});
      }
    }
    return out;
  }();
  return all;
}

Result<catalog::AppFiles> app_template_files(std::string_view id) {
  const auto found = packages().find(id);
  if (found == packages().end()) {
    return fail(Code::kNotFound, fmt::format("there is no template '{}'", id));
  }
  return found->second;
}

}  // namespace penstock::admin
