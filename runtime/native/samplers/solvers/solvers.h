// Every solver: a function from a plan to the rows of the steps that run.
#pragma once

#include <vector>

#include "samplers/solvers/plan.h"
#include "samplers/solvers/table.h"

namespace latentlink {

// With fewer steps than this the last one of DPM-Solver++ and DEIS is of first order, for stability (Lu et al. 2022b).
inline constexpr int FEW_STEPS = 15;

// ddim.cpp: D is the predicted x0
std::vector<Row> ddim(const NoisePlan& plan);
std::vector<Row> ddpm(const NoisePlan& plan);

// euler.cpp: D is the derivative dx/dsigma
std::vector<Row> euler(const Plan& plan);
std::vector<Row> euler_a(const Plan& plan);
std::vector<Row> heun(const Plan& plan);
std::vector<Row> dpm2(const NoisePlan& plan);

// linear_multistep.cpp: D is the predicted noise; for PNDM, the model's raw output
std::vector<Row> lms(const Plan& plan);  // throws UsageError: two steps have the same level
std::vector<Row> pndm(const NoisePlan& plan);

// dpmpp.cpp: D is the predicted x0
std::vector<Row> dpmpp_2m(const Plan& plan);
std::vector<Row> dpmpp_2m_sde(const Plan& plan);
std::vector<Row> dpmpp_2s(const Plan& plan);

// unipc.cpp: D is the predicted x0
std::vector<Row> unipc(const Plan& plan);

// deis.cpp: D is the predicted noise
std::vector<Row> deis(const Plan& plan);

// consistency.cpp
std::vector<Row> lcm(const NoisePlan& plan);
std::vector<Row> tcd(const NoisePlan& plan);

// flow.cpp: D is the predicted flow
std::vector<Row> flow_euler(const Plan& plan);
std::vector<Row> flow_heun(const Plan& plan);

}  // namespace latentlink
