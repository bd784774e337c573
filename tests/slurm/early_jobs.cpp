// SPDX-License-Identifier: Apache-2.0
#include "slurm/early_jobs.hpp"

#include <boost/test/tree/traverse.hpp>
#include <boost/test/tree/visitor.hpp>
#include <boost/test/unit_test.hpp>
#include <set>
#include <utility>
#include <vector>

namespace tessera::testing {
namespace {

namespace ut = boost::unit_test;

/// Registered by constructors before main(), as test cases are.
std::vector<EarlyJobs*>& all() {
  static std::vector<EarlyJobs*> jobs;
  return jobs;
}

/// The names of the test cases that this call of the program runs.
class EnabledCases : public ut::test_tree_visitor {
 public:
  EnabledCases() { ut::traverse_test_tree(ut::framework::master_test_suite().p_id, *this); }
  bool contains(const std::string& name) const { return names_.contains(name); }

 private:
  void visit(const ut::test_case& test_case) override { names_.insert(test_case.p_name.get()); }

  std::set<std::string> names_;
};

}  // namespace

EarlyJobs::EarlyJobs(std::string test_case, std::size_t num_jobs, std::function<void(Jobs&)> submit)
    : test_case_(std::move(test_case)), num_jobs_(num_jobs), submit_(std::move(submit)) {
  all().push_back(this);
}

void EarlyJobs::submit_all() {
  const EnabledCases enabled;
  for (EarlyJobs* early : all()) {
    if (!enabled.contains(early->test_case_)) continue;
    try {
      for (std::size_t i = 0; i < early->num_jobs_; ++i) early->jobs_.push_back(std::make_unique<JobFixture>());
      early->submit_(early->jobs_);
    } catch (...) {  // of this case alone
      early->error_ = std::current_exception();
    }
  }
}

void EarlyJobs::end_all() {
  for (EarlyJobs* early : all()) early->jobs_.clear();
}

Jobs EarlyJobs::take() {
  if (!cluster_or_skip()) return {};
  if (error_) std::rethrow_exception(error_);
  return std::move(jobs_);
}

}  // namespace tessera::testing
