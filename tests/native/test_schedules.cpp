// The parts of a schedule: numpy's arrays, and the beta distribution.

#include <doctest/doctest.h>

#include "samplers/schedules/arrays.h"
#include "samplers/schedules/beta_quantile.h"
#include "samplers/schedules/training.h"
#include "samplers/schedules/web_schedules.h"
#include "samplers/solvers/table.h"

using namespace latentlink;

TEST_CASE("evenly spaced numbers begin and end exactly") {
    CHECK(linspace(0, 1, 1) == Numbers{0});
    CHECK(linspace(2, 2, 3) == Numbers{2, 2, 2});
    CHECK(linspace(0, 10, 4, false) == Numbers{0, 2.5, 5, 7.5});
    CHECK(linspace(999, 0, 7).back() == 0);
    CHECK(arange(1, 10, 4) == Numbers{1, 5, 9});
    CHECK(arange(4, 0, -2) == Numbers{4, 2});
}

TEST_CASE("the quantile of a uniform distribution is the probability") {
    for (const double p : {0.0, 0.125, 0.5, 0.9, 1.0})
        CHECK(beta_quantile(p, 1, 1) == doctest::Approx(p).epsilon(1e-14));
}

TEST_CASE("the quantile of a symmetric distribution is symmetric") {
    CHECK(beta_quantile(0.5, 0.6, 0.6) == doctest::Approx(0.5).epsilon(1e-14));
    CHECK(beta_quantile(0.1, 0.6, 0.6) == doctest::Approx(1 - beta_quantile(0.9, 0.6, 0.6)).epsilon(1e-13));
    CHECK(beta_quantile(0, 0.6, 0.6) == 0);
    CHECK(beta_quantile(1, 0.6, 0.6) == 1);
}

TEST_CASE("the timestep of a timestep's sigma is that timestep") {
    const TrainingSchedule training(
        Json{{"beta_start", 0.00085}, {"beta_end", 0.012}, {"beta_schedule", "scaled_linear"}});
    const NoiseLevels levels = training.levels(ZeroSnr::ignored);
    // float32 logarithms of the table: 1e-7 of a logarithm is 1e-4 of a timestep where levels are close
    for (const int t : {0, 1, 500, 999}) {
        CHECK(levels.timestep_of(levels.sigma_at(t)) == doctest::Approx(t).epsilon(1e-3));
    }
}

TEST_CASE("schedules of web UIs fall") {
    CHECK(web_schedule("simple", 1000, 4) == Numbers{999, 749, 499, 249});
    CHECK(web_schedule("ddim_uniform", 10, 3) == Numbers{7, 4, 1});
    CHECK(web_schedule("sgm_uniform", 1001, 4) == Numbers{1000, 750, 500, 250});
}

TEST_CASE("a table refuses numbers that are not finite, and noise that nobody draws") {
    const Row good{.q = 1, .a = 1};
    CHECK_NOTHROW(SamplerTable(std::array{good}, 1));
    CHECK_THROWS_AS(SamplerTable({}, 1), std::invalid_argument);
    CHECK_THROWS_AS(SamplerTable(std::array{Row{.q = 1.0 / 0.0, .a = 1}}, 1), std::invalid_argument);
    CHECK_THROWS_AS(SamplerTable(std::array{Row{.q = 1, .a = 1, .c = 0.5}}, 1), std::invalid_argument);
}
