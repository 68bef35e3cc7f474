// What the drivers of compressions share: any bytes give the exact text or one of two errors,
// within the limit and the memory that it allows.
//
// Input: one byte for the limit, the packed bytes. A driver brings a Coding: `decode` as the
// product does it, `encode` with choices, `again` (another library's or another way's text, when
// there is one) and how much memory the decoder may take for itself. The mutator unpacks, changes
// the text inside, packs it with other settings, and then may damage the bytes.
#pragma once

#include <array>
#include <limits>
#include <optional>

#include "fuzz/fuzz.h"
#include "fuzz/memory.h"
#include "wire/inflate.h"

namespace penstock::fuzz {

inline constexpr size_t kTextBytesMax = 1U << 18;

/// One of the errors that a decoder may give.
inline void hold_error(const Error& error) {
  hold(error.code == Code::kInvalid || error.code == Code::kExhausted, "the error is one of two");
  hold(!error.message.empty(), "an error has words");
}

template <typename Coding>
void hold_limit(std::string_view in, std::string_view text) {
  wire::Inflater inflater;
  PaddedBuffer out;
  hold(Coding::decode(inflater, in, out, text.size()).has_value() && out.view() == text,
       "a text that is just as large as the limit passes");
  if (text.empty() || !Coding::kLimited) return;
  const Status less = Coding::decode(inflater, in, out, text.size() - 1);
  hold(!less && less.error().code == Code::kExhausted, "one byte more than the limit is too large");
}

template <typename Coding>
int inflate_one(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  static wire::Inflater used;
  static PaddedBuffer used_out;
  const size_t bytes_max = data[0] == 0 ? 0 : size_t{1} << (data[0] % 19);
  const std::string_view in = text_of(data + 1, size - 1);
  const Status first = Coding::decode(used, in, used_out, bytes_max);
  wire::Inflater fresh;
  PaddedBuffer out;
  Status second;
  size_t peak = 0;
  {
    const MemoryWatch watch;
    second = Coding::decode(fresh, in, out, bytes_max);
    peak = watch.peak();
  }
  // A buffer that grows is there twice for a moment, the new one of twice the size.
  hold(peak <= Coding::kTimesLimit * bytes_max + Coding::kTimesInput * in.size() +
                   Coding::kDecoderBytes,
       "the limit holds for the memory too");
  hold(first.has_value() == second.has_value(), "a used inflater answers as a fresh one");
  if (first) {
    hold(used_out.view() == out.view(), "the text is the same");
    hold(!Coding::kLimited || out.size() <= bytes_max, "the text is within its limit");
    hold(out.data()[out.size()] == '\0', "the padding is clear");
    const std::optional<std::string> other = Coding::again(in, out.size());
    hold(!other || *other == out.view(), "another decoder reads the same");
    hold_limit<Coding>(in, out.view());
    if (out.size() < 4096) {
      const std::string packed = Coding::encode(out.view(), Choices(in));
      PaddedBuffer round;
      hold(Coding::decode(fresh, packed, round, out.size()) && round.view() == out.view(),
           "a text that is packed again is the same text");
    }
  } else {
    hold_error(first.error());
    // What is damaged and too large may be told as either, as far as it was read.
    hold(first.error() == second.error() || first.error().code == Code::kExhausted ||
             second.error().code == Code::kExhausted,
         "the error is the same");
  }
  used_out.trim(1U << 16);
  return 0;
}

/// Changes a text: bytes, a piece many times over (a bomb in the small), or halves swapped.
inline void mutate_text(std::string& text, std::minstd_rand& random) {
  switch (random() % 4) {
    case 0:
      if (!text.empty()) {
        const size_t at = random() % text.size();
        const std::string piece = text.substr(at, 1 + random() % 64);
        for (size_t n = random() % 2000; n > 0 && text.size() < kTextBytesMax / 4; n--) {
          text.insert(at, piece);
        }
      }
      break;
    case 1:
      std::rotate(text.begin(), text.begin() + static_cast<long>(text.size() / 2), text.end());
      break;
    default: mutate_bytes(text, text.size() + 64); break;
  }
}

template <typename Coding>
size_t mutate_packed(uint8_t* data, size_t size, size_t size_max, unsigned seed) {
  if (size < 2 || seed % 4 == 0) return LLVMFuzzerMutate(data, size, size_max);
  std::minstd_rand random(seed);
  wire::Inflater inflater;
  PaddedBuffer plain;
  const std::string_view packed = text_of(data + 1, size - 1);
  // What cannot be unpacked is a text to be packed.
  std::string text(Coding::decode(inflater, packed, plain, kTextBytesMax) ? plain.view() : packed);
  mutate_text(text, random);
  std::string settings;
  for (int i = 0; i < 8; i++) settings += static_cast<char>(random());
  std::string again = Coding::encode(text, Choices(settings));
  switch (random() % 8) {
    case 0: again += Coding::encode(text.substr(text.size() / 2), Choices(settings)); break;
    case 1: again.resize(random() % (again.size() + 1)); break;
    case 2: again += std::string(random() % 20, '\0'); break;
    case 3: mutate_bytes(again, again.size() + 16); break;
    default: break;
  }
  if (again.size() + 1 > size_max) return LLVMFuzzerMutate(data, size, size_max);
  return 1 + give_back(again, data + 1, size_max - 1);
}

}  // namespace penstock::fuzz
