// The order of tokens: the most likely first, of equal ones the lower id first. Every filter of sampling (top_k, top_p, min_p) keeps a
// beginning of this order, so what it keeps is said by the place where it cuts.
#pragma once

#include <limits>

#include <mlxrunner/token.h>

namespace mlxr::decode {

// A place in the order: that of a token, or, between tokens, that of an id that need not exist. It never compares with NaN.
struct Place {
  float logit;
  TokenId id;
};

constexpr bool operator<(const Place& a, const Place& b) { return a.logit > b.logit || (a.logit == b.logit && a.id < b.id); }

// Behind every token whose logit is not minus infinity.
inline constexpr Place kEnd{-std::numeric_limits<float>::infinity(), 0};

}  // namespace mlxr::decode
