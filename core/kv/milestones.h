// Where a prompt pauses while it is read, so that another one can go on there. Of a model with windows or states, a sequence can be
// continued at its end only; but prompts often begin alike and end differently.
//
//   for (const auto& [blocks, place] : kv::milestones(stored, tokens, common)) ...   // read so many blocks, then Prefixes::keep()
#pragma once

#include <vector>

namespace mlxr::kv {

// What a kept sequence ends with; of two reasons to keep one, the later counts.
enum class Place {
  kOnTheWay,  // some place in a long prompt
  kEnd,       // the end of a prompt or of an answer
  kParting,   // the tokens that two prompts have in common
};

struct Milestone {
  int blocks;
  Place place;
  bool operator==(const Milestone&) const = default;
};

// The milestones, in their order, of a prompt of which the first `stored` tokens are stored, and whose first `common_blocks` blocks another
// text has, too (the most that any has; 0: none).
//
// Where this text parts from the other one, others will: a third prompt with the same instructions goes on there. For the second one,
// places on the way are kept before anything is known of it, at 256 tokens before the end and at four times as many, 16 times and so on: so
// it computes at most some four times what differs, whether that is a question behind a long document or half of a chat.
std::vector<Milestone> milestones(int stored, int tokens, int common_blocks);

}  // namespace mlxr::kv
