// The sampling options that a model's authors recommend: general.sampling.* of its metadata, which a model folder's generation_config.json
// becomes too.
#pragma once

#include <string>
#include <vector>

#include <mlxrunner/model.h>

#include "core/formats/metadata.h"

namespace mlxr::formats {

struct SamplingAdvice {
  SamplingValues values;
  std::vector<std::string> ignored;  // keys whose value is out of range, or that ask for a way of sampling that MLXR does not have
};

SamplingAdvice read_sampling_advice(const Metadata& metadata);

}  // namespace mlxr::formats
