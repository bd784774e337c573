// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "jobs/executor.hpp"
#include "scaling/layouts.hpp"
#include "scaling/question.hpp"

namespace tessera::scaling {

/// One thing that is measured: so many ranks, under one layout, on one batch.
struct Point {
  std::string name;  ///< of its folder: "4x1-batch32-data=2,tensor=2" is 4 ranks of 1 thread
  int ranks = 1, threads = 1;
  std::int64_t batch = 0;  ///< sequences a step, over all ranks
  Layout layout;
  std::string refused;  ///< why it cannot be run; "" if it can
};

/// The layouts that compete at a number of ranks; the fastest stands for it.
struct RankPoints {
  int ranks = 1;
  std::vector<std::size_t> points;  ///< numbers in Study::points
};

/// What a mode measures.
struct Series {
  Mode mode = Mode::strong;
  std::vector<RankPoints> ranks;  ///< rising; the first is what the others are compared with
  /// One rank with as many threads as the largest point uses cores of a node, which shares out no work between ranks:
  /// what those cores can do. No points where that is the single rank itself.
  RankPoints node;
  int node_threads = 1;
};

/// All points of a question, each once: strong and weak scaling have some in common.
struct Study {
  Question question;
  std::vector<Point> points;
  std::vector<Series> series;
};

/// Sequences a step of a mode on `ranks` ranks of the question's threads.
std::int64_t batch_of(const Question& question, Mode mode, int ranks);
/// Plans the points. Pure. Throws base::UsageError as check() does.
Study plan(const Question& question);
/// Words behind `tessera bench` that run a point, all keys named that differ from the question's configuration.
std::vector<std::string> bench_options(const Question& question, const Point& point);
/// How an executor runs it, `words` being the program and its options.
jobs::Launch launch_of(const Question& question, const Point& point, std::vector<std::string> words);

}  // namespace tessera::scaling
