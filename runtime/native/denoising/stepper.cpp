#include "denoising/stepper.h"

#include <algorithm>
#include <memory>
#include <stdexcept>

namespace latentlink {

namespace {

std::set<std::string, std::less<>> tensors_of(std::span<const Port> ports) {
    std::set<std::string, std::less<>> tensors;
    for (const Port& port : ports) tensors.insert(port.tensor());
    return tensors;
}

Shape with_rows(std::size_t rows, const Shape& shape) {
    Shape made = {static_cast<std::int64_t>(rows)};
    made.insert(made.end(), shape.begin(), shape.end());
    return made;
}

Array float32_of(const std::vector<float>& numbers) {
    return Array::of<float>(numbers, {static_cast<std::int64_t>(numbers.size())});
}

}  // namespace

// Runs that step together, and the buffers that they share.
class StepBatch final : public Home {
  public:
    // `size` is the number of rows of the engine, at least as many as there are runs; the others repeat the last run.
    StepBatch(const Stepper& stepper, std::span<Run* const> runs, std::size_t size);

    bool holds(std::span<Run* const> runs) const { return std::ranges::equal(runs_, runs); }

    // One run for each row of the engine.
    std::span<Run* const> members() const { return members_; }

    // Run the next row of every run.
    void step();

    // Replace x, [size, C, h, w].
    void write_x(const Array& x) { session_->write(*x_, x); }

    State state(const Run& run) const override;

    // The x that a run's last row read, and its D.
    std::pair<Slot, Slot> seen(const Run& run) const;

  private:
    std::size_t place_of(const Run& run) const;
    BufferPtr zeros(const Shape& shape, DType dtype) { return session_->upload(Array(dtype, shape)); }
    template <typename Take>
    BufferPtr collected(Take take);  // one row of every member, or none
    void write_numbers();
    const Buffers& conditioning(bool guided);
    BufferPtr condition(const std::string& tensor, bool guided);
    Buffers empty_features(bool guided);
    Shape feature_shape(const Port& port, bool guided) const;  // one row per prediction
    void take_features(std::span<const State> states);

