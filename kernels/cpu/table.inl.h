// The table of this instruction set, which is the only symbol that its translation unit exports.
#pragma once

#include "kernels/abi.h"
#include "kernels/cpu/pool.h"
#include "kernels/cpu/table.h"
#include "kernels/cpu/types.h"

#include "kernels/cpu/simd.inl.h"
// in order of use
#include "kernels/cpu/blocks.inl.h"
#include "kernels/cpu/grid_blocks.inl.h"
#include "kernels/cpu/panel.inl.h"
#include "kernels/cpu/byte_blocks.inl.h"
#include "kernels/cpu/activations.inl.h"
#include "kernels/cpu/product.inl.h"
#include "kernels/cpu/tiles.inl.h"
#include "kernels/cpu/elementwise.inl.h"
#include "kernels/cpu/gemm.inl.h"
#include "kernels/cpu/cache.inl.h"
#include "kernels/cpu/attention.inl.h"
#include "kernels/cpu/recurrence.inl.h"

namespace mlxr::kernels::MLXR_ISA {

extern const Operations operations;
const Operations operations = {panel_bytes, make_panels, q_gemm, gated_mlp,      rms_norm,         layer_norm, activate,
                               softcap,     rotations,   rope,   key_page_bytes, value_page_bytes, kv_store,   attention,
                               get_rows,    convolve,    scan};

}  // namespace mlxr::kernels::MLXR_ISA
