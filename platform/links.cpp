#include "platform/links.h"

#include <optional>

namespace mlxr::platform {
namespace {

namespace fs = std::filesystem;

std::optional<std::string> make_link(const Paths::Link& link, bool holds_the_place) {
  std::error_code failed;
  const auto there = fs::symlink_status(link.at, failed);
  if (fs::is_symlink(there) && fs::read_symlink(link.at, failed) == link.target) return std::nullopt;
  const bool leads_nowhere = fs::is_symlink(there) && !fs::exists(link.at, failed);
  if (leads_nowhere || (holds_the_place && fs::is_socket(there))) {
    fs::remove(link.at, failed);
  } else if (fs::exists(there)) {
    return link.at.string() + " is in the place of a link to " + link.target.string() + ". It was left alone, and MLXR does not use it.";
  }
  fs::create_directories(link.at.parent_path(), failed);
  fs::create_directories(link.target.parent_path(), failed);
  fs::create_symlink(link.target, link.at, failed);
  if (!failed) return std::nullopt;
  return "The link " + link.at.string() + " to " + link.target.string() + " could not be created: " + failed.message() + ".";
}

}  // namespace

std::vector<std::string> make_links(const Paths& paths, bool holds_the_place) {
  std::vector<std::string> complaints;
  for (const auto& link : paths.links)
    if (auto complaint = make_link(link, holds_the_place)) complaints.push_back(std::move(*complaint));
  return complaints;
}

}  // namespace mlxr::platform
