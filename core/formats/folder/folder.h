// A model folder as Hugging Face publishes it, in the words of GGUF: reading it is converting it, on the fly.
//
//   config.json                  what kind of model it is: read_config()
//   model.safetensors            its tensors, or the files that model.safetensors.index.json lists, or the only whole set of shards
//   tokenizer.json               its vocabulary: read_vocabulary(), with tokenizer_config.json, generation_config.json, chat_template.jinja
//                                (or chat_template.json)
//
// Tensors are read from the files when they are asked for, and decoded and ordered as GGUF has them while they are read.
#pragma once

#include <memory>

#include <mlxrunner/result.h>

#include "core/formats/checkpoint.h"
#include "platform/open_files.h"

namespace mlxr::formats {

// `files` are those of FolderFiles::open. Errors: those of Checkpoint::open; kUnsupported (a type of model, a key of config.json, a tensor,
// a tokenizer that MLXR does not run, by name).
Result<std::shared_ptr<const Checkpoint>> open_folder(platform::OpenFiles files);

}  // namespace mlxr::formats
