// SPDX-License-Identifier: Apache-2.0
// Checkpoints to folders of Hugging Face and back.
#include <algorithm>

#include "base/posix_file.hpp"
#include "convert/export.hpp"
#include "convert/import.hpp"
#include "fixture.hpp"
#include "json/json.hpp"
#include "safetensors/file_set.hpp"
#include "safetensors/writer.hpp"

namespace tessera::convert {
namespace {

using Names = std::vector<std::string>;

const auto kBytes = text::bytes_tokenizer();

/// A GPT-2 without config.json, tensor by tensor to be spoilt.
class Tensors {
 public:
  explicit Tensors(bool tied = true) {
    for (const Gpt2Tensor& tensor : gpt2_layout(small_model(tied))) shapes_[full_name(tensor.name)] = tensor.shape;
  }
  Tensors& set(const std::string& name, const std::vector<std::uint64_t>& shape) {
    shapes_[name] = shape;
    return *this;
  }
  Tensors& drop(const std::string& name) {
    BOOST_REQUIRE(shapes_.erase(name) == 1u);
    return *this;
  }
  std::string write(const Folder& folder, const std::string& name) const {
    std::vector<safetensors::TensorSpec> specs;
    for (const auto& [tensor, shape] : shapes_) specs.push_back({tensor, shape});
    safetensors::OutputFolder output(folder / name);
    safetensors::Writer writer(output, specs, 1'000'000);
    for (const safetensors::TensorSpec& spec : specs) {
      std::vector<float> values(spec.num_elements());
      for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
      writer.append(spec.name, values);
    }
    writer.finish();
    output.publish();
    return folder / name;
  }

