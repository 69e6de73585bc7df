// CRC-32C (Castagnoli, RFC 3720): detects bit errors in files that MLXR has written itself. It does not protect against deliberate changes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace mlxr::platform {

// Continues the checksum `before` with `bytes`. About 8 GB/s if the processor has an instruction for it.
std::uint32_t crc32c(std::span<const std::byte> bytes, std::uint32_t before = 0);

// The checksum of some bytes and others after them, of which there are `second_bytes`, from the checksums of both.
std::uint32_t crc32c_of_both(std::uint32_t first, std::uint32_t second, std::uint64_t second_bytes);

}  // namespace mlxr::platform
