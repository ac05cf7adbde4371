// Draw a picture with LatentLink's C++ interface: generate BUNDLE PROMPT OUT.png
#include <iostream>
#include <latentlink.hpp>

int main(int count, char** words) try {
    if (count != 4) {
        std::cerr << "Usage: " << words[0] << " BUNDLE PROMPT OUT.png\n";
        return LATENTLINK_USAGE;
    }
    const latentlink::Pipeline pipeline(words[1]);
    const latentlink::Result result = pipeline.generate(
        words[2], {.seeds = {7}, .on_step = [](const latentlink::Progress& at) {
                       std::cout << "step " << at.step() << " of " << at.steps() << '\n';
                       return true;  // false cancels
                   }});
    result.write_png(words[3]);
} catch (const latentlink::Failure& failure) {
    std::cerr << failure.what() << '\n';
    return failure.status();
}
