#include "probing/least_squares.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace latentlink {

namespace {

using Column = std::vector<double>;

constexpr int MAX_SWEEPS = 60;  // Jacobi's rotations converge quadratically: a handful is enough

double dot(std::span<const double> a, std::span<const double> b) {
    return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

void add(std::span<double> to, double factor, std::span<const double> other) {
    for (std::size_t i = 0; i < to.size(); ++i) to[i] += factor * other[i];
}

// Householder's reflections make `columns` upper triangular and turn `wanted` with them: a small problem of the same
// solution is left in the first rows.
void reduce(std::vector<Column>& columns, Column& wanted) {
    const std::size_t count = columns.size();
    for (std::size_t k = 0; k < count; ++k) {
        Column normal(columns[k].begin() + static_cast<std::ptrdiff_t>(k), columns[k].end());
        normal[0] += std::copysign(std::sqrt(dot(normal, normal)), normal[0]);
        const double square = dot(normal, normal);
        if (square == 0) continue;
        const auto reflect = [&](Column& column) {
            const std::span<double> below = std::span(column).subspan(k);
            add(below, -2 * dot(normal, below) / square, normal);
        };
        for (std::size_t other = k; other < count; ++other) reflect(columns[other]);
        reflect(wanted);
    }
    for (Column& column : columns) column.resize(count);
    wanted.resize(count);
}

// Rotate pairs of columns, and those of `turns` with them, until all are orthogonal: one-sided Jacobi.
void make_orthogonal(std::vector<Column>& columns, std::vector<Column>& turns) {
    const double tiny = std::numeric_limits<double>::epsilon();
    bool turned = true;
    for (int sweep = 0; turned && sweep < MAX_SWEEPS; ++sweep) {
        turned = false;
        for (std::size_t p = 0; p < columns.size(); ++p) {
            for (std::size_t q = p + 1; q < columns.size(); ++q) {
                const double a = dot(columns[p], columns[p]), b = dot(columns[q], columns[q]);
                const double c = dot(columns[p], columns[q]);
                if (!(std::abs(c) > tiny * std::sqrt(a * b))) continue;
                turned = true;
                const double zeta = (b - a) / (2 * c);
                const double t = std::copysign(1, zeta) / (std::abs(zeta) + std::sqrt(1 + zeta * zeta));
                const double cosine = 1 / std::sqrt(1 + t * t), sine = cosine * t;
                for (std::vector<Column>* all : {&columns, &turns}) {
                    Column &first = (*all)[p], &second = (*all)[q];
                    for (std::size_t i = 0; i < first.size(); ++i) {
                        const double x = first[i], y = second[i];
                        first[i] = cosine * x - sine * y;
                        second[i] = sine * x + cosine * y;
                    }
                }
            }
        }
    }
}

}  // namespace

std::vector<double> least_squares(std::vector<Column> columns, std::span<const double> wanted) {
    const std::size_t count = columns.size(), rows = std::max(wanted.size(), count);
    Column target(wanted.begin(), wanted.end());
    target.resize(rows);  // rows of zeros change nothing
    for (Column& column : columns) column.resize(rows);
    reduce(columns, target);
    std::vector<Column> turns(count, Column(count, 0.0));
    for (std::size_t i = 0; i < count; ++i) turns[i][i] = 1;
    make_orthogonal(columns, turns);  // now columns * turns^T are the given ones, and their lengths the singular values

    double largest = 0;
    for (const Column& column : columns) largest = std::max(largest, std::sqrt(dot(column, column)));
    const double least = largest * std::numeric_limits<double>::epsilon() * static_cast<double>(rows);
    Column x(count, 0.0);
    for (std::size_t i = 0; i < count; ++i) {
        const double square = dot(columns[i], columns[i]);
        if (std::sqrt(square) > least) add(x, dot(columns[i], target) / square, turns[i]);
    }
    return x;
}

}  // namespace latentlink
