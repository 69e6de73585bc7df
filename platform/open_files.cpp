#include "platform/open_files.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace mlxr::platform {

OpenFiles::OpenFiles(OpenFile file) : name_(file.name()) { files_.push_back(std::move(file)); }

void OpenFiles::add(std::vector<OpenFile> files) { std::ranges::move(files, std::back_inserter(files_)); }

Result<OpenFiles> OpenFiles::duplicate() const {
  std::vector<OpenFile> copies;
  for (const auto& file : files_) {
    auto copy = OpenFile::duplicate(file.descriptor(), file.name());
    if (!copy) return fail(std::move(copy.error()));
    copies.push_back(*std::move(copy));
  }
  return OpenFiles(name_, std::move(copies));
}

const OpenFile* OpenFiles::find(std::string_view file_name) const {
  const auto found = std::ranges::find_if(files_, [&](const OpenFile& file) { return file.name().filename() == file_name; });
  return found == files_.end() ? nullptr : &*found;
}

std::uint64_t OpenFiles::size() const {
  std::uint64_t bytes = 0;
  for (const auto& file : files_) bytes += file.size();
  return bytes;
}

bool OpenFiles::unchanged() const { return std::ranges::all_of(files_, &OpenFile::unchanged); }

}  // namespace mlxr::platform
