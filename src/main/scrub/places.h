// Places: what the background check reads beside the log, one kind of thing each: the tables of
// the state engines, objects, the parts of the embedded store.
//
// Calls and answers on the pipeline loop; what blocks runs in the pool. Failure: an item that is
// not there any more is kNotFound, one whose bytes are wrong is an answer and no failure; anything
// else means to ask again later.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "objects/object_store.h"
#include "runtime/runtime.h"
#include "store/event_store.h"

namespace penstock::cli::scrub {

struct Item {
  std::string name;  // for a person too
  uint64_t bytes = 0;
};

class Place {
 public:
  using Listed = std::move_only_function<void(Result<std::vector<Item>>)>;
  /// What is wrong with it; empty: nothing.
  using Checked = std::move_only_function<void(Result<std::string>)>;

  virtual ~Place() = default;
  virtual std::string_view name() const = 0;  // "state", "objects", "store"
  /// Items behind the one of this name, in their order, as many as suit; none: that was all.
  virtual void list(std::string after, Listed done) = 0;
  virtual void check(Item item, Checked done) = 0;
};

/// Files of the databases below `directory`: tables, and values that lie apart from them.
std::unique_ptr<Place> make_state_place(runtime::Loop& loop, runtime::Runtime& runtime,
                                        std::string directory);
std::unique_ptr<Place> make_objects_place(runtime::Loop& loop, runtime::Runtime& runtime,
                                          std::shared_ptr<objects::ObjectStore> objects);
/// Parts of the tables of an engine that is embedded; null: this store has none of its own.
std::unique_ptr<Place> make_store_place(store::EventStore& store);

}  // namespace penstock::cli::scrub
