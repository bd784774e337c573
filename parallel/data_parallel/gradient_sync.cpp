// SPDX-License-Identifier: Apache-2.0
#include "data_parallel/gradient_sync.hpp"

#include <algorithm>
#include <limits>
#include <vector>

#include "base/stopwatch.hpp"
#include "data_parallel/buckets.hpp"
#include "tensor/arena.hpp"
#include "tensor/ops.hpp"

namespace tessera::data_parallel {
namespace {

using base::Clock;
using base::seconds_since;
using base::Stopwatch;

/// Buckets in flight at most, each with two tags of its own. Then tags come round, and a bucket starts when the earlier
/// one of its tags is done: buckets end in any order, so of two in flight one could take the other's sums.
constexpr std::size_t kMostInFlight = 4096;

int exchange_tag(std::size_t bucket) {
  return static_cast<int>(2 * (bucket % kMostInFlight));
}
int gather_tag(std::size_t bucket) {
  return exchange_tag(bucket) + 1;
}

enum class Phase : std::uint8_t { idle, exchanging, gathering, done };

struct Bucket {
  Stretch stretch;
  Phase phase = Phase::idle;
  std::vector<comm::Request> messages;  // of the current phase
  std::vector<tensor::View> received;   // [ranks], each the size of my shard; my own entry is empty
};

}  // namespace

struct GradientSync::State {
  const comm::Communicator* group;
  tensor::Device* device;
  std::span<float> gradient;
  tensor::Arena arena;
  std::vector<Bucket> buckets;
  std::size_t num_started = 0;  // buckets start in order
  std::size_t num_done = 0;     // of the first buckets; later ones may be done too
  std::int64_t ready_from = std::numeric_limits<std::int64_t>::max();  // elements from here on are final
  double wait_seconds = 0, busy_seconds = 0;
  Clock::time_point first_start;

  std::span<float> part(const Stretch& stretch) const {
    return gradient.subspan(static_cast<std::size_t>(stretch.first), static_cast<std::size_t>(stretch.size));
  }
  Stretch my_shard(const Bucket& bucket) const { return shard(bucket.stretch, group->rank(), group->size()); }

  void carve(tensor::Arena& from) {
    for (Bucket& bucket : buckets) {
      bucket.received.assign(static_cast<std::size_t>(group->size()), {});
      for (int rank = 0; rank < group->size(); ++rank)
        if (rank != group->rank())
          bucket.received[static_cast<std::size_t>(rank)] = from.take(base::DType::f32, {my_shard(bucket).size});
    }
  }

  void start(std::size_t index);
  void sum(Bucket& bucket);
  void gather(Bucket& bucket, int tag);
  bool advance(std::size_t index);
  void start_ready();
  void progress();
};

/// Every rank sends each shard to its owner.
void GradientSync::State::start(std::size_t index) {
  Bucket& bucket = buckets[index];
  const int tag = exchange_tag(index);
  for (int rank = 0; rank < group->size(); ++rank) {
    if (rank == group->rank()) continue;
    const tensor::View& received = bucket.received[static_cast<std::size_t>(rank)];
    bucket.messages.push_back(group->ireceive(received.span<float>(), rank, tag));
    bucket.messages.push_back(
        group->isend(std::span<const float>(part(shard(bucket.stretch, rank, group->size()))), rank, tag));
  }
  bucket.phase = Phase::exchanging;
}

/// ((g0 + g1) + g2) + ...: the copies of my shard in rank order, my own in its place.
void GradientSync::State::sum(Bucket& bucket) {
  const std::span<float> mine = part(my_shard(bucket));
  if (mine.empty()) return;
  const tensor::View own(mine.data(), {static_cast<std::int64_t>(mine.size())});
  const auto copy_of = [&](int rank) {
    return rank == group->rank() ? own : bucket.received[static_cast<std::size_t>(rank)];
  };
  // The running sum lives in rank 0's copy until my own was added; own is overwritten only at the end.
  tensor::View total = copy_of(0);
  for (int rank = 1; rank < group->size(); ++rank) {
    const tensor::View target = group->rank() == 0 || rank >= group->rank() ? own : total;
    tensor::add(*device, total, copy_of(rank), target);
    total = target;
  }
}

/// The owner sends the sum to all.
void GradientSync::State::gather(Bucket& bucket, int tag) {
  for (int rank = 0; rank < group->size(); ++rank) {
    if (rank == group->rank()) continue;
    bucket.messages.push_back(group->ireceive(part(shard(bucket.stretch, rank, group->size())), rank, tag));
    bucket.messages.push_back(group->isend(std::span<const float>(part(my_shard(bucket))), rank, tag));
  }
  bucket.phase = Phase::gathering;
}

/// Takes the bucket as far as its messages allow; true if it is done.
bool GradientSync::State::advance(std::size_t index) {
  Bucket& bucket = buckets[index];
  while (bucket.phase == Phase::exchanging || bucket.phase == Phase::gathering) {
    for (comm::Request& message : bucket.messages)
      if (!group->test(message)) return false;
    bucket.messages.clear();
    if (bucket.phase == Phase::gathering) {
      bucket.phase = Phase::done;
    } else {
      sum(bucket);
      gather(bucket, gather_tag(index));
    }
  }
  return bucket.phase == Phase::done;
}

void GradientSync::State::start_ready() {
  while (num_started < buckets.size() && buckets[num_started].stretch.first >= ready_from &&
         num_started < num_done + kMostInFlight) {
    if (num_started == 0) first_start = Clock::now();
    start(num_started++);
  }
}

void GradientSync::State::progress() {
  for (std::size_t index = num_done; index < num_started; ++index) advance(index);
  while (num_done < num_started && buckets[num_done].phase == Phase::done) ++num_done;
  start_ready();
}

GradientSync::GradientSync(const comm::Communicator& group, tensor::Device& device, std::span<float> gradient,
                           std::int64_t bucket_bytes)
    : state_(std::make_unique<State>()) {
  state_->group = &group;
  state_->device = &device;
  state_->gradient = gradient;
  if (group.size() == 1) return;
  for (const Stretch& stretch : cut_buckets(static_cast<std::int64_t>(gradient.size()),
                                            bucket_bytes / static_cast<std::int64_t>(sizeof(float)))) {
    Bucket bucket;
    bucket.stretch = stretch;
    state_->buckets.push_back(std::move(bucket));
  }
  tensor::Arena measure;
  state_->carve(measure);
  state_->arena = tensor::Arena(measure.used_bytes());
  state_->carve(state_->arena);
}

GradientSync::~GradientSync() = default;

void GradientSync::ready(std::int64_t first) {
  state_->ready_from = first;
  state_->start_ready();
  state_->progress();
}

void GradientSync::progress() {
  state_->progress();
}

void GradientSync::finish() {
  if (state_->buckets.empty()) return;
  {
    const Stopwatch stopwatch(state_->wait_seconds);
    state_->ready_from = 0;
    for (state_->start_ready(); state_->num_done < state_->buckets.size(); state_->progress())
      for (comm::Request& message : state_->buckets[state_->num_done].messages)
        state_->group->wait(message, "gradient sum");
  }
  state_->busy_seconds += seconds_since(state_->first_start);
  for (Bucket& bucket : state_->buckets) bucket.phase = Phase::idle;
  state_->num_started = state_->num_done = 0;
  state_->ready_from = std::numeric_limits<std::int64_t>::max();
}

double GradientSync::wait_seconds() const {
  return state_->wait_seconds;
}
double GradientSync::busy_seconds() const {
  return state_->busy_seconds;
}

}  // namespace tessera::data_parallel
