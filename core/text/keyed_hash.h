// A hash that the author of a file cannot aim: it depends on a number that this process draws, so no vocabulary makes all its tokens
// fall on one place of a table.
#pragma once

#include <cstdint>

namespace mlxr::text {

// The same for the life of the process.
std::uint64_t hash_key();

// One step: a 128-bit product, its halves folded (wyhash, Wang Yi 2019).
inline std::uint64_t hash_step(std::uint64_t hash, std::uint64_t word) {
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(hash ^ word) * 0x9E3779B97F4A7C15u;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

}  // namespace mlxr::text
