// CRC-32C (Castagnoli, RFC 3720): finds flipped bits in what MLXR has written itself. It is no protection against anybody who means harm.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace mlxr::platform {

// The checksum of the bytes that `before` is the checksum of, followed by `bytes`. Some 8 GB/s where the processor has an instruction for
// it.
std::uint32_t crc32c(std::span<const std::byte> bytes, std::uint32_t before = 0);

}  // namespace mlxr::platform