 private:
  std::map<std::string, std::vector<std::uint64_t>> shapes_;
};

const Claim kHeads{"model.heads", "3", "--model.heads"};

ImportReport import_tensors(const Folder& folder, const Tensors& tensors, const std::vector<Claim>& claims = {kHeads}) {
  fs::remove_all(folder.path / "model");
  return import_gpt2({tensors.write(folder, "model"), folder / "in.h5", claims, "test"}, *kBytes);
}

void refused(const Folder& folder, const Tensors& tensors, const std::vector<std::string>& parts,
             const std::vector<Claim>& claims = {kHeads}) {
  BOOST_CHECK_EXCEPTION(import_tensors(folder, tensors, claims), base::UsageError, says(parts));
  BOOST_TEST(!fs::exists(folder.path / "in.h5"));
  BOOST_TEST(!fs::exists(folder.path / "in.h5.tmp"));
}

std::vector<float> read_parameter(const std::string& path, const std::string& name) {
  const checkpoint::FileReader reader(path);
  const checkpoint::FileReader::Tensor& tensor = *reader.find("/model/" + name);
  std::vector<float> values(static_cast<std::size_t>(tensor.num_elements()));
  reader.read(tensor, 0, values);
  return values;
}

Names names_in(const fs::path& path) {
  Names names;
  for (const auto& entry : fs::directory_iterator(path)) names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

BOOST_FIXTURE_TEST_CASE(a_checkpoint_comes_back_bit_for_bit, Folder) {
  for (const bool tied : {true, false})
    for (const std::uint64_t max_shard_bytes : {std::uint64_t{1} << 40, std::uint64_t{3000}}) {
      const std::string before = write_checkpoint(*this / "before.h5", small_model(tied), *kBytes);
      const ExportReport out = export_gpt2({before, *this / "out", max_shard_bytes});
      BOOST_TEST(out.step == 7);
      BOOST_TEST(out.own_tokenizer_file);
      BOOST_TEST((names_in(path / "out").size() > 3u) == (max_shard_bytes == 3000));
      const ImportReport in = import_gpt2({*this / "out", *this / "after.h5", {}, "test"}, *kBytes);
      BOOST_TEST(in.assumptions.empty());
      BOOST_TEST(in.digest == out.digest);
      BOOST_TEST(config::describe(in.model) == config::describe(small_model(tied)));
      BOOST_TEST(in.num_parameters == static_cast<std::uint64_t>(model::num_parameters(small_model(tied))));
      const checkpoint::FileReader reader(*this / "after.h5");
      BOOST_TEST(reader.state().step == 0);
      BOOST_TEST(!reader.has_optimizer());
      for (const model::ParameterSpec& spec : model::parameter_specs(small_model(tied)))
        BOOST_TEST(read_parameter(*this / "after.h5", spec.name) == values_of(spec), boost::test_tools::per_element());
      for (const BufferUse& buffers : {out.buffers, in.buffers})
        BOOST_TEST(buffers.peak_bytes < 2 * buffers.largest_tensor_bytes);
      for (const char* name : {"out", "after.h5"}) fs::remove_all(path / name);
      fs::remove(path / "before.h5");
    }
}

BOOST_FIXTURE_TEST_CASE(bpe_tokenizers_go_in_files_of_hugging_face, Folder) {
  const auto bpe = text::train_bpe({"the king and the other king"}, 262);
  const std::string checkpoint = write_checkpoint(*this / "c.h5", small_model(), *bpe);
  const ExportReport report = export_gpt2({checkpoint, *this / "out"});
  BOOST_TEST(!report.own_tokenizer_file);
  BOOST_TEST(report.files == (Names{"vocab.json", "merges.txt", "tokenizer_config.json", "tokenizer.json",
                                    "config.json", "model.safetensors"}),
             boost::test_tools::per_element());
  BOOST_TEST(text::load_tokenizer(*this / "out")->fingerprint() == bpe->fingerprint());
  const json::Json config = json::parse(read_bytes(*this / "out/config.json"), "config.json");
  BOOST_TEST(config.at("eos_token_id").as_int() == bpe->end_token());
}

BOOST_FIXTURE_TEST_CASE(damage_and_full_folders_leave_no_export, Folder) {
  const std::string checkpoint = write_checkpoint(*this / "c.h5", small_model(), *kBytes);
  write("taken", "");
  BOOST_CHECK_EXCEPTION(export_gpt2({checkpoint, path.string()}), base::UsageError, says({"is not empty"}));
  const checkpoint::FileReader reader(checkpoint);
  const std::uint64_t at = reader.find("/model/blocks.1.attention.value.weight")->offset + 3;
  base::PosixFile::open_write(checkpoint).write_at(at, "\x7F", 1);
  BOOST_CHECK_EXCEPTION(export_gpt2({checkpoint, *this / "out"}), checkpoint::DamagedError,
                        says({"c.h5", "/model/blocks.1.attention.value.weight has a wrong checksum"}));
  BOOST_TEST(!fs::exists(path / "out"));
}

BOOST_FIXTURE_TEST_CASE(names_may_lack_the_prefix_and_masks_are_passed_over, Folder) {
  Tensors tensors;
  tensors.set("transformer.h.0.attn.bias", {1, 1, 5, 5}).set("h.1.attn.masked_bias", {});
  tensors.drop("transformer.wte.weight").set("wte.weight", {300, 6});
  const ImportReport report = import_tensors(*this, tensors);
  BOOST_TEST(report.model.layers == 2);
  BOOST_TEST(report.model.hidden == 6);
  BOOST_TEST(report.model.context == 5);
  BOOST_TEST(report.model.vocab == 300);
  BOOST_TEST(report.model.tied_head);
  BOOST_TEST(report.assumptions.size() == 1u);  // the activation
  fs::remove(path / "in.h5");
  refused(*this, Tensors().set("wte.weight", {300, 6}),
          {"\"transformer.wte.weight\" and \"wte.weight\"", "one and the same"});
}

BOOST_FIXTURE_TEST_CASE(everything_that_does_not_fit_is_in_one_message, Folder) {
  Tensors tensors;
  tensors.drop("transformer.h.0.ln_1.weight").drop("transformer.ln_f.bias");
  tensors.set("transformer.h.1.mlp.c_fc.weight", {24, 6}).set("transformer.h.1.extra", {1}).set("classifier", {2});
  refused(*this, tensors,
          {"\"transformer.h.0.ln_1.weight\" is missing", "\"transformer.ln_f.bias\" is missing",
           "\"transformer.h.1.mlp.c_fc.weight\" has the shape [24, 6] instead of [6, 24]",
           "\"transformer.h.1.extra\" has no place", "\"classifier\" has no place"});
  refused(*this, Tensors().set("transformer.h.01.ln_1.weight", {6}), {"\"transformer.h.01.ln_1.weight\" has no place"});
  refused(*this, Tensors().set("transformer.h.7.ln_1.weight", {6}), {"block h.7, but none of h.2"});
  refused(*this, Tensors().drop("transformer.wpe.weight"), {"wpe.weight is missing"});
  refused(*this, Tensors().set("transformer.wte.weight", {300}), {"wte.weight has 1 dimensions"});
}

BOOST_FIXTURE_TEST_CASE(what_nothing_says_is_asked_for, Folder) {
  refused(*this, Tensors(), {"--model.heads", "config.json"}, {});
  refused(*this, Tensors(), {"model.heads = 4 must divide model.hidden = 6"}, {{"model.heads", "4", "--model.heads"}});
  refused(*this, Tensors(), {"model.layers = 3 (--model.layers), but 2 (blocks"},
          {kHeads, {"model.layers", "3", "--model.layers"}});
}

BOOST_FIXTURE_TEST_CASE(a_head_is_tied_if_the_files_say_so, Folder) {
  BOOST_TEST(!import_tensors(*this, Tensors(false)).model.tied_head);
  fs::remove(path / "in.h5");
  const std::vector<Claim> tied = {kHeads, {"model.tied_head", "true", "test"}},
                           untied = {kHeads, {"model.tied_head", "false", "test"}};
  // These tensors hold the number of each element, so head and embedding are the same.
  BOOST_TEST(import_tensors(*this, Tensors(false), tied).model.tied_head);
  fs::remove(path / "in.h5");
  refused(*this, Tensors(), {"\"lm_head.weight\" is missing"}, untied);
  refused(*this, Tensors(false).set("lm_head.weight", {2, 6}), {"\"lm_head.weight\" has the shape [2, 6]"}, tied);
  fs::remove_all(path / "model");
  const std::string model = Tensors(false).write(*this, "model"), file = model + "/model.safetensors";
  const safetensors::FileSet files(model);
  base::PosixFile::open_write(file).write_at(files.find("lm_head.weight")->offset + 4 * (6 * 123 + 5), "\x7F", 1);
  BOOST_CHECK_EXCEPTION(import_gpt2({model, *this / "in.h5", tied, "test"}, *kBytes), base::UsageError,
                        says({"lm_head.weight differs from wte.weight in row 123", "tie_word_embeddings = false"}));
}

BOOST_FIXTURE_TEST_CASE(tokenizers_may_have_fewer_tokens_than_the_model_but_not_more, Folder) {
  const std::string model = Tensors().write(*this, "model");
  std::string sample;
  for (int i = 0; i < 300; ++i) {
    const int code = 0x100 + i;
    sample += {static_cast<char>(0xC0 | (code >> 6)), static_cast<char>(0x80 | (code & 63))};
  }
  BOOST_CHECK_EXCEPTION(import_gpt2({model, *this / "in.h5", {kHeads}, "test"}, *text::characters_tokenizer(sample)),
                        base::UsageError, says({"301 tokens", "knows 300", "--tokenizer"}));
}

BOOST_FIXTURE_TEST_CASE(outputs_that_would_mislead_are_refused, Folder) {
  const std::string model = Tensors().write(*this, "model");
  write("there.h5", "kept");
  BOOST_CHECK_EXCEPTION(import_gpt2({model, *this / "there.h5", {kHeads}, "test"}, *kBytes), base::UsageError,
                        says({"there.h5", "exists"}));
  BOOST_TEST(read_bytes(*this / "there.h5") == "kept");
  BOOST_CHECK_EXCEPTION(import_gpt2({model, *this / "step-00000008.h5", {kHeads}, "test"}, *kBytes), base::UsageError,
                        says({"step 8", "of step 0"}));
}

BOOST_FIXTURE_TEST_CASE(a_config_that_cannot_be_read_is_named, Folder) {
  const std::string model = Tensors().write(*this, "model");
  const auto with_config = [&](const std::string& text, const std::vector<std::string>& parts) {
    std::ofstream(model + "/config.json") << text;
    BOOST_CHECK_EXCEPTION(import_gpt2({model, *this / "in.h5", {}, "test"}, *kBytes), base::UsageError, says(parts));
  };
  with_config("{", {"config.json", "line 1, column 2"});
  with_config(gpt2_config(small_model(), 1).set("n_layer", 4).dump(),
              {"model.layers = 4 (n_layer of '", "config.json'), but 2 (blocks h.N in the files)"});
  with_config(std::string(2 << 20, ' '), {"config.json", "2097152 bytes"});
}

}  // namespace tessera::convert
