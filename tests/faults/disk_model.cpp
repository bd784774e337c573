// SPDX-License-Identifier: Apache-2.0
#include "faults/disk_model.hpp"

#include <algorithm>
#include <fcntl.h>
#include <stdexcept>

namespace tessera::faults {
namespace {

using Kind = Operation::Kind;

constexpr std::size_t kPageBytes = 4096;

void put(std::string& content, std::size_t offset, const std::string& data, std::size_t from, std::size_t count) {
  content.resize(std::max(content.size(), offset + from + count));
  data.copy(content.data() + offset + from, count, from);
}

}  // namespace

DiskModel::DiskModel(std::string folder, const std::vector<Operation>& operations) : folder_(std::move(folder)) {
  nodes_.push_back({true, {}, {}, {}});
  for (const Operation& operation : operations) {
    if (operation.result < 0) continue;
    events_.push_back({operation.begin, &operation, false});
    events_.push_back({operation.end, &operation, true});
  }
  std::sort(events_.begin(), events_.end(), [](const Event& a, const Event& b) { return a.order < b.order; });
}

bool DiskModel::advance() {
  if (next_ == events_.size()) return false;
  const Event& event = events_[next_++];
  now_ = event.order;
  if (!event.is_end)
    begin(*event.operation);
  else if (event.operation->kind == Kind::sync)
    sync(*event.operation);
  return true;
}

/// What an operation does may be on the disk as soon as it begins.
void DiskModel::begin(const Operation& operation) {
  switch (operation.kind) {
    case Kind::open:
      open(operation);
      break;
    case Kind::write:
    case Kind::truncate:
    case Kind::allocate:
      nodes_[node_of(operation)].changes.push_back({&operation, operation.kind, false});
      break;
    case Kind::make_folder:
      nodes_.push_back({true, {}, {}, {}});
      change_names(operation, "", operation.path, nodes_.size() - 1);
      break;
    case Kind::rename: {
      const auto [folder, name] = locate(operation.path);
      change_names(operation, operation.path, operation.target, nodes_[folder].names.at(name));
      break;
    }
    case Kind::unlink:
      change_names(operation, operation.path, "", 0);
      break;
    case Kind::sync:
    case Kind::close:
      break;
  }
}

void DiskModel::sync(const Operation& operation) {
  Node& node = nodes_[node_of(operation)];
  const auto save = [&](auto& change) {
    if (change.operation->rank == operation.rank && change.operation->end < operation.begin) change.safe = true;
  };
  std::for_each(node.changes.begin(), node.changes.end(), save);
  std::for_each(node.name_changes.begin(), node.name_changes.end(), save);
}

void DiskModel::open(const Operation& operation) {
  std::size_t node = 0;
  if (operation.path != folder_) {
    const auto [folder, name] = locate(operation.path);
    const auto at = nodes_[folder].names.find(name);
    if (at != nodes_[folder].names.end()) {
      node = at->second;
    } else if ((operation.flags & O_CREAT) != 0) {
      node = nodes_.size();
      nodes_.emplace_back();
      change_names(operation, "", operation.path, node);
    } else {
      throw std::runtime_error("the log opens '" + operation.path + "', which nobody made");
    }
    if ((operation.flags & O_TRUNC) != 0) nodes_[node].changes.push_back({&operation, Kind::truncate, false});
  }
  handles_[operation.begin] = node;
}

void DiskModel::change_names(const Operation& operation, const std::string& gone, const std::string& come,
                             std::size_t node) {
  const auto [folder, name] = locate(gone.empty() ? come : gone);
  NameChange change{&operation, gone.empty() ? "" : name, "", node, false};
  if (!gone.empty()) nodes_[folder].names.erase(name);
  if (!come.empty()) {
    const auto [into, new_name] = locate(come);
    if (into != folder) throw std::runtime_error("'" + gone + "' moves to another folder, which is not modelled");
    change.come = new_name;
    nodes_[folder].names[new_name] = node;
  }
  nodes_[folder].name_changes.push_back(change);
}

std::pair<std::size_t, std::string> DiskModel::locate(const std::string& path) const {
  std::size_t folder = 0, at = folder_.size() + 1;
  for (std::size_t slash; (slash = path.find('/', at)) != std::string::npos; at = slash + 1) {
    const auto next = nodes_[folder].names.find(path.substr(at, slash - at));
    if (next == nodes_[folder].names.end()) throw std::runtime_error("the log names '" + path + "' in no folder");
    folder = next->second;
  }
  return {folder, path.substr(at)};
}

std::size_t DiskModel::node_of(const Operation& operation) const {
  if (operation.handle != 0) return handles_.at(operation.handle);
  const auto [folder, name] = locate(operation.path);
  return nodes_[folder].names.at(name);
}

std::map<std::string, std::string> DiskModel::files(Survival survival, Random& random) const {
  std::map<std::string, std::string> files;
  collect(0, "", survival, random, files);
  return files;
}

void DiskModel::collect(std::size_t folder, const std::string& prefix, Survival survival, Random& random,
                        std::map<std::string, std::string>& files) const {
  for (const auto& [name, node] : surviving_names(nodes_[folder], survival, random)) {
    if (nodes_[node].is_folder)
      collect(node, prefix + name + "/", survival, random, files);
    else
      files[prefix + name] = content(nodes_[node], survival, random);
  }
}

std::map<std::string, std::size_t> DiskModel::surviving_names(const Node& node, Survival survival,
                                                              Random& random) const {
  if (survival == Survival::all) return node.names;
  const auto is_unsafe = [](const NameChange& change) { return !change.safe; };
  const auto num_unsafe = std::count_if(node.name_changes.begin(), node.name_changes.end(), is_unsafe);
  std::uint64_t survivors = survival == Survival::none ? 0 : draw(random, static_cast<std::uint64_t>(num_unsafe) + 1);
  std::map<std::string, std::size_t> names;
  for (const NameChange& change : node.name_changes) {
    if (!change.safe && survivors == 0) continue;
    if (!change.safe) --survivors;
    if (!change.gone.empty()) names.erase(change.gone);
    if (!change.come.empty()) names[change.come] = change.node;
  }
  return names;
}

std::string DiskModel::content(const Node& node, Survival survival, Random& random) const {
  std::string content;
  const auto survives = [&](const Change& change) {
    return change.safe || survival == Survival::all || (survival == Survival::half && draw(random, 2) == 0);
  };
  for (const Change& change : node.changes) {
    const auto offset = static_cast<std::size_t>(change.operation->offset);
    const std::string& data = change.operation->data;
    if (change.kind == Kind::truncate && survives(change)) content.resize(offset);
    if (change.kind == Kind::allocate && survives(change)) content.resize(std::max(content.size(), offset));
    if (change.kind != Kind::write) continue;
    for (std::size_t from = 0; from < data.size();) {
      const std::size_t to = std::min(data.size(), from + kPageBytes - (offset + from) % kPageBytes);
      if (survives(change)) put(content, offset, data, from, to - from);
      from = to;
    }
  }
  return content;
}

}  // namespace tessera::faults
