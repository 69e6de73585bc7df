// The templates of the completion scripts: completions/template.SHELL, compiled in.
#pragma once

#include <string_view>

namespace mlxr::cli {

extern const std::string_view kBashTemplate;  // holes: @words@, # @cases@
extern const std::string_view kZshTemplate;   // holes: # @commands@, # @cases@
extern const std::string_view kFishTemplate;  // holes: # @commands@, # @cases@

}  // namespace mlxr::cli
