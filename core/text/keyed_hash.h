// A hash that depends on a random number of this process, so that nobody can make a vocabulary whose tokens all collide in one slot of
// a table.
#pragma once

#include <cstdint>

namespace mlxr::text {

// The random number; it stays the same for the life of the process.
std::uint64_t hash_key();

// One step: a 128-bit product, its halves folded (wyhash, Wang Yi 2019).
inline std::uint64_t hash_step(std::uint64_t hash, std::uint64_t word) {
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(hash ^ word) * 0x9E3779B97F4A7C15u;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

}  // namespace mlxr::text
