#include "core/ops/pack_primitive.h"

#include <mlx/allocator.h>
#include <mlx/backend/cpu/encoder.h>

#include <stdexcept>

namespace mlxr::ops {

std::vector<mx::array> PackPrimitive::apply(const char* name, mx::Stream stream, Kernel kernel, std::vector<mx::array> inputs,
                                            std::vector<mx::Shape> shapes, mx::Dtype dtype, int shared) {
  std::vector<mx::Dtype> dtypes(shapes.size(), dtype);
  auto primitive = std::make_shared<PackPrimitive>(name, stream, std::move(kernel), shared);
  return mx::array::make_arrays(std::move(shapes), dtypes, primitive, inputs);
}

void PackPrimitive::eval_cpu(const std::vector<mx::array>& inputs, std::vector<mx::array>& outputs) {
  Pointers in, out;
  for (const auto& array : inputs) in.push_back(const_cast<void*>(array.data<void>()));
  for (int i = 0; i < static_cast<int>(outputs.size()); ++i) {
    if (i < shared_) {
      outputs[i].copy_shared_buffer(inputs[i]);
    } else {
      outputs[i].set_data(mx::allocator::malloc(outputs[i].nbytes()));
    }
    out.push_back(outputs[i].data<void>());
  }
  mx::cpu::get_command_encoder(stream()).dispatch([kernel = kernel_, in = std::move(in), out = std::move(out)] { kernel(in, out); });
}

void PackPrimitive::eval_gpu(const std::vector<mx::array>&, std::vector<mx::array>&) {
  throw std::runtime_error("the CPU kernel pack does not run on a GPU stream");
}

}  // namespace mlxr::ops
