// Least squares of a few unknowns: exact ones, ones with noise, and ones that are not determined.
#include <doctest/doctest.h>

#include "probing/least_squares.h"

using latentlink::least_squares;
using Columns = std::vector<std::vector<double>>;

TEST_CASE("unknowns that reproduce the numbers are found") {
    const Columns columns = {{1, 0, 2, 1}, {0, 1, 1, -1}, {3, 1, 0, 1}};
    std::vector<double> wanted(4);
    for (std::size_t i = 0; i < 4; ++i) wanted[i] = 0.5 * columns[0][i] - 2 * columns[1][i] + 3 * columns[2][i];
    const std::vector<double> found = least_squares(columns, wanted);
    CHECK(found[0] == doctest::Approx(0.5));
    CHECK(found[1] == doctest::Approx(-2));
    CHECK(found[2] == doctest::Approx(3));
}

TEST_CASE("what cannot be reproduced is met as closely as possible") {
    // the mean and the slope of 1, 3, 2, 6 over 0, 1, 2, 3
    const std::vector<double> found = least_squares({{1, 1, 1, 1}, {0, 1, 2, 3}}, std::vector<double>{1, 3, 2, 6});
    CHECK(found[0] == doctest::Approx(0.9));
    CHECK(found[1] == doctest::Approx(1.4));
}

TEST_CASE("of several answers the shortest is taken") {
    const std::vector<double> twice = least_squares({{1, 2, 3}, {1, 2, 3}, {0, 0, 0}}, std::vector<double>{2, 4, 6});
    CHECK(twice[0] == doctest::Approx(1));
    CHECK(twice[1] == doctest::Approx(1));
    CHECK(twice[2] == 0);
    const std::vector<double> fewer = least_squares({{1}, {1}, {1}, {1}}, std::vector<double>{2});
    for (const double one : fewer) CHECK(one == doctest::Approx(0.5));
}
