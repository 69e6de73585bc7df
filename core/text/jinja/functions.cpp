// Argument binding, and the functions that every template can call.
#include <algorithm>
#include <ctime>

#include "core/text/jinja/objects.h"
#include "core/text/jinja/raise.h"

namespace mlxr::text::jinja {
namespace {

constexpr std::int64_t kMaxRange = 100000;  // as jinja2's sandbox has it

Value raise_exception(Interpreter&, const Arguments& args) { raise(Bound("raise_exception", args, {"message"}, 1)[0]->print().bytes()); }

Value strftime_now(Interpreter&, const Arguments& args) {
  const Bound b("strftime_now", args, {"format"}, 1);
  if (b[0]->string() == nullptr) raise("strftime_now() needs a format string");
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  std::string out(b[0]->string()->size() * 8 + 256, '\0');
  out.resize(std::strftime(out.data(), out.size(), b[0]->string()->c_str(), &local));
  return Value(std::move(out));
}

Value make_namespace(Interpreter& in, const Arguments& args) { return in.make_namespace(args); }

Value range(Interpreter& in, const Arguments& args) {
  const Bound b("range", args, {"start", "stop", "step"}, 1);
  for (std::size_t i = 0; i < 3; ++i)
    if (b[i] != nullptr && !b[i]->require().is_integral())
      raise("'" + std::string(b[i]->type_name()) + "' object cannot be interpreted as an integer");
  const std::int64_t start = b[1] == nullptr ? 0 : b[0]->integer();
  const std::int64_t stop = b[1] == nullptr ? b[0]->integer() : b[1]->integer();
  const std::int64_t step = b.integer(2, 1);
  if (step == 0) raise("range() arg 3 must not be zero");
  const bool empty = step > 0 ? start >= stop : start <= stop;
  const std::uint64_t span = step > 0 ? static_cast<std::uint64_t>(stop) - static_cast<std::uint64_t>(start)
                                      : static_cast<std::uint64_t>(start) - static_cast<std::uint64_t>(stop);
  const std::uint64_t stride = step > 0 ? static_cast<std::uint64_t>(step) : 0 - static_cast<std::uint64_t>(step);
  const std::uint64_t count = empty ? 0 : (span - 1) / stride + 1;
  if (count > kMaxRange) raise_limit("a range of more than " + std::to_string(kMaxRange) + " numbers");
  in.spend(count / 16);
  std::vector<Value> items;
  items.reserve(count);
  for (std::uint64_t i = 0; i < count; ++i) items.emplace_back(start + static_cast<std::int64_t>(i) * step);
  return Value(std::move(items), SequenceKind::kRange);
}

Value dict(Interpreter&, const Arguments& args) {
  Dict::Entries entries;
  if (args.positional.size() > 1) raise("dict expected at most 1 argument");
  if (!args.positional.empty()) {
    if (const Dict* d = args.positional[0].require().dict()) {
      entries = d->entries;
    } else {
      for (const Value& pair : iterate(args.positional[0])) {
        std::vector<Value> two = iterate(pair);
        if (two.size() != 2) raise("dict() needs pairs");
        entries.emplace_back(std::move(two[0]), std::move(two[1]));
      }
    }
  }
  for (const auto& [key, value] : args.named) entries.emplace_back(Value(key), value);
  return Value(std::move(entries));
}

int deepest(const std::vector<Value>& items) { return Value(items).list()->depth; }

class Cycler : public Object {
 public:
  explicit Cycler(std::vector<Value> items) : depth_(deepest(items)), items_(std::move(items)) {}
  std::string type_name() const override { return "Cycler"; }
  int depth() const override { return depth_; }
  std::optional<Value> attribute(std::string_view name) const override {
    return name == "current" ? std::optional(items_[at_]) : std::nullopt;
  }
  Value next() {
    const Value v = items_[at_];
    at_ = (at_ + 1) % items_.size();
    return v;
  }
  void reset() { at_ = 0; }

