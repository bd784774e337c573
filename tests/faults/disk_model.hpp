// SPDX-License-Identifier: Apache-2.0
// What a power cut leaves of a folder. The rules are the weakest that POSIX gives:
// - What was written to a file is safe once a flush of that file has returned, if the write had returned before it
//   began. So are the names in a folder, its new folders among them, after a flush of the folder.
// - Every rank counts as on a host of its own: a flush saves what the same rank wrote, as on network file systems that
//   keep pages at the writer.
// - What is not safe may be there or not: pages of 4 KiB one by one, changes of names in their order. A rename is there
//   whole or not at all.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "faults/operation.hpp"
#include "faults/plan.hpp"

namespace tessera::faults {

/// What becomes of that which was not flushed.
enum class Survival : std::uint8_t { none, all, half };
inline constexpr std::array<const char*, 3> survival_names = {"nothing", "all", "a random half"};

class DiskModel {
 public:
  /// `folder` is there and empty before the first operation. Failed operations are passed over.
  DiskModel(std::string folder, const std::vector<Operation>& operations);

  /// An instant lies before the first and behind each beginning and each end of an operation.
  std::size_t num_instants() const { return events_.size() + 1; }
  /// Moves on to the next instant. False at the last one.
  bool advance();
  /// The number of the last beginning or end before this instant, in the operations' common order; 0 at the first.
  std::uint64_t now() const { return now_; }

  /// Contents of all files at this instant, by path in the folder. `random` decides where half survives.
  std::map<std::string, std::string> files(Survival survival, Random& random) const;

 private:
  /// A write, or a change of the size: to `offset`, or to that at least if it allocates.
  struct Change {
    const Operation* operation = nullptr;
    Operation::Kind kind = Operation::Kind::write;
    bool safe = false;
  };
  /// Of a folder: a name that goes, one that comes; "" for none.
  struct NameChange {
    const Operation* operation = nullptr;
    std::string gone, come;
    std::size_t node = 0;
    bool safe = false;
  };
  struct Node {
    bool is_folder = false;
    std::vector<Change> changes;
    std::vector<NameChange> name_changes;
    std::map<std::string, std::size_t> names;  // at present
  };
  struct Event {
    std::uint64_t order = 0;
    const Operation* operation = nullptr;
    bool is_end = false;
  };

  void begin(const Operation& operation);
  void sync(const Operation& operation);
  void open(const Operation& operation);
  void change_names(const Operation& operation, const std::string& gone, const std::string& come, std::size_t node);
  /// The folder of a path and the name in it. Throws std::runtime_error if there is no such folder.
  std::pair<std::size_t, std::string> locate(const std::string& path) const;
  std::size_t node_of(const Operation& operation) const;
  std::string content(const Node& node, Survival survival, Random& random) const;
  std::map<std::string, std::size_t> surviving_names(const Node& node, Survival survival, Random& random) const;
  void collect(std::size_t folder, const std::string& prefix, Survival survival, Random& random,
               std::map<std::string, std::string>& files) const;

  std::string folder_;
  std::vector<Event> events_;
  std::size_t next_ = 0;
  std::uint64_t now_ = 0;
  std::vector<Node> nodes_;  // the first is the folder
  std::map<std::uint64_t, std::size_t> handles_;
};

}  // namespace tessera::faults
