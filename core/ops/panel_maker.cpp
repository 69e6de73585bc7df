#include "core/ops/panel_maker.h"

#include <algorithm>
#include <memory>
#include <mutex>
#include <optional>

#include "core/formats/printable.h"
#include "core/quant/convert.h"

namespace mlxr::ops {
namespace {

// About as much as a piece takes of a processor's cache, so that the panels are still in it when they are written to the file.
constexpr std::int64_t kPieceBytes = 256 << 10;

struct alignas(64) Line {
  std::byte bytes[64];
};

// The pieces of a matrix. Each is made by one thread.
struct Pieces {
  Pieces(const mlxr_kernel_pack& its_kernels, const formats::Tensor& its_tensor, int threads)
      : kernels(its_kernels), tensor(its_tensor), type(panel_type(kernels, tensor.type)), n(tensor.shape[0]), k(tensor.shape[1]) {
    const auto groups = (n + MLXR_PANEL_ROWS - 1) / MLXR_PANEL_ROWS, of_each_thread = (groups + threads - 1) / threads;
    rows = std::clamp<std::int64_t>(kPieceBytes / panel_bytes(MLXR_PANEL_ROWS), 1, of_each_thread) * MLXR_PANEL_ROWS;
  }
  std::int64_t count() const { return (n + rows - 1) / rows; }
  std::int64_t panel_bytes(std::int64_t of_rows) const { return kernels.panel_bytes(static_cast<std::uint32_t>(type), of_rows, k); }

  const mlxr_kernel_pack& kernels;
  const formats::Tensor& tensor;
  quant::Type type;   // of the panels
  std::int64_t n, k;  // rows and columns of the matrix
  std::int64_t rows;  // of a piece: so few that every thread has one
};

// Makes one piece after the other.
class Maker {
 public:
  explicit Maker(const Pieces& pieces) : pieces_(pieces), pool_(pieces.kernels.pool_create(1), pieces.kernels.pool_destroy) {}

  Result<void> make(std::int64_t piece, Panels& panels) {
    const auto first = piece * pieces_.rows, count = std::min(pieces_.rows, pieces_.n - first);
    if (auto ok = read(first, count); !ok) return ok;
    if (!made_) made_ = std::make_unique_for_overwrite<Line[]>(static_cast<std::size_t>(pieces_.panel_bytes(pieces_.rows)) / sizeof(Line));
    const mlxr_rows rows{static_cast<std::uint32_t>(pieces_.type), count, pieces_.k, rows_.data()};
    pieces_.kernels.make_panels(pool_.get(), &rows, made_.get());
    return panels.write(pieces_.tensor, static_cast<std::uint64_t>(pieces_.panel_bytes(first)),
                        {made_[0].bytes, static_cast<std::size_t>(pieces_.panel_bytes(count))});
  }

 private:
  // Reads rows, and converts them to the type of the panels if that is another.
  Result<void> read(std::int64_t first, std::int64_t count) {
    const auto& tensor = pieces_.tensor;
    const auto k = static_cast<std::size_t>(pieces_.k), row_bytes = quant::row_bytes(tensor.type, k);
    rows_.resize(static_cast<std::size_t>(count) * row_bytes);
    if (auto ok = tensor.read(static_cast<std::uint64_t>(first) * row_bytes, rows_); !ok) return ok;
    if (pieces_.type == tensor.type) return {};
    converted_.resize(static_cast<std::size_t>(count) * quant::row_bytes(pieces_.type, k));
    if (!quant::convert_row(tensor.type, rows_.data(), converted_.data(), static_cast<std::size_t>(count) * k)) {
      return fail(ErrorCode::kCorrupt, "The model is damaged: tensor " + formats::printable(tensor.name) +
                                           " holds values that are not numbers. Download or copy it again.");
    }
    std::swap(rows_, converted_);
    return {};
  }

  const Pieces& pieces_;
  std::unique_ptr<mlxr_pool, void (*)(mlxr_pool*)> pool_;  // of this thread alone
  std::vector<std::byte> rows_, converted_;
  std::unique_ptr<Line[]> made_;
};

}  // namespace

quant::Type panel_type(const mlxr_kernel_pack& kernels, quant::Type type) {
  return kernels.supports(static_cast<std::uint32_t>(type)) ? type : quant::kStandIn;
}

Result<void> make_panels(const KernelPack& pack, const formats::Tensor& tensor, Panels& panels) {
  const Pieces pieces(pack.table(), tensor, pack.threads());
  struct Work {
    std::vector<Maker> makers;  // one for each thread
    Panels& panels;
    std::mutex mutex;  // guards `error`
    std::optional<Error> error;

    bool has_failed() {
      const std::lock_guard lock(mutex);
      return error.has_value();
    }
    void make(std::int64_t piece, Maker& maker) {
      if (has_failed()) return;
      if (auto made = maker.make(piece, panels); !made) {
        const std::lock_guard lock(mutex);
        if (!error) error = made.error();
      }
    }
  } work{.panels = panels};
  for (int i = 0; i < pack.threads(); ++i) work.makers.emplace_back(pieces);
  const auto call = [](void* context, std::int64_t piece, int thread) {
    auto& all = *static_cast<Work*>(context);
    all.make(piece, all.makers[static_cast<std::size_t>(thread)]);
  };
  pack.table().run(pack.loading_pool(), pieces.count(), call, &work);
  if (work.error) return fail(*work.error);
  return {};
}

}  // namespace mlxr::ops
