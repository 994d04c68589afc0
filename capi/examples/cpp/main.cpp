// Layer norm and RMS norm of rows in std::vector, with exceptions in place of statuses.

#include <numbanorm.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <iostream>
#include <limits>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using floats = std::vector<float>;

class norm_error : public std::runtime_error {
public:
    explicit norm_error(nbn_status given)
        : std::runtime_error(nbn_strerror(given)), status(given) {}

    const nbn_status status;
};

void check(nbn_status status) {
    if (status != NBN_OK) throw norm_error(status);
}

// How many rows x has, each with a value for every one of weight's.
std::int64_t rows_of(const floats &x, const floats &weight) {
    if (weight.empty() || x.size() % weight.size() != 0)
        throw std::invalid_argument("x must be rows of " + std::to_string(weight.size()) +
                                    " values, got " + std::to_string(x.size()));
    return static_cast<std::int64_t>(x.size() / weight.size());
}

floats layer_norm(const floats &x, const floats &weight, double eps = 1e-5) {
    floats y(x.size());
    const auto rows = rows_of(x, weight), size = static_cast<std::int64_t>(weight.size());
    check(nbn_layer_norm_f32(y.data(), x.data(), rows, size, weight.data(), nullptr, eps, nullptr,
                             nullptr));
    return y;
}

floats rms_norm(const floats &x, const floats &weight,
                double eps = std::numeric_limits<float>::epsilon()) {
    floats y(x.size());
    const auto rows = rows_of(x, weight), size = static_cast<std::int64_t>(weight.size());
    check(nbn_rms_norm_f32(y.data(), x.data(), rows, size, weight.data(), eps, nullptr));
    return y;
}

// How far, at most, the mean of a row is from 0, and the mean of its squares from 1.
struct deviations {
    double mean = 0, mean_square = 0;
};

deviations largest(const floats &y, std::size_t size) {
    deviations found;
    for (std::size_t start = 0; start < y.size(); start += size) {
        double sum = 0, squares = 0;
        for (std::size_t i = start; i < start + size; i++) {
            sum += y[i];
            squares += static_cast<double>(y[i]) * y[i];
        }
        const auto count = static_cast<double>(size);
        found.mean = std::max(found.mean, std::abs(sum / count));
        found.mean_square = std::max(found.mean_square, std::abs(squares / count - 1));
    }
    return found;
}

// Whether eps below 0 arrives as an exception that says so.
bool refuses(const floats &x, const floats &weight) {
    try {
        layer_norm(x, weight, -1);
    } catch (const norm_error &error) {
        std::cout << "refused: " << error.what() << '\n';
        return error.status == NBN_ERROR_EPS;
    }
    return false;
}

}  // namespace

int main() try {
    const std::size_t rows = 500, size = 768;
    std::mt19937 random;
    std::normal_distribution<float> normal(3, 2);
    floats x(rows * size);
    std::generate(x.begin(), x.end(), [&] { return normal(random); });
    const floats weight(size, 1);

    const auto layer = largest(layer_norm(x, weight), size);
    const auto rms = largest(rms_norm(x, weight), size);
    std::cout << "layer norm: means within " << layer.mean << " of 0, mean squares within "
              << layer.mean_square << " of 1\nRMS norm: mean squares within " << rms.mean_square
              << " of 1\n";
    const bool good = layer.mean < 1e-4 && layer.mean_square < 1e-4 && rms.mean_square < 1e-4;
    return good && refuses(x, weight) ? 0 : 1;
} catch (const std::exception &error) {
    std::cerr << error.what() << '\n';
    return 1;
}
