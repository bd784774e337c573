// SPDX-License-Identifier: Apache-2.0
#include "slurm/early_job.hpp"

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
std::vector<EarlyJob*>& all() {
  static std::vector<EarlyJob*> jobs;
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

EarlyJob::EarlyJob(std::string test_case, std::function<void(JobFixture&)> submit)
    : test_case_(std::move(test_case)), submit_(std::move(submit)) {
  all().push_back(this);
}

void EarlyJob::submit_all() {
  const EnabledCases enabled;
  for (EarlyJob* early : all()) {
    if (!enabled.contains(early->test_case_)) continue;
    try {
      early->job_ = std::make_unique<JobFixture>();
      early->submit_(*early->job_);
    } catch (...) {  // of this case alone
      early->error_ = std::current_exception();
    }
  }
}

void EarlyJob::end_all() {
  for (EarlyJob* early : all()) early->job_.reset();
}

std::unique_ptr<JobFixture> EarlyJob::take() {
  if (!cluster_or_skip()) return nullptr;
  if (error_) std::rethrow_exception(error_);
  return std::move(job_);
}

}  // namespace tessera::testing
