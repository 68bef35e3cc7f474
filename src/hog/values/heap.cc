// Memory of a run: small blocks from chunks by size class, large ones from malloc in a list.
#include <bit>
#include <cstdlib>
#include <cstring>
#include <new>

#include "base/assert.h"
#include "hog/value.h"
#include "hog/values/number.h"
#include "hog/values/text.h"

namespace penstock::hog {
namespace {

constexpr size_t kChunkBytes = 64 << 10, kAlign = 16, kSmallMax = 512;
constexpr size_t kKeptChunks = 64;  // kept for the next run: 4 MiB

size_t rounded(size_t bytes) { return (bytes + kAlign - 1) & ~(kAlign - 1); }

}  // namespace

/// Lies at a multiple of its size, so that a cell's address tells its heap.
struct Heap::Chunk {
  Heap* heap;
  Chunk* next;
  size_t used;
};

struct Heap::Large {
  Large* next;
  Large** before;
};

Heap::Heap() = default;

Heap::~Heap() {
  reset();
  while (chunks_ != nullptr) std::free(std::exchange(chunks_, chunks_->next));
}

Heap& Heap::of(const void* cell) {
  const auto at = std::bit_cast<uintptr_t>(cell) & ~(uintptr_t{kChunkBytes} - 1);
  return *std::bit_cast<Chunk*>(at)->heap;
}

void Heap::reset() {
  while (large_ != nullptr) std::free(std::exchange(large_, large_->next));
  size_t kept = 0;
  Chunk** link = &chunks_;
  while (*link != nullptr) {
    if (++kept > kKeptChunks) {
      std::free(std::exchange(*link, (*link)->next));
    } else {
      (*link)->used = rounded(sizeof(Chunk));
      link = &(*link)->next;
    }
  }
  current_ = chunks_;
  for (void*& list : free_) list = nullptr;
  live_ = peak_ = 0;
  graves_.clear();
  burying_ = false;
}

void Heap::count(size_t bytes) {
  live_ += bytes;
  if (live_ > peak_) peak_ = live_;
  if (live_ > limit_) {
    throw Failure{"Memory limit exceeded. The values of this run take more than " +
                  std::to_string(limit_) + " bytes."};
  }
}

void* Heap::take(size_t bytes) {
  const size_t size = rounded(bytes == 0 ? 1 : bytes);
  if (size > kSmallMax) {
    count(size);
    void* block = std::malloc(size + rounded(sizeof(Large)));
    if (block == nullptr) throw Failure{"Memory limit exceeded. The machine has no more memory."};
    auto* large = static_cast<Large*>(block);
    large->next = large_;
    large->before = &large_;
    if (large_ != nullptr) large_->before = &large->next;
    large_ = large;
    return static_cast<char*>(block) + rounded(sizeof(Large));
  }
  count(size);
  void*& list = free_[size / kAlign];
  if (list != nullptr) {
    void* block = list;
    std::memcpy(&list, block, sizeof list);
    return block;
  }
  if (current_ == nullptr || current_->used + size > kChunkBytes) {
    if (current_ != nullptr && current_->next != nullptr) {
      current_ = current_->next;
    } else {
      void* memory = std::aligned_alloc(kChunkBytes, kChunkBytes);
      if (memory == nullptr)
        throw Failure{"Memory limit exceeded. The machine has no more memory."};
      Chunk* chunk = new (memory) Chunk{this, nullptr, rounded(sizeof(Chunk))};
      (current_ == nullptr ? chunks_ : current_->next) = chunk;
      current_ = chunk;
    }
  }
  char* block = std::bit_cast<char*>(current_) + current_->used;
  current_->used += size;
  return block;
}

void Heap::give(void* block, size_t bytes) {
  if (block == nullptr) return;
  const size_t size = rounded(bytes == 0 ? 1 : bytes);
  live_ -= size;
  if (size > kSmallMax) {
    auto* large =
        static_cast<Large*>(static_cast<void*>(static_cast<char*>(block) - rounded(sizeof(Large))));
    *large->before = large->next;
    if (large->next != nullptr) large->next->before = large->before;
    std::free(large);
    return;
  }
  void*& list = free_[size / kAlign];
  std::memcpy(block, &list, sizeof list);
  list = block;
}

template <typename T>
T* Heap::make(Kind kind) {
  T* cell = new (take(sizeof(T))) T;
  cell->kind = kind;
  return cell;
}

void Value::bury(Cell* cell) { Heap::of(cell).bury(cell); }

/// Cells that nothing refers to any more are destroyed one after the other, never inside each
/// other: the depth of what a program builds is its own choice.
void Heap::bury(Cell* cell) {
  if (burying_) {
    graves_.push_back(cell);
    return;
  }
  burying_ = true;
  destroy(cell);
  while (!graves_.empty()) {
    Cell* next = graves_.back();
    graves_.pop_back();
    destroy(next);
  }
  burying_ = false;
}

void Heap::destroy(Cell* cell) {
  const auto end = [this]<typename T>(T* at) {
    at->~T();
    give(at, sizeof(T));
  };
  switch (cell->kind) {
    case Kind::kString: {
      auto* string = static_cast<String*>(cell);
      if (string->own) give(const_cast<char*>(string->data), string->size);
      end(string);
      break;
    }
    case Kind::kArray: {
      auto* array = static_cast<Array*>(cell);
      for (Value& item : array->span()) item.~Value();
      give(array->items, array->capacity * sizeof(Value));
      end(array);
      break;
    }
    case Kind::kObject: {
      auto* object = static_cast<Object*>(cell);
      for (uint32_t i = 0; i < object->size; i++) object->entries[i].~Entry();
      give(object->entries, object->capacity * sizeof(Entry));
      give(object->index, object->index_size * sizeof(uint32_t));
      end(object);
      break;
    }
    case Kind::kDate: end(static_cast<Date*>(cell)); break;
    case Kind::kDateTime: end(static_cast<DateTime*>(cell)); break;
    case Kind::kInterval: end(static_cast<Interval*>(cell)); break;
    case Kind::kError: end(static_cast<ErrorCell*>(cell)); break;
    case Kind::kCallable: end(static_cast<Callable*>(cell)); break;
    case Kind::kClosure: {
      auto* closure = static_cast<Closure*>(cell);
      give(closure->upvalues, closure->size * sizeof(uint32_t));
      end(closure);
      break;
    }
    default: break;
  }
}

Value Heap::borrowed(std::string_view text) {
  if (text.size() > UINT32_MAX) throw Failure{"Memory limit exceeded. A string is too long."};
  auto* string = make<String>(Kind::kString);
  string->data = text.data();
  string->size = static_cast<uint32_t>(text.size());
  string->units = static_cast<uint32_t>(utf16_units(text));
  return Value::of(string);
}

Value Heap::string(std::string_view text) {
  const std::string_view parts[] = {text};
  return concat(parts);
}

Value Heap::concat(std::span<const std::string_view> parts) {
  size_t size = 0;
  for (const std::string_view part : parts) size += part.size();
  if (size > UINT32_MAX) throw Failure{"Memory limit exceeded. A string is too long."};
  if (size == 0) return borrowed({});
  char* data = static_cast<char*>(take(size));
  char* at = data;
  for (const std::string_view part : parts) {
    if (!part.empty()) std::memcpy(at, part.data(), part.size());
    at += part.size();
  }
  Value out = borrowed({data, size});
  out.as<String>().own = true;
  return out;
}

Value Heap::date(double year, double month, double day) {
  auto* cell = make<Date>(Kind::kDate);
  cell->year = year;
  cell->month = month;
  cell->day = day;
  return Value::of(cell);
}

Value Heap::date_time(double seconds, std::string_view zone) {
  Value name = zone == "UTC" ? borrowed("UTC") : string(zone);
  auto* cell = make<DateTime>(Kind::kDateTime);
  cell->seconds = seconds;
  cell->zone = std::move(name);
  return Value::of(cell);
}

Value Heap::interval(Value amount, std::string_view unit) {
  Value name = string(unit);
  auto* cell = make<Interval>(Kind::kInterval);
  cell->amount = std::move(amount);
  cell->unit = std::move(name);
  return Value::of(cell);
}

Value Heap::error(Value type, Value message, Value payload) {
  auto* cell = make<ErrorCell>(Kind::kError);
  cell->type = truthy(type) ? std::move(type) : borrowed("Error");
  cell->message = truthy(message) ? std::move(message) : borrowed("An error occurred");
  cell->payload = std::move(payload);
  return Value::of(cell);
}

Value Heap::callable(CallKind call, Value name, Value chunk, int32_t arguments, int32_t upvalues,
                     int32_t ip) {
  auto* cell = make<Callable>(Kind::kCallable);
  cell->call = call;
  cell->name = std::move(name);
  cell->chunk = std::move(chunk);
  cell->arguments = arguments;
  cell->upvalues = upvalues;
  cell->ip = ip;
  return Value::of(cell);
}

Value Heap::closure(Value callable, std::span<const uint32_t> upvalues) {
  uint32_t* ids = nullptr;
  if (!upvalues.empty()) {
    ids = static_cast<uint32_t*>(take(upvalues.size_bytes()));
    std::memcpy(ids, upvalues.data(), upvalues.size_bytes());
  }
  auto* cell = make<Closure>(Kind::kClosure);
  cell->callable = std::move(callable);
  cell->upvalues = ids;
  cell->size = static_cast<uint32_t>(upvalues.size());
  return Value::of(cell);
}

Value Heap::array(size_t reserve) {
  Value out = Value::of(make<Array>(Kind::kArray));
  auto& array = out.as<Array>();
  array.cost = 8;
  if (reserve > UINT32_MAX / 2) throw Failure{"Memory limit exceeded. An array is too long."};
  if (reserve > 0) {
    array.items = static_cast<Value*>(take(reserve * sizeof(Value)));
    array.capacity = static_cast<uint32_t>(reserve);
  }
  return out;
}

Value Heap::tuple(size_t reserve) {
  Value out = array(reserve);
  out.cell()->tuple = true;
  return out;
}

Value Heap::object(size_t reserve) {
  Value out = Value::of(make<Object>(Kind::kObject));
  auto& object = out.as<Object>();
  object.cost = 8;
  if (reserve > 0) {
    object.entries = static_cast<Entry*>(take(reserve * sizeof(Entry)));
    object.capacity = static_cast<uint32_t>(reserve);
  }
  return out;
}

}  // namespace penstock::hog
