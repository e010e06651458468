// Moments of windows for Python: numpy arrays in, sums and gradients into arrays that are given.
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>

#include <stdexcept>
#include <vector>

#include "beside_torch.h"
#include "bindings.h"
#include "window_moments.h"

namespace nb = nanobind;

namespace underone {

namespace {

using Map = nb::ndarray<const float, nb::ndim<4>, nb::c_contig, nb::device::cpu>;
using Channels = nb::ndarray<const float, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Slope = nb::ndarray<const float, nb::shape<-1, kTaps, kTaps, kLanes>, nb::c_contig, nb::device::cpu>;
using Constant = nb::ndarray<const float, nb::shape<-1, kTaps, kLanes>, nb::c_contig, nb::device::cpu>;
using Sums = nb::ndarray<double, nb::shape<kTaps + kPairs, -1>, nb::c_contig, nb::device::cpu>;
using Gradient = nb::ndarray<float, nb::ndim<4>, nb::c_contig, nb::device::cpu>;

struct Kernels {
  WindowMoments* moments;
  WindowGradient* gradient;
};

Kernels kernels(const std::string& isa) {
#if defined(__x86_64__)
  if (isa == "avx512") return {avx512::window_moments, avx512::window_gradient};
  if (isa == "avx2") return {avx2::window_moments, avx2::window_gradient};
#elif defined(__aarch64__)
  if (isa == "neon") return {neon::window_moments, neon::window_gradient};
#endif
  throw std::invalid_argument("no instruction set '" + isa + "' is built in");
}

void require(bool fits, const char* what) {
  if (!fits) throw std::invalid_argument(what);
}

WindowMap map_of(const Map& x, const Channels& shift, int stride, int threads) {
  require(x.size() > 0, "the map must not be empty");
  require(shift.shape(0) == x.shape(3), "the shift must have a value for each channel");
  require((stride == 1 || stride == 2) && threads >= 1, "the stride must be 1 or 2, and there must be a thread");
  return {int64_t(x.shape(0)), int64_t(x.shape(1)), int64_t(x.shape(2)), int64_t(x.shape(3)), stride, x.data(), shift.data()};
}

// Images are dealt out by number, and sums added in order: the result depends on the number of threads, on nothing else.
void moments(const Map& x, const Channels& shift, const Sums& sums, int stride, const std::string& isa,
             int threads) {
  const WindowMap map = map_of(x, shift, stride, threads);
  require(int64_t(sums.shape(1)) == map.channels, "the sums must be (54, C)");
  const Kernels run = kernels(isa);
  const int parts = int(std::min<int64_t>(threads, map.images));
  const nb::gil_scoped_release release;
  std::vector<double> found(size_t(parts) * sums.size());
  run_beside_torch(parts, [&](int part) {
    for (int64_t n = part; n < map.images; n += parts) run.moments(map, n, found.data() + size_t(part) * sums.size());
  });
  for (size_t k = 0; k < sums.size(); k++) {
    sums.data()[k] = 0;
    for (int part = 0; part < parts; part++) sums.data()[k] += found[size_t(part) * sums.size() + k];
  }
}

void gradient(const Map& x, const Channels& shift, const Slope& slope, const Constant& constant, const Gradient& out, int stride,
              const std::string& isa, int threads) {
  const WindowMap map = map_of(x, shift, stride, threads);
  const int64_t groups = (map.channels + kLanes - 1) / kLanes;
  require(int64_t(slope.shape(0)) == groups && int64_t(constant.shape(0)) == groups,
          "slope and constant must have a row for each 16 channels");
  for (int axis = 0; axis < 4; axis++) require(out.shape(axis) == x.shape(axis), "the gradient must have the map's shape");
  const Kernels run = kernels(isa);
  const int parts = int(std::min<int64_t>(threads, map.images));
  const nb::gil_scoped_release release;
  run_beside_torch(parts, [&](int part) {
    for (int64_t n = part; n < map.images; n += parts)
      run.gradient(map, n, slope.data(), constant.data(), out.data() + n * map.height * map.width * map.channels);
  });
}

}  // namespace

void bind_window_moments(nb::module_& m) {
  m.def("window_moments", &moments, nb::arg("x").noconvert(), nb::arg("shift").noconvert(), nb::arg("sums").noconvert(),
        nb::kw_only(), nb::arg("stride"), nb::arg("isa"), nb::arg("threads"),
        "Sum the values under all 3x3 windows of x (N, H, W, C) less `shift`, and their products, into (54, C).");
  m.def("window_gradient", &gradient, nb::arg("x").noconvert(), nb::arg("shift").noconvert(), nb::arg("slope").noconvert(),
        nb::arg("constant").noconvert(), nb::arg("out").noconvert(), nb::kw_only(), nb::arg("stride"), nb::arg("isa"), nb::arg("threads"),
        "Write what the windows give back: constant, and slope times their values less `shift`.");
}

}  // namespace underone
