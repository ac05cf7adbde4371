// A generation: from a prompt and options to pictures, as rows that a caller can follow, change and end.
#pragma once

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "denoising/beginning.h"
#include "denoising/loop.h"
#include "guards/guard.h"
#include "request/inputs.h"
#include "result.h"
#include "text/prompt_embeddings.h"
#include "vocabulary/json.h"

namespace latentlink {

class Pipeline;

// Default strength of a run that starts from a picture or latents without a mask, as in diffusers.
inline constexpr double STRENGTH = 0.8;

// What a caller asks for.
struct Given {
    Json prompt = {};                                      // a text or a list of texts
    std::shared_ptr<const PromptEmbeddings> encoded = {};  // prompts that were encoded, in the place of `prompt`
    Json options = Json::object();                         // by the names of `options()`; null is the default
    std::vector<Image> init_images = {}, masks = {};       // options that are no JSON
    std::optional<Latents> init_latents = {};
};

// A generation whose arguments were checked. The pipeline outlives it.
class Generation {
  public:
    // Check the arguments; no engine runs. `watched`: see `Denoising`.
    // Throws UsageError: an argument is not of its type or out of range, or some contradict each other; LinkError:
    // latents or embeddings are of another model.
    Generation(Pipeline& pipe, const Given& given, bool watched);

    // Run the next row; none once all rows ran. The first call also encodes what the run starts from.
    // Throws GuardError, Cancelled, and what `Session::run` throws.
    std::optional<Progress> advance();

    // What to change from here on, after a row.
    // Throws UsageError: it is not a change that the run can take.
    void change(const Change& change) { denoising_->change(change); }

    // Decode what was drawn, once `advance` returned none.
    // Throws GuardError: the latents are outside of the model's range, or a picture is flat or noise.
    Result finish();

  private:
    Inputs inputs_of(const Given& given) const;
    Picture picture_of(const Request& request) const;
    void begin();
    std::vector<Texts> texts();
    std::vector<Run> runs(const std::vector<Texts>& texts);
    std::vector<Record> records() const;
    std::vector<Unusual> unusual() const;
    std::vector<Request> requests() const;

    Pipeline& pipe_;
    double began_, waited_;  // by `Clock`, of the thread that made it
    std::shared_ptr<const PromptEmbeddings> encoded_;
    std::vector<Picture> pictures_;
    std::size_t prompts_ = 0;
    Inputs inputs_;
    Guard watch_;
    std::map<std::string, std::int64_t> passes_;
    bool decode_ = true, watched_;
    std::optional<Denoising> denoising_;
    double checked_ = 0, texts_read_ = 0, encoding_ = 0;  // by `Clock`; `encoding_` is seconds
};

}  // namespace latentlink
