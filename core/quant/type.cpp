#include "core/quant/type.h"

#include <array>

namespace mlxr::quant {
namespace {

struct Entry {
  std::uint32_t number;
  Traits traits;  // block_size 0: known by name, not decodable
};

// Every number GGUF has ever defined, in order.
constexpr std::array kTypes = {
    Entry{0, {"F32", 1, 4}},         Entry{1, {"F16", 1, 2}},         Entry{2, {"Q4_0", 32, 18}},      Entry{3, {"Q4_1", 32, 20}},
    Entry{4, {"Q4_2", 0, 0}},        Entry{5, {"Q4_3", 0, 0}},        Entry{6, {"Q5_0", 32, 22}},      Entry{7, {"Q5_1", 32, 24}},
    Entry{8, {"Q8_0", 32, 34}},      Entry{9, {"Q8_1", 0, 0}},        Entry{10, {"Q2_K", 256, 84}},    Entry{11, {"Q3_K", 256, 110}},
    Entry{12, {"Q4_K", 256, 144}},   Entry{13, {"Q5_K", 256, 176}},   Entry{14, {"Q6_K", 256, 210}},   Entry{15, {"Q8_K", 0, 0}},
    Entry{16, {"IQ2_XXS", 256, 66}}, Entry{17, {"IQ2_XS", 256, 74}},  Entry{18, {"IQ3_XXS", 256, 98}}, Entry{19, {"IQ1_S", 256, 50}},
    Entry{20, {"IQ4_NL", 32, 18}},   Entry{21, {"IQ3_S", 256, 110}},  Entry{22, {"IQ2_S", 256, 82}},   Entry{23, {"IQ4_XS", 256, 136}},
    Entry{24, {"I8", 0, 0}},         Entry{25, {"I16", 0, 0}},        Entry{26, {"I32", 0, 0}},        Entry{27, {"I64", 0, 0}},
    Entry{28, {"F64", 0, 0}},        Entry{29, {"IQ1_M", 256, 56}},   Entry{30, {"BF16", 1, 2}},       Entry{31, {"Q4_0_4_4", 0, 0}},
    Entry{32, {"Q4_0_4_8", 0, 0}},   Entry{33, {"Q4_0_8_8", 0, 0}},   Entry{34, {"TQ1_0", 256, 54}},   Entry{35, {"TQ2_0", 256, 66}},
    Entry{36, {"IQ4_NL_4_4", 0, 0}}, Entry{37, {"IQ4_NL_4_8", 0, 0}}, Entry{38, {"IQ4_NL_8_8", 0, 0}}, Entry{39, {"MXFP4", 32, 17}},
    Entry{40, {"NVFP4", 64, 36}},    Entry{41, {"Q1_0", 128, 18}},
};

constexpr bool numbers_are_indices() {
  for (std::size_t i = 0; i < kTypes.size(); ++i) {
    if (kTypes[i].number != i) return false;
  }
  return true;
}
static_assert(numbers_are_indices());

}  // namespace

const Traits& traits(Type type) { return kTypes[static_cast<std::size_t>(type)].traits; }

std::string name_of_number(std::uint32_t number) {
  if (number < kTypes.size()) return std::string(kTypes[number].traits.name);
  return std::to_string(number);
}

std::optional<Type> from_number(std::uint32_t number) {
  if (number >= kTypes.size() || kTypes[number].traits.block_size == 0) return std::nullopt;
  return static_cast<Type>(number);
}

std::size_t row_bytes(Type type, std::size_t n) {
  const Traits& t = traits(type);
  return n / t.block_size * t.block_bytes;
}

}  // namespace mlxr::quant
