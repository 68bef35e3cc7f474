#include "capture/browser/flag_match.h"

#include <fmt/format.h>
#include <openssl/sha.h>

#include <algorithm>
#include <array>

namespace penstock::capture {
namespace {

using catalog::FeatureFlag;
using catalog::FlagCondition;
using catalog::FlagNeeds;

struct Missing {
  std::string_view code, description;
};

/// What a failed flag says about itself.
Missing missing(FlagNeeds needs) {
  switch (needs) {
    case FlagNeeds::kProperties:
      return {"properties_not_evaluated", "Conditions on properties are not evaluated here yet"};
    case FlagNeeds::kCohort:
      return {"cohorts_not_evaluated", "Conditions on cohorts are not evaluated here yet"};
    case FlagNeeds::kDependency:
      return {"dependencies_not_evaluated", "Conditions on other flags are not evaluated here yet"};
    case FlagNeeds::kGroup:
      return {"groups_not_evaluated", "Flags for groups are not evaluated here yet"};
    case FlagNeeds::kEnrollment:
      return {"enrollment_not_evaluated", "Early access enrollment is not evaluated here yet"};
    case FlagNeeds::kContinuity:
    case FlagNeeds::kNothing: break;
  }
  return {"continuity_not_evaluated", "Experience continuity is not evaluated here yet"};
}

/// Hashes of one flag and identifier; nothing when the identifier is not certain.
class Hashes {
 public:
  Hashes(const FeatureFlag& flag, std::string_view identifier)
      : flag_(flag), identifier_(identifier) {}

  std::optional<double> rollout() const { return of(flag_.key + ".", ""); }
  std::optional<double> variant() const { return of(flag_.key + ".", "variant"); }
  std::optional<double> holdout() const { return of("holdout-", ""); }

 private:
  std::optional<double> of(const std::string& prefix, std::string_view salt) const {
    if (flag_.continuity) return std::nullopt;
    // As PostHog has it: without an identifier the hash is 0, which lies within every rollout.
    if (identifier_.empty()) return 0.0;
    return flag_hash(prefix, identifier_, salt);
  }

  const FeatureFlag& flag_;
  std::string_view identifier_;
};

FlagDecision failed(const FeatureFlag& flag, Missing why, std::optional<int> index = {}) {
  return {&flag, false, true, {}, why.code, std::string(why.description), index};
}

/// Whether `percentage` of everybody holds this one; nothing when that is not certain.
std::optional<bool> within(double percentage, const auto& hash) {
  if (percentage >= 100) return true;
  const std::optional<double> value = hash();
  if (!value) return std::nullopt;
  return *value <= percentage / 100;
}

/// The variant of a condition that matched; nothing when it is not certain.
std::optional<std::string_view> variant_of(const FeatureFlag& flag, const FlagCondition& condition,
                                           const Hashes& hashes) {
  if (flag.variants.empty()) return "";
  const auto forced =
      std::ranges::find(flag.variants, condition.variant, &catalog::FlagVariant::key);
  if (!condition.variant.empty() && forced != flag.variants.end()) return forced->key;
  const std::optional<double> hash = hashes.variant();
  if (!hash) return std::nullopt;
  double below = 0;
  for (const catalog::FlagVariant& variant : flag.variants) {
    const double above = below + variant.rollout_percentage / 100;
    if (*hash >= below && *hash < above) return variant.key;
    below = above;
  }
  return "";
}

FlagDecision decide_conditions(const FeatureFlag& flag, const Hashes& hashes) {
  FlagDecision out{&flag, false, false, {}, "no_condition_match", "No matching condition set", {}};
  for (size_t i = 0; i < flag.conditions.size(); i++) {
    const FlagCondition& condition = flag.conditions[i];
    const int index = static_cast<int>(i);
    if (condition.needs == FlagNeeds::kGroup) return failed(flag, missing(condition.needs), index);
    const auto rolled_out =
        within(condition.rollout_percentage.value_or(100), [&hashes] { return hashes.rollout(); });
    if (!rolled_out) return failed(flag, missing(FlagNeeds::kContinuity), index);
    if (condition.needs != FlagNeeds::kNothing && (*rolled_out || flag.early_exit)) {
      return failed(flag, missing(condition.needs), index);
    }
    if (!*rolled_out) {
      // Whatever else it asks for, this condition does not hold.
      out.reason_code = "out_of_rollout_bound";
      out.description = "Out of rollout bound";
      out.condition_index = index;
      if (flag.early_exit) break;
      continue;
    }
    const auto variant = variant_of(flag, condition, hashes);
    if (!variant) return failed(flag, missing(FlagNeeds::kContinuity), index);
    return {&flag,
            true,
            false,
            *variant,
            "condition_match",
            fmt::format("Matched condition set {}", index + 1),
            index};
  }
  return out;
}

}  // namespace

const std::string* FlagDecision::payload() const {
  if (!enabled) return nullptr;
  return flag->payload(variant.empty() ? "true" : variant);
}

FlagDecision decide_flag(const FeatureFlag& flag, const FlagSubject& subject) {
  if (!flag.active) {
    return {&flag, false, false, {}, "flag_disabled", "Feature flag is disabled", {}};
  }
  if (flag.needs != FlagNeeds::kNothing) return failed(flag, missing(flag.needs));
  if (flag.by_device && subject.device_id.empty()) {
    return failed(flag, {"missing_device_id",
                         "The flag is decided by device, and $device_id is not "
                         "in the request"});
  }
  const Hashes hashes(flag, flag.by_device ? subject.device_id : subject.distinct_id);
  if (flag.holdout) {
    const auto held_out =
        within(flag.holdout->exclusion_percentage, [&hashes] { return hashes.holdout(); });
    if (!held_out) return failed(flag, missing(FlagNeeds::kContinuity));
    if (*held_out) {
      return {&flag,
              true,
              false,
              flag.holdout->variant,
              "holdout_condition_value",
              "Holdout condition value",
              {}};
    }
  }
  return decide_conditions(flag, hashes);
}

double flag_hash(std::string_view key_and_separator, std::string_view identifier,
                 std::string_view salt) {
  std::string text;
  text.reserve(key_and_separator.size() + identifier.size() + salt.size());
  text.append(key_and_separator).append(identifier).append(salt);
  std::array<uint8_t, SHA_DIGEST_LENGTH> digest{};
  SHA1(reinterpret_cast<const uint8_t*>(text.data()), text.size(), digest.data());
  uint64_t bits = 0;
  for (size_t i = 0; i < 8; i++) bits = bits << 8 | digest[i];
  constexpr uint64_t kScale = 0xfffffffffffffff;  // 15 hexadecimal digits
  return static_cast<double>(bits >> 4) / static_cast<double>(kScale);
}

}  // namespace penstock::capture
