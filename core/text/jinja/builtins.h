// What a template can call by name: filters, tests, global functions and the methods of plain values.
#pragma once

#include <initializer_list>
#include <string_view>

#include "core/text/jinja/value.h"

namespace mlxr::text::jinja {

using Filter = Value (*)(Interpreter&, const Value& input, const Arguments&);
using Test = bool (*)(Interpreter&, const Value& input, const Arguments&);
using Function = Value (*)(Interpreter&, const Arguments&);

// Null for an unknown name.
Filter find_filter(std::string_view name);
Test find_test(std::string_view name);
Function find_function(std::string_view name);

// The parts of find_filter, by what they work on.
Filter find_text_filter(std::string_view name);
Filter find_sequence_filter(std::string_view name);

enum class Method { kNone, kAllowed, kRefused };  // kRefused: would change the value, which the sandbox forbids
Method find_method(const Value& self, std::string_view name);
Value call_method(Interpreter& interpreter, const Value& self, std::string_view name, const Arguments& arguments);

// call_method and find_method for the objects that have methods: loop and cycler().
Value call_object_method(Object& self, std::string_view name, const Arguments& arguments);
bool has_object_method(const Object& self, std::string_view name);

// Arguments sorted into a function's parameters, as Python does it.
class Bound {
 public:
  // Raises when one of the first `required` arguments is missing, when there are too many, and for a name that is not a parameter.
  Bound(std::string_view callee, const Arguments& arguments, std::initializer_list<std::string_view> parameters, std::size_t required = 0);

  // Null if the caller did not pass it.
  const Value* operator[](std::size_t i) const { return values_[i]; }
  bool flag(std::size_t i, bool otherwise) const { return values_[i] == nullptr ? otherwise : values_[i]->truthy(); }
  std::int64_t integer(std::size_t i, std::int64_t otherwise) const;
  std::string text(std::size_t i, std::string_view otherwise) const;        // printed, whatever it is
  MarkedText marked_text(std::size_t i, std::string_view otherwise) const;  // the same with its origins
  bool none(std::size_t i) const { return values_[i] == nullptr || values_[i]->is_none(); }

 private:
  std::string_view callee_;
  std::vector<const Value*> values_;
};

}  // namespace mlxr::text::jinja
