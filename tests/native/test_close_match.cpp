// The suggested name: the one that Python's difflib finds.

#include <doctest/doctest.h>

#include <array>

#include "vocabulary/close_match.h"

using namespace latentlink;

namespace {

constexpr std::array<std::string_view, 4> OPTIONS = {"leading", "linspace", "trailing", "linspacf"};

}  // namespace

TEST_CASE("the most similar option is found") { CHECK(close_match("trailng", OPTIONS) == "trailing"); }

TEST_CASE("of two equally similar options the later in the alphabet is taken, as by difflib") {
    CHECK(close_match("linspac", OPTIONS) == "linspacf");
}

TEST_CASE("an option less than half similar is not suggested") { CHECK(!close_match("xyz", OPTIONS)); }

TEST_CASE("in a long word frequent characters count only beside rare ones, as in difflib") {
    CHECK(!close_match(std::string(300, 'l'), OPTIONS));
}
