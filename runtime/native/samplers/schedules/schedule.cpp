#include "samplers/schedules/schedule.h"

namespace latentlink {

Schedule read_schedule(const Json& data) {
    const auto found = data.find("prediction_type");
    if (found != data.end() && *found == FLOW) return FlowSchedule(data);
    return TrainingSchedule(data);
}

int timesteps_of(const Schedule& schedule) {
    return std::visit([](const auto& training) { return training.num_train_timesteps; }, schedule);
}

Prediction prediction_of(const Schedule& schedule) {
    const auto* training = std::get_if<TrainingSchedule>(&schedule);
    return training ? training->prediction() : Prediction::flow;
}

}  // namespace latentlink
