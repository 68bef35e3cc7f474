#include "apps/script/domain.h"

#include <unicode/bytestream.h>
#include <unicode/idna.h>

#include <memory>

namespace penstock::apps {
namespace {

/// What browsers do not mind about a name: its lengths, and where its hyphens are.
constexpr uint32_t kForgiven = UIDNA_ERROR_EMPTY_LABEL | UIDNA_ERROR_LABEL_TOO_LONG |
                               UIDNA_ERROR_DOMAIN_NAME_TOO_LONG | UIDNA_ERROR_LEADING_HYPHEN |
                               UIDNA_ERROR_TRAILING_HYPHEN | UIDNA_ERROR_HYPHEN_3_4;
constexpr size_t kNameMax = 4096;

}  // namespace

std::optional<std::string> domain_to_ascii(std::string_view name) {
  static thread_local const std::unique_ptr<icu::IDNA> rules = [] {
    UErrorCode error = U_ZERO_ERROR;
    return std::unique_ptr<icu::IDNA>(icu::IDNA::createUTS46Instance(
        UIDNA_CHECK_BIDI | UIDNA_CHECK_CONTEXTJ | UIDNA_NONTRANSITIONAL_TO_ASCII, error));
  }();
  if (!rules || name.size() > kNameMax) return std::nullopt;
  std::string out;
  icu::StringByteSink<std::string> sink(&out);
  icu::IDNAInfo info;
  UErrorCode error = U_ZERO_ERROR;
  rules->nameToASCII_UTF8(icu::StringPiece(name.data(), static_cast<int32_t>(name.size())), sink,
                          info, error);
  if (U_FAILURE(error) != 0 || (info.getErrors() & ~kForgiven) != 0 || out.empty()) {
    return std::nullopt;
  }
  return out;
}

}  // namespace penstock::apps
