// SPDX-License-Identifier: Apache-2.0
#include "data_parallel/gradient_sync.hpp"

#include <algorithm>
#include <deque>
#include <fmt/core.h>
#include <stdexcept>

#include "base/stopwatch.hpp"
#include "data_parallel/buckets.hpp"
#include "data_parallel/packing.hpp"
#include "data_parallel/weight_gather.hpp"
#include "tensor/arena.hpp"

namespace tessera::data_parallel {
namespace {

using base::Clock;
using base::seconds_since;
using base::Stopwatch;
using tensor::Accumulate;
using tensor::View;

enum class Phase : std::uint8_t { waiting, exchanging, gathering, reducing, done };

/// A bucket on its way. Jobs start in the order in which they became ready, which is the same on all ranks, and a job
/// starts when the one `slots` before it is done: a rank finds the oldest job that is not done everywhere started on
/// all others or able to start, so nobody waits for ever.
struct Job {
  std::size_t bucket = 0;
  Accumulate accumulate = Accumulate::no;
  Phase phase = Phase::waiting;
  std::size_t slot = 0;
  std::vector<comm::Request> messages;  // of the current phase
};

/// Each slot has two tags. Jobs of one slot follow each other, on all ranks in the same order, and messages of one tag
/// between two ranks arrive in the order in which they were sent: so a rank that is a round ahead confuses nobody.
int exchange_tag(std::size_t slot) {
  return 2 * static_cast<int>(slot);
}
int gather_tag(std::size_t slot) {
  return exchange_tag(slot) + 1;
}

struct Group {
  std::vector<std::size_t> buckets;  // that hold some of its tensors
  bool has_tensors = false;
  bool made_ready = false;  // in this step
};

void require(bool holds, const char* rule) {
  if (!holds) throw std::logic_error(fmt::format("GradientSync: {}", rule));
}

void check(const std::vector<SyncTensor>& tensors, const comm::Communicator& group, const SyncSettings& settings) {
  require(settings.zero >= 0 && settings.zero <= 2, "zero is 0, 1 or 2");
  require(!settings.mpi_reduce || settings.wire == Wire::fp32, "MPI cannot add bf16: use Wire::fp32 with mpi_reduce");
  for (const SyncTensor& tensor : tensors) {
    const View &gradient = tensor.gradient, &accumulator = tensor.accumulator;
    require(gradient.shape().num_dims() > 0 && gradient.dtype() == base::DType::f32, "a gradient is [rows, ...] f32");
    require(tensor.group >= 0 && tensor.rotation >= 0, "groups and rotations count from 0");
    if (settings.zero > 0 && group.size() > 1)
      require(tensor.weight.shape() == gradient.shape(), "a weight has the shape of its gradient");
    const std::int64_t own = own_elements(tensor, group.size(), group.rank()).size;
    if (settings.zero == 2 && own > 0)
      require(!accumulator.empty() && accumulator.dtype() == base::DType::f32 && accumulator.num_elements() == own,
              "with zero 2 each tensor has an accumulator [own rows, ...] f32");
  }
}

}  // namespace

struct GradientSync::State {
  const comm::Communicator* group;
  tensor::Device* device;
  std::vector<SyncTensor> tensors;
  SyncSettings settings;
  tensor::Arena arena;
  std::vector<std::byte*> slots;
  std::vector<Bucket> buckets;
  std::vector<int> num_missing;  // [buckets] groups that are not ready yet
  std::vector<bool> busy;        // [buckets] in `jobs` and not done
  std::vector<Group> groups;     // by number
  std::deque<Job> jobs;          // ready and not done, in order; those done behind one that is not are here too
  std::size_t num_started = 0;   // the first of `jobs`
  std::size_t next_slot = 0;
  bool step_began = false;
  double wait_seconds = 0, busy_seconds = 0;
  Clock::time_point first_start;

  const Bucket& bucket_of(const Job& job) const { return buckets[job.bucket]; }
  /// The r-th rank from here, so that not all send to the same one first.
  int peer(int step) const { return (group->rank() + step) % group->size(); }

  View packed(const Job& job, int rank) const;
  View on_the_wire(const Job& job, int rank) const;
  View received(const Job& job, int rank) const;

