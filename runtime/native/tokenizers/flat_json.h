// JSON of many small values in little memory: all of them in one list, and their texts in another.
//
// A tree of them takes ten times as much, and is slow to build for objects of 50,000 keys, as vocabularies are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tokenizers/keyed_hash.h"
#include "vocabulary/json_reading.h"

namespace latentlink {

class FlatJson;

// One value of a document, which must outlive it.
class FlatValue {
  public:
    enum class Kind : std::uint8_t { null, boolean, integer, large_integer, number, text, list, object };

    // The values of a list, or of an object with their keys, in the order of the file.
    class Iterator;
    struct Member;

    FlatValue(const FlatJson& document, std::uint32_t place) : document_(&document), place_(place) {}

    Kind kind() const;
    bool is(Kind kind) const { return this->kind() == kind; }
    bool is_null() const { return is(Kind::null); }

    // What it holds, if it is of that kind.
    bool boolean() const;
    std::int64_t integer() const;
    double number() const;
    std::string_view text() const;  // also the digits of an integer beyond 64 bits

    // Number of values of a list, or of different keys of an object.
    std::size_t size() const;

    Iterator begin() const;
    Iterator end() const;

    // The value of a key of an object; none if it has no such key.
    std::optional<FlatValue> find(std::string_view key) const;

  private:
    const FlatJson* document_;
    std::uint32_t place_;
};

struct FlatValue::Member {
    std::string_view key;  // empty in a list
    FlatValue value;
};

class FlatValue::Iterator {
  public:
    Iterator(const FlatJson& document, std::uint32_t place, std::uint32_t end, bool keys);
    Member operator*() const;
    Iterator& operator++();
    bool operator==(const Iterator& other) const { return place_ == other.place_; }

  private:
    void skip_repeated();

    const FlatJson* document_;
    std::uint32_t place_, end_;
    bool keys_;
};

// A document. Where an object has a key several times, the last value counts, in the place of the first.
class FlatJson {
  public:
    // Throws JsonError: it is no UTF-8 JSON, has NaN or an infinity, or is nested without end.
    static FlatJson parse(std::string_view bytes);

    FlatValue root() const { return {*this, 0}; }

  private:
    friend class FlatValue;
    class Builder;

    // Keys are texts before their values; `next` is then the place of the value that counts, 0 for a repeated key.
    struct Node {
        FlatValue::Kind kind;
        std::uint32_t begin;  // of a text in `texts_`; 1 + the number of an object's index, 0 if it has none
        std::uint32_t size;   // of a text, in bytes; of a list or object, in values
        std::uint32_t next;   // the place after it and all in it
    };
    using Index = std::unordered_map<std::string_view, std::uint32_t, KeyedHash>;

    std::string_view text_of(const Node& node) const { return {texts_.get() + node.begin, node.size}; }

    std::vector<Node> nodes_;
    std::unique_ptr<char[]> texts_;  // where they stay, so that indices can refer to them
    std::vector<Index> indices_;     // of large objects, from a key to the place of its value
};

}  // namespace latentlink