 private:
  int depth_;
  std::vector<Value> items_;
  std::size_t at_ = 0;
  Metered metered_{128};
};

Value cycler(Interpreter&, const Arguments& args) {
  if (args.positional.empty()) raise("at least one item has to be provided to cycler()");
  return Value(std::static_pointer_cast<Object>(std::make_shared<Cycler>(args.positional)));
}

class Joiner : public Object {
 public:
  explicit Joiner(MarkedText separator) : separator_(std::move(separator)) {}
  std::string type_name() const override { return "Joiner"; }
  bool callable() const override { return true; }
  Value call(Interpreter&, Arguments) override { return Value(std::exchange(used_, true) ? separator_ : MarkedText()); }

 private:
  MarkedText separator_;
  bool used_ = false;
  Metered metered_{128};
};

Value joiner(Interpreter&, const Arguments& args) {
  return Value(std::static_pointer_cast<Object>(std::make_shared<Joiner>(Bound("joiner", args, {"sep"}).marked_text(0, ", "))));
}

}  // namespace

Value call_object_method(Object& self, std::string_view name, const Arguments& args) {
  if (auto* loop = dynamic_cast<Loop*>(&self)) return name == "cycle" ? loop->cycle(args) : Value(loop->changed(args));
  auto& cycle = dynamic_cast<Cycler&>(self);
  if (name == "next") return cycle.next();
  cycle.reset();
  return Value(None{});
}

bool has_object_method(const Object& self, std::string_view name) {
  if (dynamic_cast<const Loop*>(&self) != nullptr) return name == "cycle" || name == "changed";
  return dynamic_cast<const Cycler*>(&self) != nullptr && (name == "next" || name == "reset");
}

Function find_function(std::string_view name) {
  static constexpr std::pair<std::string_view, Function> kFunctions[] = {
      {"raise_exception", raise_exception},
      {"strftime_now", strftime_now},
      {"namespace", make_namespace},
      {"range", range},
      {"dict", dict},
      {"cycler", cycler},
      {"joiner", joiner},
  };
  for (const auto& [known, function] : kFunctions)
    if (known == name) return function;
  return nullptr;
}

Bound::Bound(std::string_view callee, const Arguments& args, std::initializer_list<std::string_view> parameters, std::size_t required)
    : callee_(callee), values_(parameters.size()) {
  const std::string what = std::string(callee) + "()";
  if (args.positional.size() > parameters.size()) raise(what + " takes at most " + std::to_string(parameters.size()) + " arguments");
  for (std::size_t i = 0; i < args.positional.size(); ++i) values_[i] = &args.positional[i];
  for (const auto& [name, value] : args.named) {
    const auto at = std::find(parameters.begin(), parameters.end(), name);
    if (at == parameters.end()) raise(what + " got an unexpected keyword argument '" + name + "'");
    const Value*& slot = values_[static_cast<std::size_t>(at - parameters.begin())];
    if (slot != nullptr) raise(what + " got multiple values for argument '" + name + "'");
    slot = &value;
  }
  for (std::size_t i = 0; i < required; ++i)
    if (values_[i] == nullptr) raise(what + " needs the argument '" + std::string(parameters.begin()[i]) + "'");
}

std::int64_t Bound::integer(std::size_t i, std::int64_t otherwise) const {
  if (values_[i] == nullptr) return otherwise;
  if (!values_[i]->require().is_integral()) raise(std::string(callee_) + "() needs an integer, not " + values_[i]->type_name());
  return values_[i]->integer();
}

std::string Bound::text(std::size_t i, std::string_view otherwise) const {
  return values_[i] == nullptr ? std::string(otherwise) : values_[i]->print().bytes();
}

MarkedText Bound::marked_text(std::size_t i, std::string_view otherwise) const {
  return values_[i] == nullptr ? MarkedText(std::string(otherwise)) : values_[i]->print();
}

}  // namespace mlxr::text::jinja
