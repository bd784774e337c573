// SPDX-License-Identifier: Apache-2.0
#include "data_parallel/gradient_sync.hpp"

#include <algorithm>
#include <deque>
#include <fmt/core.h>
#include <stdexcept>

#include "base/stopwatch.hpp"
#include "data_parallel/buckets.hpp"
#include "data_parallel/packing.hpp"
#include "data_parallel/phases.hpp"
#include "data_parallel/weight_gather.hpp"
#include "tensor/arena.hpp"

namespace tessera::data_parallel {
namespace {

using base::Clock;
using base::seconds_since;
using base::Stopwatch;
using tensor::Accumulate;
using tensor::View;

enum class Status : std::uint8_t { waiting, in_phases, reducing, done };

/// A bucket on its way. Jobs start in the order in which they became ready, which is the same on all ranks, and a job
/// starts when the one `slots` before it is done: a rank finds the oldest job that is not done everywhere started on
/// all others or able to start; and of those that are in it the one in the earliest phase waits for nothing that is not
/// on its way. So nobody waits for ever.
struct Job {
  std::size_t bucket = 0;
  Accumulate accumulate = Accumulate::no;
  Status status = Status::waiting;
  std::size_t slot = 0, phase = 0;
  std::vector<comm::Request> messages;  // of the current phase
};

/// Each slot has two tags. Jobs of one slot follow each other, on all ranks in the same order, and messages of one tag
/// between two ranks arrive in the order in which they were sent: so a rank that is a round ahead confuses nobody. Two
/// ranks share one phase of the sums and one of the gathers, however many levels there are.
int sum_tag(std::size_t slot) {
  return 2 * static_cast<int>(slot);
}
int gather_tag(std::size_t slot) {
  return sum_tag(slot) + 1;
}

std::span<std::byte> bytes_of(const View& view) {
  return {static_cast<std::byte*>(view.data()), view.size_bytes()};
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
  std::vector<Phase> phases;   // of gradients: sums and, with zero 0, gathers
  std::size_t num_sums = 0;    // the first of `phases`
  std::vector<Phase> gathers;  // of weights
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
  BucketMemory memory_of(const Job& job) const { return {*device, tensors, settings, bucket_of(job), slots[job.slot]}; }
  View accumulator_of(const Piece& piece) const;
  void take(const Job& job, const Piece& piece, const View& sum);
  void take_own(const Job& job);
  void post(Job& job);
  void sum(const Job& job);
  void sum_part(const Job& job, int part, const std::vector<View>& copies);
  void end_phase(Job& job);
  void reduce(Job& job);
  void take_reduced(Job& job);
  void start(Job& job);
  void advance(Job& job);
  void progress();
  void wait_for_first();
};

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

/// Begins the job's phase. In the first one contributions are packed, my own only to round them like the others.
void GradientSync::State::post(Job& job) {
  const BucketMemory memory = memory_of(job);
  const Phase& phase = phases[job.phase];
  const int tag = job.phase < num_sums ? sum_tag(job.slot) : gather_tag(job.slot);
  const std::vector<View> arriving = memory.arrivals(phase);
  for (std::size_t i = 0; i < arriving.size(); ++i)
    if (arriving[i].num_elements() > 0)
      job.messages.push_back(group->ireceive(bytes_of(arriving[i]), phase.receives[i].peer, tag));
  for (const Message& message : phase.sends) {
    if (bucket_of(job).part_size(message.part) == 0) continue;
    if (job.phase == 0) memory.pack(message.part);
    const std::span<const std::byte> bytes = bytes_of(memory.on_the_wire(message.part));
    job.messages.push_back(group->isend(bytes, message.peer, tag));
  }
  if (job.phase == 0 && settings.wire == Wire::bf16)
    for (const int part : phase.collected) memory.pack(part);
}

/// Adds the copies that arrived, and mine, of every part that I collect.
void GradientSync::State::sum(const Job& job) {
  const Phase& phase = phases[job.phase];
  const std::vector<View> arrived = memory_of(job).arrivals(phase);
  for (const int part : phase.collected) {
    std::vector<View> copies(phase.summands.size());
    for (std::size_t i = 0; i < arrived.size(); ++i) {
      if (phase.receives[i].part != part) continue;
      const auto place = std::find(phase.summands.begin(), phase.summands.end(), phase.receives[i].peer);
      copies[static_cast<std::size_t>(place - phase.summands.begin())] = arrived[i];
    }
    sum_part(job, part, copies);
  }
  if (settings.zero == 0 && settings.wire == Wire::fp32 && job.phase + 1 == num_sums)
    memory_of(job).pack(group->rank());
}

/// `copies`: in the order of the sum, mine left empty. The sum of a node goes where it is sent from; that of all ranks,
/// piece by piece, straight to where it belongs.
void GradientSync::State::sum_part(const Job& job, int part, const std::vector<View>& copies) {
  const bool rounded = settings.wire == Wire::bf16, last = job.phase + 1 == num_sums;
  const View wire = memory_of(job).on_the_wire(part);
  std::vector<View> summands(copies.size());
  std::int64_t offset = 0;
  for (const Piece& piece : bucket_of(job).part(part)) {
    const View gradient = stretch(tensors[piece.tensor].gradient, piece.first, piece.size);
    const View on_wire = wire.rows(offset, piece.size), mine = job.phase == 0 && !rounded ? gradient : on_wire;
    for (std::size_t i = 0; i < copies.size(); ++i)
      summands[i] = copies[i].empty() ? mine : copies[i].rows(offset, piece.size);
    View target = last && !(rounded && settings.zero == 0) ? gradient : on_wire;
    if (last && settings.zero == 2 && job.accumulate == Accumulate::no) target = accumulator_of(piece);
    tensor::sum_in_order(*device, summands, target);
    if (last && settings.zero == 0 && rounded) convert(*device, target, gradient);
    if (last && settings.zero == 2) take(job, piece, target);
    offset += piece.size;
  }
}

/// All messages of the job's phase have arrived.
void GradientSync::State::end_phase(Job& job) {
  if (job.phase < num_sums) sum(job);
  if (++job.phase < phases.size()) return post(job);
  job.status = Status::done;
  for (int rank = 0; rank < group->size() && settings.zero == 0; ++rank)
    if (rank != group->rank()) memory_of(job).unpack(rank);
}

/// MPI adds the whole bucket.
void GradientSync::State::reduce(Job& job) {
  const BucketMemory memory = memory_of(job);
  for (int rank = 0; rank < group->size(); ++rank) memory.pack(rank);
  const View first = memory.packed(0);
  job.messages.push_back(
      group->iall_reduce(std::span<float>(first.as<float>(), static_cast<std::size_t>(bucket_of(job).size()))));
  job.status = Status::reducing;
}

void GradientSync::State::take_reduced(Job& job) {
  job.status = Status::done;
  const int me = group->rank();
  const BucketMemory memory = memory_of(job);
  if (settings.zero == 0)
    for (int rank = 0; rank < group->size(); ++rank) memory.unpack(rank);
  if (settings.zero == 1) memory.unpack(me);
  if (settings.zero < 2) return;
  std::int64_t offset = 0;
  for (const Piece& piece : bucket_of(job).part(me)) {
    take(job, piece, memory.packed(me).rows(offset, piece.size));
    offset += piece.size;
  }
}

void GradientSync::State::start(Job& job) {
  if (!step_began) first_start = Clock::now();
  step_began = true;
  const bool omitted = settings.fault == base::Fault::gradient_bucket && job.bucket == 0;
  if (group->size() == 1 || omitted) {
    take_own(job);
    job.status = Status::done;
    busy[job.bucket] = false;
    return;
  }
  job.slot = next_slot;
  next_slot = (next_slot + 1) % slots.size();
  if (settings.mpi_reduce) return reduce(job);
  job.status = Status::in_phases;
  post(job);
}

/// Takes the job as far as its messages allow.
void GradientSync::State::advance(Job& job) {
  while (job.status != Status::done) {
    for (comm::Request& message : job.messages)
      if (!group->test(message)) return;
    job.messages.clear();
    if (job.status == Status::reducing)
      take_reduced(job);
    else
      end_phase(job);
    if (job.status == Status::done) busy[job.bucket] = false;
  }
}

void GradientSync::State::progress() {
  for (std::size_t i = 0; i < num_started; ++i) advance(jobs[i]);
  const std::size_t most = std::max<std::size_t>(1, slots.size());
  for (bool moved = true; moved;) {
    moved = false;
    for (; num_started > 0 && jobs.front().status == Status::done; --num_started) jobs.pop_front();
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
  if (settings.ranks_per_node == 0) s.settings.ranks_per_node = data_parallel::ranks_per_node(group);
  s.phases = sum_phases(group.size(), s.settings.ranks_per_node, group.rank());
  s.num_sums = s.phases.size();
  s.gathers = gather_phases(group.size(), s.settings.ranks_per_node, group.rank());
  if (settings.zero == 0) s.phases.insert(s.phases.end(), s.gathers.begin(), s.gathers.end());
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
    s.jobs.push_back({bucket, accumulate, Status::waiting, 0, 0, {}});
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
  data_parallel::gather_weights(*s.group, s.tensors, s.buckets, s.gathers, s.slots, gather_tag(0));
}

int GradientSync::ranks_per_node() const {
  return std::max(1, state_->settings.ranks_per_node);
}

double GradientSync::wait_seconds() const {
  return state_->wait_seconds;
}
double GradientSync::busy_seconds() const {
  return state_->busy_seconds;
}

}  // namespace tessera::data_parallel
