// A run: one picture on its way through the denoiser, and where its tensors stand.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "samplers/schedules/arrays.h"
#include "samplers/solvers/table.h"
#include "sessions/session.h"
#include "vocabulary/array.h"
#include "vocabulary/ports.h"

namespace latentlink {

// One row of a buffer, which has `rows` of them of this shape.
struct Slot {
    BufferPtr buffer;
    int row = 0, rows = 1;
    Shape shape = {};
};

// All rows of a buffer, each of this shape.
std::vector<Slot> slots(const BufferPtr& buffer, std::size_t rows, const Shape& shape);

// One buffer of these rows, on the session's device; no slot, where another row says the shape, is zeros. Rows that are
// all of one buffer, in order, are that buffer itself: who writes to it must own it. Rows of several buffers are copied
// through the host.
BufferPtr collect(Session& session, std::span<const std::optional<Slot>> wanted);

// The rows on the host, stacked; each buffer is copied once.
Array on_host(std::span<const Slot> wanted);

// What one text port of the denoiser reads for a picture: the prompt's embedding, and that of the negative prompt,
// where none is zeros.
struct Text {
    Slot prompt;
    std::optional<Slot> unconditional = {};
};

using Texts = std::map<std::string, Text, std::less<>>;  // by tensor name of the denoiser's text port

// A run's tensors between two rows.
struct State {
    // The deep features of a run's last whole row: of the unconditional prediction, if there is one, and of the
    // conditional one.
    using Feature = std::array<std::optional<Slot>, 2>;

    Slot x;                                              // its latent
    std::array<std::optional<Slot>, HISTORY> past = {};  // its newest D's; none is zeros
    std::map<std::string, Feature, std::less<>> features = {};
};

struct Run;

// Where a run's tensors stand: in the batch that it steps with.
class Home {
  public:
    virtual ~Home() = default;

    // The run's tensors, as of the last row that ran.
    virtual State state(const Run& run) const = 0;
};

// The home of a run that has not begun.
class Alone final : public Home {
  public:
    explicit Alone(Slot x) : x_(std::move(x)) {}
    State state(const Run&) const override { return {.x = x_}; }

  private:
    Slot x_;
};

// A picture that is kept outside of a mask.
struct Around {
    Array mask;     // float32 [1, h, w], 1 where to paint, 0 where to keep
    Array picture;  // the picture's latent, float32 [C, h, w], before the first row
    Array noise;    // what brings it to every row's level: the same that the run's latent began with

    // x [C, h, w] inside the mask, and the picture at this noise level outside of it, written over x.
    void over(Array& x, Level level) const;
};

using Draw = std::function<Array()>;  // draws standard normal noise, float32 [C, h, w]

// By tensor name of a condition port, the numbers of the prompt and of the unconditional half.
using ConditionNumbers = std::map<std::string, std::pair<Numbers, Numbers>, std::less<>>;

// The rows that run the shallow denoiser. The whole one runs on the first row, on every n-th step, and whenever the
// number of predictions changes, as the feature has one row per prediction.
std::vector<bool> shallow_rows(const SamplerTable& table, int every, const std::vector<bool>& guided);

// One picture on its way through the denoiser. It stays where it is in memory once it steps.
struct Run {
    SamplerTable table;
    Array coefficients;                       // the rows as the engine reads them, float32 [R, 15]
    std::vector<std::array<float, 2>> clean;  // [R], the weights of x and D in the finished latent that a row predicts
    double guidance;                          // scale
    std::vector<bool> within;                 // [R], where guidance is applied if the scale asks for it
    std::vector<bool> guided;                 // [R], the rows that run the network on both halves
    int every;                                // the whole denoiser runs on every n-th step
    Texts texts;
    bool paired;  // whether the unconditional halves of `texts` are there
    ConditionNumbers conditions;
    std::map<std::string, Slot, std::less<>> constant;  // by tensor name, further inputs that are the same in every row
    std::optional<Around> around;                       // what is kept outside of a mask
    Draw draw;                                          // called once for each row that draws, in order
    std::shared_ptr<Home> home;                         // where its tensors stand
    std::size_t row = 0;                                // rows that ran
    std::vector<bool> shallow = {};                     // [R], the rows that run the shallow denoiser
    std::optional<Array> drawn = {};                    // the next row's noise, where it draws

    // Find its shallow rows, and draw the first row's noise.
    void begin();

    State state() const { return home->state(*this); }
    std::size_t rows() const { return table.rows.size(); }
    bool done() const { return row == rows(); }

    // Runs of equal keys can take their next row together: the engine, its rows of text and their length.
    using Key = std::pair<std::pair<bool, bool>, std::vector<Shape>>;
    Key key() const;

    // Count a row that ran, and draw the noise of the next one, while the engine may still be running the one before.
    void advance();

  private:
    void draw_ahead();
};

}  // namespace latentlink
