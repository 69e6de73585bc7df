// A model that is read to be written again: a GGUF file, or a model folder.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <mlxrunner/result.h>

#include "core/formats/checkpoint.h"
#include "core/formats/gguf.h"
#include "core/formats/gguf_writer.h"

namespace mlxr::store {

struct QuantizeInput {
  // Errors: those of formats::Checkpoint::open.
  static Result<QuantizeInput> open(const std::filesystem::path& path);

  const formats::Metadata* metadata = nullptr;
  std::span<const formats::Tensor> tensors;
  std::vector<formats::RawPair> pairs;  // the metadata as GGUF has them; those of a file as they are
  std::uint64_t size = 0;               // bytes of the file or shards, or of a folder's weights

  // What the above refers to, of one file, and of a folder or shards.
  std::unique_ptr<const formats::FileSource> file;
  std::unique_ptr<const formats::GgufContents> contents;
  std::shared_ptr<const formats::Checkpoint> checkpoint;
  std::vector<std::string> encoded;
};

}  // namespace mlxr::store
