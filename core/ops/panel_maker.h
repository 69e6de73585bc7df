// Makes the panels of a matrix of a model's file.
#pragma once

#include "core/formats/checkpoint.h"
#include "core/ops/pack.h"
#include "core/ops/panels.h"
#include "core/quant/type.h"

namespace mlxr::ops {

// The type of a matrix's panels: its own, or, where the pack has no kernels for it, quant::kStandIn.
quant::Type panel_type(const mlxr_kernel_pack& kernels, quant::Type type);

// Reads a matrix and writes its panels, with all threads of the pack's loading pool. A load copies every byte twice, from the system's
// cache of the file and to that of the panels, which takes longer than anything else, and which several threads do side by side.
// Errors: kCorrupt (a value is not a number, in a type that is converted); those of Tensor::read and Panels::write.
Result<void> make_panels(const KernelPack& pack, const formats::Tensor& tensor, Panels& panels);

}  // namespace mlxr::ops