  void pack(const Job& job, int rank) {
    if (!needs_no_packing(bucket_of(job).part(rank), settings))
      pack_gradients(*device, tensors, bucket_of(job).part(rank), packed(job, rank));
  }
  void unpack(const Job& job, int rank) {
    if (!needs_no_packing(bucket_of(job).part(rank), settings))
      unpack_gradients(*device, tensors, bucket_of(job).part(rank), packed(job, rank));
  }

  View accumulator_of(const Piece& piece) const;
  void take(const Job& job, const Piece& piece, const View& sum);
  void take_own(const Job& job);
  void exchange(Job& job);
  void sum(const Job& job);
  void gather(Job& job);
  void reduce(Job& job);
  void take_reduced(const Job& job);
  void start(Job& job);
  void advance(Job& job);
  void progress();
  void wait_for_first();
};

View GradientSync::State::packed(const Job& job, int rank) const {
  const Bucket& bucket = bucket_of(job);
  const base::DType type = wire_type(settings);
  const auto before = static_cast<std::size_t>(bucket.offset(rank)) * base::size_bytes(type);
  return {slots[job.slot] + before, type, {bucket.part_size(rank)}};
}

/// Where the part of `rank` is sent from (contributions to it) and received into (sums of it).
View GradientSync::State::on_the_wire(const Job& job, int rank) const {
  const std::vector<Piece>& part = bucket_of(job).part(rank);
  if (part.empty() || !needs_no_packing(part, settings)) return packed(job, rank);
  return stretch(tensors[part[0].tensor].gradient, part[0].first, part[0].size);
}

/// The copy of my part that `rank` sent.
View GradientSync::State::received(const Job& job, int rank) const {
  const Bucket& bucket = bucket_of(job);
  const View mine(nullptr, wire_type(settings), {bucket.part_size(group->rank())});
  const auto place = static_cast<std::size_t>(rank < group->rank() ? rank : rank - 1);
  return {slots[job.slot] + packed_bytes(bucket, settings) + place * mine.size_bytes(), mine.dtype(), mine.shape()};
}

View GradientSync::State::accumulator_of(const Piece& piece) const {
  const SyncTensor& tensor = tensors[piece.tensor];
  const std::int64_t first = own_elements(tensor, group->size(), group->rank()).first;
  return stretch(tensor.accumulator, piece.first - first, piece.size);
}

/// zero 2: accumulator = or += the sum of a piece of mine, unless it is there already.
void GradientSync::State::take(const Job& job, const Piece& piece, const View& sum) {
  const View accumulator = accumulator_of(piece);
  if (job.accumulate == Accumulate::yes)
    tensor::add(*device, accumulator, sum, accumulator);
  else if (accumulator.data() != sum.data())
    convert(*device, sum, accumulator);
}

/// Without an exchange, with one rank: my gradient is the sum.
void GradientSync::State::take_own(const Job& job) {
  if (settings.zero < 2) return;
  for (const Piece& piece : bucket_of(job).part(group->rank()))
    take(job, piece, stretch(tensors[piece.tensor].gradient, piece.first, piece.size));
}

/// Every rank sends each part to its owner.
void GradientSync::State::exchange(Job& job) {
  const Bucket& bucket = bucket_of(job);
  const int tag = exchange_tag(job.slot);
  if (bucket.part_size(group->rank()) > 0)
    for (int step = 1; step < group->size(); ++step) {
      const View view = received(job, peer(step));
      const std::span<std::byte> bytes(static_cast<std::byte*>(view.data()), view.size_bytes());
      job.messages.push_back(group->ireceive(bytes, peer(step), tag));
    }
  for (int step = 1; step < group->size(); ++step) {
    if (bucket.part_size(peer(step)) == 0) continue;
    pack(job, peer(step));
    const View view = on_the_wire(job, peer(step));
    const std::span<const std::byte> bytes(static_cast<const std::byte*>(view.data()), view.size_bytes());
    job.messages.push_back(group->isend(bytes, peer(step), tag));
  }
  if (settings.wire == Wire::bf16) pack(job, group->rank());  // my own contribution is rounded like the others
  job.phase = Phase::exchanging;
}

/// The copies of my part in rank order, my own in its place; piece by piece straight to where the sum belongs.
void GradientSync::State::sum(const Job& job) {
  const bool rounded = settings.wire == Wire::bf16;
  const int me = group->rank();
  std::vector<View> copies(static_cast<std::size_t>(group->size()));
  std::int64_t offset = 0;
  for (const Piece& piece : bucket_of(job).part(me)) {
    const View gradient = stretch(tensors[piece.tensor].gradient, piece.first, piece.size);
    const View mine = rounded ? packed(job, me).rows(offset, piece.size) : gradient;
    for (int rank = 0; rank < group->size(); ++rank)
      copies[static_cast<std::size_t>(rank)] = rank == me ? mine : received(job, rank).rows(offset, piece.size);
    View target = gradient;
    if (settings.zero == 0) target = mine;
    if (settings.zero == 2 && job.accumulate == Accumulate::no) target = accumulator_of(piece);
    tensor::sum_in_order(*device, copies, target);
    if (settings.zero == 0 && rounded) convert(*device, target, gradient);
    if (settings.zero == 2) take(job, piece, target);
    offset += piece.size;
  }
}

/// zero 0: the owner sends the sum to all.
void GradientSync::State::gather(Job& job) {
  const Bucket& bucket = bucket_of(job);
  const int tag = gather_tag(job.slot), me = group->rank();
  if (settings.wire == Wire::fp32) pack(job, me);  // with bf16 the rounded sums are there
  for (int step = 1; step < group->size(); ++step) {
    const View theirs = on_the_wire(job, peer(step)), mine = on_the_wire(job, me);
    const std::span<std::byte> theirs_bytes(static_cast<std::byte*>(theirs.data()), theirs.size_bytes());
    const std::span<const std::byte> my_bytes(static_cast<const std::byte*>(mine.data()), mine.size_bytes());
    if (bucket.part_size(peer(step)) > 0) job.messages.push_back(group->ireceive(theirs_bytes, peer(step), tag));
    if (bucket.part_size(me) > 0) job.messages.push_back(group->isend(my_bytes, peer(step), tag));
  }
  job.phase = Phase::gathering;
}

/// MPI adds the whole bucket.
void GradientSync::State::reduce(Job& job) {
  for (int rank = 0; rank < group->size(); ++rank) pack(job, rank);
  const View first = packed(job, 0);
  job.messages.push_back(
      group->iall_reduce(std::span<float>(first.as<float>(), static_cast<std::size_t>(bucket_of(job).size()))));
  job.phase = Phase::reducing;
}

void GradientSync::State::take_reduced(const Job& job) {
  const int me = group->rank();
  if (settings.zero == 0)
    for (int rank = 0; rank < group->size(); ++rank) unpack(job, rank);
  if (settings.zero == 1) unpack(job, me);
  if (settings.zero < 2) return;
  std::int64_t offset = 0;
  for (const Piece& piece : bucket_of(job).part(me)) {
    take(job, piece, packed(job, me).rows(offset, piece.size));
    offset += piece.size;
  }
}

void GradientSync::State::start(Job& job) {
  if (!step_began) first_start = Clock::now();
  step_began = true;
  const bool omitted = settings.fault == base::Fault::gradient_bucket && job.bucket == 0;
  if (group->size() == 1 || omitted) {
    take_own(job);
    job.phase = Phase::done;
    busy[job.bucket] = false;
    return;
  }
  job.slot = next_slot;
  next_slot = (next_slot + 1) % slots.size();
  if (settings.mpi_reduce)
    reduce(job);
  else
    exchange(job);
}

/// Takes the job as far as its messages allow.
void GradientSync::State::advance(Job& job) {
  while (job.phase != Phase::done) {
    for (comm::Request& message : job.messages)
      if (!group->test(message)) return;
    job.messages.clear();
    const Phase phase = job.phase;
    job.phase = Phase::done;
    if (phase == Phase::reducing) take_reduced(job);
    if (phase == Phase::exchanging) sum(job);
    if (phase == Phase::exchanging && settings.zero == 0) gather(job);
    if (phase == Phase::gathering)
      for (int step = 1; step < group->size(); ++step) unpack(job, peer(step));
    if (job.phase == Phase::done) busy[job.bucket] = false;
  }
}

void GradientSync::State::progress() {
  for (std::size_t i = 0; i < num_started; ++i) advance(jobs[i]);
  const std::size_t most = std::max<std::size_t>(1, slots.size());
  for (bool moved = true; moved;) {
    moved = false;
    for (; num_started > 0 && jobs.front().phase == Phase::done; --num_started) jobs.pop_front();
    for (; num_started < jobs.size() && num_started < most; ++num_started, moved = true) start(jobs[num_started]);
  }
}

void GradientSync::State::wait_for_first() {
  if (num_started > 0)
    for (comm::Request& message : jobs.front().messages) group->wait(message, "gradient sum");
  progress();
}

GradientSync::GradientSync(const comm::Communicator& group, tensor::Device& device, std::vector<SyncTensor> tensors,
                           const SyncSettings& settings)
    : state_(std::make_unique<State>()) {
  check(tensors, group, settings);
  State& s = *state_;
  s.group = &group;
  s.device = &device;
  s.tensors = std::move(tensors);
  s.settings = settings;
  for (const SyncTensor& tensor : s.tensors) {
    s.groups.resize(std::max(s.groups.size(), static_cast<std::size_t>(tensor.group) + 1));
    s.groups[static_cast<std::size_t>(tensor.group)].has_tensors = true;
  }
  if (group.size() == 1 && settings.zero < 2) return;
  s.buckets = cut_buckets(s.tensors, group.size(), settings);
  for (std::size_t i = 0; i < s.buckets.size(); ++i) {
    for (const int member : s.buckets[i].groups) s.groups[static_cast<std::size_t>(member)].buckets.push_back(i);
    s.num_missing.push_back(static_cast<int>(s.buckets[i].groups.size()));
  }
  s.busy.assign(s.buckets.size(), false);
  const SlotRoom room = slot_room(s.buckets, s.tensors, group.size(), settings);
  s.arena = tensor::Arena(room.count * room.slot_bytes);
  for (std::size_t i = 0; i < room.count; ++i) s.slots.push_back(s.arena.data() + i * room.slot_bytes);
}

GradientSync::~GradientSync() = default;

void GradientSync::ready(int group, Accumulate accumulate) {
  State& s = *state_;
  if (group < 0 || static_cast<std::size_t>(group) >= s.groups.size()) return;  // without tensors
  Group& members = s.groups[static_cast<std::size_t>(group)];
  require(s.settings.zero == 2 || !members.made_ready, "with zero 0 and 1 a group becomes ready once a step");
  members.made_ready = true;
  for (const std::size_t bucket : members.buckets) {
    require(!s.busy[bucket], "the group is still in flight: settle() it before its gradients are overwritten");
    if (--s.num_missing[bucket] > 0) continue;
    s.num_missing[bucket] = static_cast<int>(s.buckets[bucket].groups.size());
    s.busy[bucket] = true;
    s.jobs.push_back({bucket, accumulate, Phase::waiting, 0, {}});
  }
  s.progress();
}

void GradientSync::settle(int group) {
  State& s = *state_;
  if (group < 0 || static_cast<std::size_t>(group) >= s.groups.size()) return;
  const auto& buckets = s.groups[static_cast<std::size_t>(group)].buckets;
  const auto is_busy = [&](std::size_t bucket) { return s.busy[bucket]; };
  const Stopwatch stopwatch(s.wait_seconds);
  while (std::any_of(buckets.begin(), buckets.end(), is_busy)) s.wait_for_first();
}

void GradientSync::progress() {
  state_->progress();
}

void GradientSync::finish() {
  State& s = *state_;
  for (Group& group : s.groups) {
    require(group.made_ready || !group.has_tensors, "a group was not made ready before finish()");
    group.made_ready = false;
  }
  {
    const Stopwatch stopwatch(s.wait_seconds);
    while (!s.jobs.empty()) s.wait_for_first();
  }
  if (s.step_began) s.busy_seconds += seconds_since(s.first_start);
  s.step_began = false;
}

void GradientSync::gather_weights() {
  State& s = *state_;
  if (s.settings.zero == 0 || s.slots.empty()) return;
  require(s.jobs.empty(), "finish() comes before gather_weights()");
  const Stopwatch waiting(s.wait_seconds), communicating(s.busy_seconds);
  data_parallel::gather_weights(*s.group, s.tensors, s.buckets, s.slots, gather_tag(0));
}

double GradientSync::wait_seconds() const {
  return state_->wait_seconds;
}
double GradientSync::busy_seconds() const {
  return state_->busy_seconds;
}

}  // namespace tessera::data_parallel
