// Finds one text in another in linear time, whatever the two are (Knuth, Morris and Pratt 1977), and charges the budget for what it
// looks at. The standard library's search takes the product of the lengths in the worst case, which a hostile template would choose.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace mlxr::text::jinja {

class Searcher {
 public:
  // `needle` must outlive the Searcher.
  explicit Searcher(std::string_view needle);

  // The offset of the first match at or after `from`, and of the last match; npos when there is none. An empty needle matches everywhere.
  std::size_t first_in(std::string_view text, std::size_t from = 0) const;
  std::size_t last_in(std::string_view text) const;

 private:
  std::string_view needle_;
  std::vector<std::uint32_t> borders_;  // see borders_of(); empty for a short needle
};

}  // namespace mlxr::text::jinja
