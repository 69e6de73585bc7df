// A graph node whose value a kernel of the pack computes on the CPU.
#pragma once

#include <mlx/primitives.h>

#include <functional>
#include <vector>

namespace mlxr::ops {

namespace mx = mlx::core;

class PackPrimitive : public mx::Primitive {
 public:
  using Pointers = std::vector<void*>;
  // Called on the stream's thread with the data of inputs and outputs, all contiguous.
  using Kernel = std::function<void(const Pointers& in, const Pointers& out)>;

  // Builds the node. The first `shared` outputs use the memory of the inputs with the same index: the kernel updates them in place.
  static std::vector<mx::array> apply(const char* name, mx::Stream stream, Kernel kernel, std::vector<mx::array> inputs,
                                      std::vector<mx::Shape> shapes, mx::Dtype dtype, int shared = 0);

  PackPrimitive(const char* name, mx::Stream stream, Kernel kernel, int shared)
      : Primitive(stream), name_(name), kernel_(std::move(kernel)), shared_(shared) {}

  void eval_cpu(const std::vector<mx::array>& inputs, std::vector<mx::array>& outputs) override;
  void eval_gpu(const std::vector<mx::array>& inputs, std::vector<mx::array>& outputs) override;
  const char* name() const override { return name_; }

 private:
  const char* name_;
  Kernel kernel_;
  int shared_;
};

}  // namespace mlxr::ops
