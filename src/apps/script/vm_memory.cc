// The engine's allocator: counts what one app holds, and refuses what would be too much.
#include <malloc.h>

#include <cstdlib>

#include "apps/script/vm.h"

namespace penstock::apps {

const JSMallocFunctions* Vm::allocator() {
  static const JSMallocFunctions functions = [] {
    JSMallocFunctions out{};
    out.js_malloc = [](JSMallocState* state, size_t size) -> void* {
      auto* memory = static_cast<Memory*>(state->opaque);
      if (memory->used + size > memory->max) return nullptr;
      void* made = std::malloc(size);
      if (made != nullptr) memory->used += ::malloc_usable_size(made);
      return made;
    };
    out.js_free = [](JSMallocState* state, void* at) {
      if (at == nullptr) return;
      static_cast<Memory*>(state->opaque)->used -= ::malloc_usable_size(at);
      std::free(at);
    };
    out.js_realloc = [](JSMallocState* state, void* at, size_t size) -> void* {
      auto* memory = static_cast<Memory*>(state->opaque);
      const size_t old = at == nullptr ? 0 : ::malloc_usable_size(at);
      if (size == 0) {
        memory->used -= old;
        std::free(at);
        return nullptr;
      }
      if (size > old && memory->used + size - old > memory->max) return nullptr;
      void* made = std::realloc(at, size);
      if (made != nullptr) memory->used += ::malloc_usable_size(made) - old;
      return made;
    };
    out.js_malloc_usable_size = [](const void* at) -> size_t {
      return ::malloc_usable_size(const_cast<void*>(at));
    };
    return out;
  }();
  return &functions;
}

}  // namespace penstock::apps
