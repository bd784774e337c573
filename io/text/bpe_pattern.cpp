// SPDX-License-Identifier: Apache-2.0
// The only file that includes pcre2.h.
#include "text/bpe_pattern.hpp"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <limits>
#include <pcre2.h>
#include <string>

#include "base/error.hpp"
#include "text/ascii_pieces.hpp"
#include "text/utf8.hpp"

namespace tessera::text {

namespace {

// White space spelled out: the Unicode property White_Space, which is what \s means to the pattern's original engine
// (Python's regex module). PCRE2's own \s has U+180E besides; neither takes in U+FEFF or U+001C to U+001F.
#define TESSERA_SPACE \
  R"(\x{9}-\x{d}\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000})"

// 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+ of GPT-2's encoder (Radford et al. 2019).
// Possessive ++ where nothing can be given back: long runs then need no memory for backtracking.
constexpr const char* kPattern = R"('(?:s|t|re|ve|m|ll|d)| ?\p{L}++| ?\p{N}++| ?[^\p{L}\p{N})" TESSERA_SPACE
                                 R"(]++|[)" TESSERA_SPACE R"(]+(?![^)" TESSERA_SPACE R"(])|[)" TESSERA_SPACE R"(]++)";
#undef TESSERA_SPACE

std::string message_of(int error) {
  PCRE2_UCHAR buffer[256];
  pcre2_get_error_message(error, buffer, sizeof buffer);
  return reinterpret_cast<const char*>(buffer);
}

struct FreePcre2 {
  void operator()(pcre2_code* p) const { pcre2_code_free(p); }
  void operator()(pcre2_match_data* p) const { pcre2_match_data_free(p); }
  void operator()(pcre2_match_context* p) const { pcre2_match_context_free(p); }
  void operator()(pcre2_jit_stack* p) const { pcre2_jit_stack_free(p); }
};
template <class T>
using Handle = std::unique_ptr<T, FreePcre2>;

template <class T>
Handle<T> own(T* handle) {
  if (handle == nullptr) throw std::bad_alloc();
  return Handle<T>(handle);
}

}  // namespace

struct BpePattern::Compiled {
  Handle<pcre2_code> code;
};

BpePattern::BpePattern() : compiled_(std::make_unique<Compiled>()) {
  int error = 0;
  PCRE2_SIZE offset = 0;
  compiled_->code.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(kPattern), PCRE2_ZERO_TERMINATED,
                                      PCRE2_UTF | PCRE2_UCP | PCRE2_ANCHORED, &error, &offset, nullptr));
  if (!compiled_->code) {
    base::fail("PCRE2 refuses the BPE pattern at character {}: {}; it must be built with Unicode support", offset,
               message_of(error));
  }
  // Where no executable memory is to be had, pcre2_match interprets: slower, same matches.
  pcre2_jit_compile(compiled_->code.get(), PCRE2_JIT_COMPLETE);
}
BpePattern::~BpePattern() = default;

struct PieceWalk::Matcher {
  Handle<pcre2_match_data> match = own(pcre2_match_data_create(1, nullptr));
  Handle<pcre2_match_context> context = own(pcre2_match_context_create(nullptr));
  Handle<pcre2_jit_stack> jit_stack = own(pcre2_jit_stack_create(32 * 1024, 16 * 1024 * 1024, nullptr));

  Matcher() {
    pcre2_jit_stack_assign(context.get(), nullptr, jit_stack.get());
    // The default limits are for patterns that explode; this one is linear, and a run may be as long as the text.
    pcre2_set_match_limit(context.get(), std::numeric_limits<std::uint32_t>::max());
    pcre2_set_depth_limit(context.get(), std::numeric_limits<std::uint32_t>::max());
  }
};

PieceWalk::PieceWalk(const BpePattern& pattern) : pattern_(pattern) {}
PieceWalk::~PieceWalk() = default;

void PieceWalk::start(std::string_view text) {
  text_ = text;
  at_ = run_begin_ = run_end_ = 0;
}

std::string_view PieceWalk::take(std::size_t size) {
  const std::string_view piece = text_.substr(at_, size);
  at_ += size;
  return piece;
}

bool PieceWalk::next(std::string_view& piece) {
  if (at_ == text_.size()) return false;
  const std::size_t size = ascii_piece(text_, at_);
  if (size == 0) return next_by_pattern(piece);
  piece = take(size);
  return true;
}

bool PieceWalk::next_by_pattern(std::string_view& piece) {
  if (at_ == text_.size()) return false;
  if (at_ >= run_end_) {
    run_begin_ = at_;
    run_end_ = at_ + well_formed_length(text_, at_);
    if (run_end_ == at_) {  // no sequence starts here: one byte by itself
      piece = take(1);
      return true;
    }
  }
  if (!matcher_) matcher_ = std::make_unique<Matcher>();
  // The run is known to be UTF-8: checking it again for each piece would make the walk quadratic.
  const auto* run = reinterpret_cast<PCRE2_SPTR>(text_.data() + run_begin_);
  const int count = pcre2_match(pattern_.compiled_->code.get(), run, run_end_ - run_begin_, at_ - run_begin_,
                                PCRE2_NO_UTF_CHECK, matcher_->match.get(), matcher_->context.get());
  if (count < 0) base::fail("PCRE2 cannot split the text at byte {}: {}", at_, message_of(count));
  piece = take(run_begin_ + pcre2_get_ovector_pointer(matcher_->match.get())[1] - at_);
  return true;
}

}  // namespace tessera::text
