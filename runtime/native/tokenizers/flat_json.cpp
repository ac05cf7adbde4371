#include "tokenizers/flat_json.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace latentlink {

namespace {

constexpr std::size_t SMALL = 8;  // keys of an object that are found one by one

std::uint64_t joined_bits(std::uint32_t high, std::uint32_t low) { return std::uint64_t{high} << 32 | low; }

}  // namespace

// Writes a document down as it is read.
class FlatJson::Builder final : public JsonEvents {
  public:
    explicit Builder(FlatJson& document) : document_(document) {}

    void null() override { add(Kind::null); }
    void boolean(bool value) override { add(Kind::boolean, 0, value); }
    void integer(std::int64_t value) override { add_bits(Kind::integer, static_cast<std::uint64_t>(value)); }
    void large_integer(std::string_view digits) override { add_text(Kind::large_integer, digits); }
    void number(double value) override { add_bits(Kind::number, std::bit_cast<std::uint64_t>(value)); }
    void constant(std::string_view name) override { throw JsonError(JsonError::Cause::constant, std::string(name)); }
    void string(std::string& value) override { add_text(Kind::text, value); }
    void begin_object() override { open(Kind::object); }
    void begin_array() override { open(Kind::list); }
    void end_array() override { close(); }

    void key(std::string& name) override {
        keys_.push_back(place());
        add_text(Kind::text, name);
    }

    void end_object() override {
        Node& object = nodes()[open_.back().place];
        const auto first = keys_.begin() + static_cast<std::ptrdiff_t>(open_.back().keys);
        object.size = static_cast<std::uint32_t>(keys_.end() - first);
        for (auto key = first; key != keys_.end(); ++key) nodes()[*key].next = *key + 1;
        object.size <= SMALL ? settle(first, object) : settle_with_index(first, object);
        keys_.erase(first, keys_.end());
        close();
    }

  private:
    using Kind = FlatValue::Kind;
    using Key = std::vector<std::uint32_t>::iterator;

    // A list or object that is not at its end.
    struct Open {
        std::uint32_t place;
        std::size_t keys;  // where its own begin in `keys_`
    };

    std::vector<Node>& nodes() { return document_.nodes_; }
    std::uint32_t place() const { return static_cast<std::uint32_t>(document_.nodes_.size()); }

    void add(Kind kind, std::uint32_t begin = 0, std::uint32_t size = 0) {
        if (!open_.empty()) ++nodes()[open_.back().place].size;
        nodes().push_back({kind, begin, size, place() + 1});
    }
    void add_bits(Kind kind, std::uint64_t bits) {
        add(kind, static_cast<std::uint32_t>(bits >> 32), static_cast<std::uint32_t>(bits));
    }
    void add_text(Kind kind, std::string_view text) {
        std::ranges::copy(text, document_.texts_.get() + used_);
        add(kind, used_, static_cast<std::uint32_t>(text.size()));
        used_ += static_cast<std::uint32_t>(text.size());
    }
    void open(Kind kind) {
        add(kind);
        open_.push_back({place() - 1, keys_.size()});
    }
    void close() {
        nodes()[open_.back().place].next = place();
        open_.pop_back();
    }

    // Let the first of equal keys have the value of this later one.
    void repeat(std::uint32_t first, std::uint32_t later, Node& object) {
        nodes()[first].next = later + 1;
        nodes()[later].next = 0;
        --object.size;
    }

    void settle(Key first, Node& object) {
        for (Key key = first; key != keys_.end(); ++key) {
            const auto same = [&](std::uint32_t other) {
                return document_.text_of(nodes()[other]) == document_.text_of(nodes()[*key]);
            };
            if (const Key found = std::find_if(first, key, same); found != key) repeat(*found, *key, object);
        }
    }

    void settle_with_index(Key first, Node& object) {
        Index& index = document_.indices_.emplace_back(object.size);
        object.begin = static_cast<std::uint32_t>(document_.indices_.size());
        for (Key key = first; key != keys_.end(); ++key) {
            const auto [found, is_new] = index.emplace(document_.text_of(nodes()[*key]), *key);
            if (!is_new) repeat(found->second, *key, object);
        }
    }

    FlatJson& document_;
    std::uint32_t used_ = 0;                // bytes of texts
    std::vector<Open> open_ = {};           // from the outermost to the innermost
    std::vector<std::uint32_t> keys_ = {};  // places of the keys of all open objects
};

FlatJson FlatJson::parse(std::string_view bytes) {
    FlatJson made;
    // no text is longer than it is written
    made.texts_ = std::make_unique_for_overwrite<char[]>(bytes.size());
    Builder builder(made);
    read_json(bytes, builder);
    return made;
}

FlatValue::Kind FlatValue::kind() const { return document_->nodes_[place_].kind; }

bool FlatValue::boolean() const { return document_->nodes_[place_].size != 0; }

std::int64_t FlatValue::integer() const {
    const FlatJson::Node& node = document_->nodes_[place_];
    return static_cast<std::int64_t>(joined_bits(node.begin, node.size));
}

double FlatValue::number() const {
    const FlatJson::Node& node = document_->nodes_[place_];
    return std::bit_cast<double>(joined_bits(node.begin, node.size));
}

std::string_view FlatValue::text() const { return document_->text_of(document_->nodes_[place_]); }

std::size_t FlatValue::size() const { return document_->nodes_[place_].size; }

FlatValue::Iterator FlatValue::begin() const {
    return {*document_, place_ + 1, document_->nodes_[place_].next, is(Kind::object)};
}

FlatValue::Iterator FlatValue::end() const {
    const std::uint32_t next = document_->nodes_[place_].next;
    return {*document_, next, next, is(Kind::object)};
}

std::optional<FlatValue> FlatValue::find(std::string_view key) const {
    const FlatJson::Node& node = document_->nodes_[place_];
    if (node.begin > 0) {
        const FlatJson::Index& index = document_->indices_[node.begin - 1];
        const auto found = index.find(key);
        if (found == index.end()) return std::nullopt;
        return FlatValue(*document_, document_->nodes_[found->second].next);
    }
    for (const auto& [name, value] : *this) {
        if (name == key) return value;
    }
    return std::nullopt;
}

FlatValue::Iterator::Iterator(const FlatJson& document, std::uint32_t place, std::uint32_t end, bool keys)
    : document_(&document), place_(place), end_(end), keys_(keys) {
    skip_repeated();
}

FlatValue::Member FlatValue::Iterator::operator*() const {
    if (!keys_) return {{}, {*document_, place_}};
    const FlatJson::Node& key = document_->nodes_[place_];
    return {document_->text_of(key), {*document_, key.next}};
}

FlatValue::Iterator& FlatValue::Iterator::operator++() {
    place_ = document_->nodes_[place_ + keys_].next;
    skip_repeated();
    return *this;
}

// A key that was repeated is no member of its own.
void FlatValue::Iterator::skip_repeated() {
    while (keys_ && place_ != end_ && document_->nodes_[place_].next == 0) {
        place_ = document_->nodes_[place_ + 1].next;
    }
}

}  // namespace latentlink