    Stepper stepper_;
    SessionPtr session_;
    std::vector<Run*> runs_, members_;
    std::size_t size_;
    Shape shape_;  // of one latent
    // Used in turn: x is read from one and written to the other; a row overwrites the oldest D, which it no longer
    // reads, with its own.
    BufferPtr x_, spare_;
    std::vector<BufferPtr> past_;
    BufferPtr noise_, row_, guidance_;
    std::vector<float> scales_;
    Buffers constant_;
    std::map<bool, Buffers> texts_, features_;  // by whether the rows are guided
};

StepBatch::StepBatch(const Stepper& stepper, std::span<Run* const> runs, std::size_t size)
    : stepper_(stepper), session_(stepper.session_), runs_(runs.begin(), runs.end()), members_(runs_), size_(size) {
    members_.resize(size, runs_.back());
    std::vector<State> states;
    for (const Run* run : members_) states.push_back(run->state());
    shape_ = states.front().x.shape;
    const auto of_all = [this, &states](auto take) {
        std::vector<std::optional<Slot>> wanted;
        for (const State& state : states) wanted.push_back(take(state));
        const bool any = std::ranges::any_of(wanted, [](const auto& slot) { return slot.has_value(); });
        return any ? collect(*session_, wanted) : zeros(with_rows(size_, shape_), stepper_.dtype());
    };
    x_ = of_all([](const State& state) { return state.x; });
    spare_ = session_->empty(with_rows(size, shape_), stepper.dtype());
    for (std::size_t age = 0; age < HISTORY; ++age) {
        past_.push_back(of_all([age](const State& state) { return state.past.at(age); }));
    }
    past_.push_back(zeros(with_rows(size, shape_), stepper.dtype()));
    noise_ = zeros(with_rows(size, shape_), stepper.dtype());
    row_ = zeros({static_cast<std::int64_t>(size), std::ssize(COEFFICIENTS)}, DType::float32);
    for (const auto& [tensor, slot] : runs_.front()->constant) {
        constant_[tensor] = collected([&name = tensor](const Run& run) { return run.constant.at(name); });
    }
    for (const Run* run : members_) scales_.push_back(static_cast<float>(run->guidance));
    guidance_ = session_->upload(float32_of(scales_));
    take_features(states);
}

std::size_t StepBatch::place_of(const Run& run) const {
    const auto found = std::ranges::find(runs_, &run);
    if (found == runs_.end()) throw std::invalid_argument("the run steps in another batch");
    return static_cast<std::size_t>(found - runs_.begin());
}

template <typename Take>
BufferPtr StepBatch::collected(Take take) {
    std::vector<std::optional<Slot>> wanted;
    for (const Run* run : members_) wanted.push_back(take(*run));
    return collect(*session_, wanted);
}

State StepBatch::state(const Run& run) const {
    const std::size_t place = place_of(run);
    const auto slot = [&](const BufferPtr& buffer) {
        return Slot{buffer, static_cast<int>(place), static_cast<int>(size_), shape_};
    };
    State state{.x = slot(x_)};
    std::ranges::transform(std::span(past_).first(HISTORY), state.past.begin(), slot);
    const bool guided = run.guided.at(run.row == 0 ? 0 : run.row - 1);
    const auto found = features_.find(guided);
    if (found == features_.end()) return state;
    for (const Port& port : stepper_.features_) {
        Shape shape = feature_shape(port, guided);
        const auto rows = static_cast<std::size_t>(shape.front());
        shape.erase(shape.begin());
        const auto listed = slots(found->second.at(port.tensor()), rows, shape);
        state.features[port.tensor()] = guided ? State::Feature{listed.at(place), listed.at(size_ + place)}
                                               : State::Feature{std::nullopt, listed.at(place)};
    }
    return state;
}

std::pair<Slot, Slot> StepBatch::seen(const Run& run) const {
    const int place = static_cast<int>(place_of(run)), rows = static_cast<int>(size_);
    return {{spare_, place, rows, shape_}, {past_.front(), place, rows, shape_}};
}

void StepBatch::step() {
    const Run& first = *runs_.front();
    const bool guided = first.guided.at(first.row), shallow = first.shallow.at(first.row) && stepper_.shallow_;
    write_numbers();
    if (!features_.contains(guided)) features_[guided] = empty_features(guided);
    Buffers feeds = conditioning(guided);
    feeds.insert(constant_.begin(), constant_.end());
    feeds.insert(features_.at(guided).begin(), features_.at(guided).end());
    feeds[stepper_.x_] = x_;
    feeds[stepper_.noise_] = noise_;
    feeds[stepper_.coefficients_] = row_;
    for (std::size_t age = 0; age < HISTORY; ++age) feeds[stepper_.history_.at(age)] = past_.at(age);
    if (stepper_.guidance_) feeds[*stepper_.guidance_] = guidance_;
    const auto& reads = shallow ? stepper_.shallow_reads_ : stepper_.reads_;
    std::erase_if(feeds, [&reads](const auto& feed) { return !reads.contains(feed.first); });
    Buffers written = shallow ? Buffers{} : features_.at(guided);
    written[stepper_.latent_.tensor()] = spare_;
    written[stepper_.denoised_] = past_.back();
    (shallow ? stepper_.shallow_ : session_)->run(feeds, written);
    std::swap(x_, spare_);
    std::rotate(past_.begin(), past_.end() - 1, past_.end());
    for (Run* run : runs_) run->advance();
}

// What crosses to the device in a row: coefficients, and noise and guidance where they are other ones.
void StepBatch::write_numbers() {
    if (std::ranges::any_of(runs_, [](const Run* run) { return run->drawn.has_value(); })) {
        const Array still(DType::float32, shape_);
        std::vector<Array> drawn;
        for (const Run* run : members_) drawn.push_back(run->drawn.value_or(still));
        session_->write(*noise_, stack(drawn).to(stepper_.dtype()));
    }
    std::vector<Array> rows;
    std::vector<float> scales;
    for (const Run* run : members_) {
        rows.push_back(run->coefficients.row(run->row));
        scales.push_back(static_cast<float>(run->guidance));
    }
    session_->write(*row_, stack(rows));
    if (scales != scales_) {
        scales_ = std::move(scales);
        session_->write(*guidance_, float32_of(scales_));
    }
}

// Buffers of text and conditions; the unconditional half comes first.
const Buffers& StepBatch::conditioning(bool guided) {
    if (const auto found = texts_.find(guided); found != texts_.end()) return found->second;
    Buffers made;
    for (const auto& [tensor, text] : runs_.front()->texts) {
        std::vector<std::optional<Slot>> wanted;
        if (guided) {
            for (const Run* run : members_) wanted.push_back(run->texts.at(tensor).unconditional);
        }
        for (const Run* run : members_) wanted.emplace_back(run->texts.at(tensor).prompt);
        made[tensor] = collect(*session_, wanted);
    }
    for (const auto& [tensor, numbers] : runs_.front()->conditions) made[tensor] = condition(tensor, guided);
    return texts_[guided] = std::move(made);
}

BufferPtr StepBatch::condition(const std::string& tensor, bool guided) {
    std::vector<float> numbers;
    const auto add = [&numbers](const Numbers& own) {
        for (const double one : own) numbers.push_back(static_cast<float>(one));
    };
    if (guided) {
        for (const Run* run : members_) add(run->conditions.at(tensor).second);
    }
    for (const Run* run : members_) add(run->conditions.at(tensor).first);
    const auto rows = static_cast<std::int64_t>(size_ * (guided ? 2 : 1));
    return session_->upload(Array::of<float>(numbers, {rows, std::ssize(numbers) / rows}));
}

Buffers StepBatch::empty_features(bool guided) {
    Buffers made;
    for (const Port& port : stepper_.features_) {
        made[port.tensor()] = session_->empty(feature_shape(port, guided), port.dtype);
    }
    return made;
}

Shape StepBatch::feature_shape(const Port& port, bool guided) const {
    const int downscale = stepper_.latent_.size('f');
    const auto side = [&](std::size_t dimension) { return shape_.at(dimension) * downscale / port.size('f'); };
    return {static_cast<std::int64_t>(size_ * (guided ? 2 : 1)), port.size('c'), side(1), side(2)};
}

// Take over the features that the next rows read, if they are shallow.
void StepBatch::take_features(std::span<const State> states) {
    const Run& first = *runs_.front();
    if (!first.shallow.at(first.row)) return;
    const bool guided = first.guided.at(first.row);
    for (const Port& port : stepper_.features_) {
        std::vector<std::optional<Slot>> wanted;
        for (const std::size_t half : guided ? std::vector<std::size_t>{0, 1} : std::vector<std::size_t>{1}) {
            for (const State& state : states) wanted.push_back(state.features.at(port.tensor()).at(half));
        }
        features_[guided][port.tensor()] = collect(*session_, wanted);
    }
}

Stepper::Stepper(const Engine& denoiser, SessionPtr shallow, Port latent)
    : session_(denoiser.session), shallow_(std::move(shallow)), latent_(std::move(latent)),
      x_(latent_.at("x").tensor()), noise_(latent_.at("noise").tensor()), denoised_(latent_.at("denoised").tensor()) {
    for (const Port& port : session_->inputs()) {
        if (port.kind == "coefficients" && coefficients_.empty()) coefficients_ = port.tensor();
        if (port.kind == "guidance" && !guidance_) guidance_ = port.tensor();
    }
    for (const Port& port : session_->outputs()) {
        if (port.kind == "feature") features_.push_back(port);
    }
    for (std::size_t age = 0; age < HISTORY; ++age) {
        history_.at(age) = latent_.at("history" + std::to_string(age + 1)).tensor();
    }
    reads_ = tensors_of(session_->inputs());
    if (shallow_) shallow_reads_ = tensors_of(shallow_->inputs());
    const auto found = denoiser.limits.find("B");
    least_ = found == denoiser.limits.end() ? 1 : static_cast<std::size_t>(found->second[0]);
}

void Stepper::step(std::span<Run* const> runs) const {
    auto batch = std::dynamic_pointer_cast<StepBatch>(runs.front()->home);
    if (!batch || !batch->holds(runs)) {
        batch = std::make_shared<StepBatch>(*this, runs, std::max(runs.size(), least_));
        for (Run* run : runs) run->home = batch;
    }
    batch->step();
}

void Stepper::write(std::span<Run* const> runs, const Array& latents) const {
    std::set<StepBatch*> written;
    for (const Run* run : runs) {
        auto* batch = dynamic_cast<StepBatch*>(run->home.get());
        if (!batch || !written.insert(batch).second) continue;
        std::vector<Array> rows;
        for (const Run* member : batch->members()) {
            const auto place = std::ranges::find(runs, member) - runs.begin();
            rows.push_back(latents.row(static_cast<std::size_t>(place)));
        }
        batch->write_x(stack(rows));
    }
}

void Stepper::wait() const {
    session_->wait();
    if (shallow_) shallow_->wait();
}

Array predicted(std::span<Run* const> runs) {
    std::vector<Slot> read, denoised;
    for (const Run* run : runs) {
        const auto& batch = dynamic_cast<const StepBatch&>(*run->home);
        auto [x, D] = batch.seen(*run);
        read.push_back(std::move(x));
        denoised.push_back(std::move(D));
    }
    Array made = on_host(read).to(DType::float32).clone();
    const Array ds = on_host(denoised).to(DType::float32);
    for (std::size_t i = 0; i < runs.size(); ++i) {
        const auto [u, v] = runs[i]->clean.at(runs[i]->row - 1);
        Array own = made.row(i);
        const Array own_D = ds.row(i);
        const auto x = own.as<float>();
        const auto D = own_D.as<float>();
        for (std::size_t j = 0; j < x.size(); ++j) x[j] = u * x[j] + v * D[j];
    }
    return made;
}

}  // namespace latentlink
