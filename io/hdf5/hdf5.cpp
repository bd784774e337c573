// SPDX-License-Identifier: Apache-2.0
#include "hdf5/hdf5.hpp"

#include <algorithm>
#include <cstdlib>
#include <fmt/core.h>
#include <hdf5.h>
#include <utility>

#include "base/error.hpp"

namespace tessera::hdf5 {
namespace {

/// Why HDF5's last call failed: what the system said, if it is known, or the deepest reason.
std::string reason() {
  std::string text;
  const auto visit = [](unsigned, const H5E_error2_t* error, void* data) -> herr_t {
    auto& so_far = *static_cast<std::string*>(data);
    const std::string here = error->desc ? error->desc : "";
    if (so_far.empty() || here.find("errno = ") != std::string::npos) so_far = here;
    return 0;
  };
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, visit, &text);
  return text.empty() ? "no reason given" : text;
}

/// An identifier with the function that closes it.
class Handle {
 public:
  Handle(hid_t id, herr_t (*close)(hid_t)) : id_(id), close_(close) {}
  Handle(Handle&& other) noexcept : id_(std::exchange(other.id_, -1)), close_(other.close_) {}
  Handle& operator=(Handle&&) = delete;
  ~Handle() {
    if (id_ >= 0) close_(id_);
  }
  operator hid_t() const { return id_; }

 private:
  hid_t id_;
  herr_t (*close_)(hid_t);
};

hid_t file_type(Type type) {
  switch (type) {
    case Type::f32:
      return H5T_IEEE_F32LE;
    case Type::f64:
      return H5T_IEEE_F64LE;
    case Type::i32:
      return H5T_STD_I32LE;
    case Type::i64:
      return H5T_STD_I64LE;
    case Type::u8:
      return H5T_STD_U8LE;
    case Type::u16:
      return H5T_STD_U16LE;
    case Type::u32:
      return H5T_STD_U32LE;
    case Type::u64:
      return H5T_STD_U64LE;
  }
  return H5I_INVALID_HID;
}

constexpr Type kTypes[] = {Type::f32, Type::f64, Type::i32, Type::i64, Type::u8, Type::u16, Type::u32, Type::u64};

/// `id`, or an error naming file, object and HDF5's reason.
hid_t checked(hid_t id, const char* what, const std::string& file, const std::string& object) {
  if (id < 0) base::fail("HDF5: cannot {} '{}' of '{}': {}", what, object, file, reason());
  return id;
}

Handle file_access() {
  Handle access(checked(H5Pcreate(H5P_FILE_ACCESS), "prepare access to", "", ""), H5Pclose);
  H5Pset_libver_bounds(access, H5F_LIBVER_V110, H5F_LIBVER_V110);
  H5Pset_fclose_degree(access, H5F_CLOSE_STRONG);
  return access;
}

void silence() {
  H5dont_atexit();  // files are closed by their owners; HDF5 crashes there over one that a full disk kept from closing
  H5Eset_auto2(H5E_DEFAULT, nullptr,
               nullptr);  // reasons go into our own messages
  setenv("HDF5_USE_FILE_LOCKING", "FALSE",
         1);  // fails on many Lustre and NFS mounts
}

Handle open_dataset(hid_t file, const std::string& file_path, const std::string& path) {
  return {checked(H5Dopen2(file, path.c_str(), H5P_DEFAULT), "open dataset", file_path, path), H5Dclose};
}

Handle open_object(hid_t file, const std::string& file_path, const std::string& path) {
  return {checked(H5Oopen(file, path.c_str(), H5P_DEFAULT), "open", file_path, path), H5Oclose};
}

}  // namespace

std::size_t size_bytes(Type type) {
  switch (type) {
    case Type::u8:
      return 1;
    case Type::u16:
      return 2;
    case Type::f32:
    case Type::i32:
    case Type::u32:
      return 4;
    default:
      return 8;
  }
}

std::string library_version() {
  unsigned major = 0, minor = 0, release = 0;
  H5get_libversion(&major, &minor, &release);
  return fmt::format("HDF5 {}.{}.{}", major, minor, release);
}

File File::create(const std::string& path, std::uint64_t user_block_bytes, std::uint64_t metadata_bytes) {
  silence();
  const Handle access = file_access();
  H5Pset_meta_block_size(access, metadata_bytes);
  H5Pset_small_data_block_size(access, 0);  // small datasets lie back to back too
  const Handle creation(H5Pcreate(H5P_FILE_CREATE), H5Pclose);
  H5Pset_obj_track_times(creation, false);  // of the root group
  if (user_block_bytes > 0) H5Pset_userblock(creation, user_block_bytes);
  return {checked(H5Fcreate(path.c_str(), H5F_ACC_EXCL, creation, access), "create", path, "/"), path};
}

File File::open_read_only(const std::string& path) {
  silence();
  const Handle access = file_access();
  return {checked(H5Fopen(path.c_str(), H5F_ACC_RDONLY, access), "open", path, "/"), path};
}

File::File(File&& other) noexcept : id_(std::exchange(other.id_, -1)), path_(std::move(other.path_)) {}

File& File::operator=(File&& other) noexcept {
  std::swap(id_, other.id_);
  std::swap(path_, other.path_);
  return *this;
}

File::~File() {
  if (id_ >= 0) H5Fclose(id_);
}

void File::close() {
  if (H5Fclose(std::exchange(id_, -1)) < 0) base::fail("HDF5: cannot close '{}': {}", path_, reason());
}

void File::flush() {
  if (H5Fflush(id_, H5F_SCOPE_GLOBAL) < 0) base::fail("HDF5: cannot flush '{}': {}", path_, reason());
}

void File::create_group(const std::string& path) {
  const Handle creation(H5Pcreate(H5P_GROUP_CREATE), H5Pclose);
  H5Pset_obj_track_times(creation, false);
  for (std::size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {  // parents first
    const std::string prefix = path.substr(0, end);
    if (prefix.size() > 1 && !exists(prefix)) {
      const Handle group(
          checked(H5Gcreate2(id_, prefix.c_str(), H5P_DEFAULT, creation, H5P_DEFAULT), "create group", path_, prefix),
          H5Gclose);
    }
    if (end == std::string::npos) return;
  }
}

DatasetInfo File::create_dataset(const std::string& path, Type type, const std::vector<std::uint64_t>& shape) {
  const std::vector<hsize_t> extents(shape.begin(), shape.end());
  const Handle space(H5Screate_simple(static_cast<int>(extents.size()), extents.data(), nullptr), H5Sclose);
  if (const std::size_t slash = path.rfind('/'); slash != std::string::npos && slash > 0)
    create_group(path.substr(0, slash));
  const Handle creation(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
  H5Pset_obj_track_times(creation, false);  // equal contents make equal files
  H5Pset_layout(creation, H5D_CONTIGUOUS);
  H5Pset_alloc_time(creation, H5D_ALLOC_TIME_EARLY);
  H5Pset_fill_time(creation, H5D_FILL_TIME_NEVER);
  {
    const Handle dataset(
        checked(H5Dcreate2(id_, path.c_str(), file_type(type), space, H5P_DEFAULT, creation, H5P_DEFAULT),
                "create dataset", path_, path),
        H5Dclose);
  }
  return info(path);
}

void File::write(const std::string& path, const void* data, std::size_t size) {
  const DatasetInfo about = info(path);
  std::uint64_t elements = 1;
  for (const std::uint64_t extent : about.shape) elements *= extent;
  if (elements * size_bytes(about.type) != size)
    base::fail("HDF5: dataset '{}' of '{}' holds {} bytes, {} were given", path, path_,
               elements * size_bytes(about.type), size);
  const Handle dataset = open_dataset(id_, path_, path);
  if (elements > 0 && H5Dwrite(dataset, file_type(about.type), H5S_ALL, H5S_ALL, H5P_DEFAULT, data) < 0)
    base::fail("HDF5: cannot write dataset '{}' of '{}': {}", path, path_, reason());
}

void File::read(const std::string& path, void* data, std::size_t size) const {
  const DatasetInfo about = info(path);
  std::uint64_t elements = 1;
  for (const std::uint64_t extent : about.shape) elements *= extent;
  if (elements * size_bytes(about.type) != size)
    base::fail("HDF5: dataset '{}' of '{}' holds {} bytes, {} were expected", path, path_,
               elements * size_bytes(about.type), size);
  const Handle dataset = open_dataset(id_, path_, path);
  if (elements > 0 && H5Dread(dataset, file_type(about.type), H5S_ALL, H5S_ALL, H5P_DEFAULT, data) < 0)
    base::fail("HDF5: cannot read dataset '{}' of '{}': {}", path, path_, reason());
}

DatasetInfo File::info(const std::string& path) const {
  const Handle dataset = open_dataset(id_, path_, path);
  const Handle space(checked(H5Dget_space(dataset), "examine", path_, path), H5Sclose);
  const Handle type(checked(H5Dget_type(dataset), "examine", path_, path), H5Tclose);
  const Handle creation(checked(H5Dget_create_plist(dataset), "examine", path_, path), H5Pclose);
  DatasetInfo result;
  result.path = path;
  const auto* found = std::find_if(std::begin(kTypes), std::end(kTypes),
                                   [&](Type candidate) { return H5Tequal(type, file_type(candidate)) > 0; });
  if (found == std::end(kTypes))
    base::fail("dataset '{}' of '{}' has an element type that Tessera does not use", path, path_);
  result.type = *found;
  const int dims = H5Sget_simple_extent_ndims(space);
  std::vector<hsize_t> extents(static_cast<std::size_t>(std::max(dims, 0)));
  if (dims < 0 || H5Sget_simple_extent_dims(space, extents.data(), nullptr) < 0)
    base::fail("HDF5: cannot examine dataset '{}' of '{}': {}", path, path_, reason());
  result.shape.assign(extents.begin(), extents.end());
  result.contiguous = H5Pget_layout(creation) == H5D_CONTIGUOUS;
  const haddr_t offset = H5Dget_offset(dataset);
  if (offset != HADDR_UNDEF) result.file_offset = offset;  // HDF5 counts the user block in
  return result;
}

bool File::exists(const std::string& path) const {
  for (std::size_t slash = path.find('/', 1);;
       slash = path.find('/', slash + 1)) {  // every parent must exist to be asked
    const std::string part = path.substr(0, slash);
    if (part != "/" && H5Lexists(id_, part.c_str(), H5P_DEFAULT) <= 0) return false;
    if (slash == std::string::npos) return true;
  }
}

std::vector<std::string> File::datasets() const {
  std::vector<std::string> paths;
  const auto visit = [](hid_t, const char* name, const H5O_info_t* about, void* data) -> herr_t {
    if (about->type == H5O_TYPE_DATASET)
      static_cast<std::vector<std::string>*>(data)->push_back(std::string("/") + name);
    return 0;
  };
  if (H5Ovisit2(id_, H5_INDEX_NAME, H5_ITER_INC, visit, &paths, H5O_INFO_BASIC) < 0)
    base::fail("HDF5: cannot list '{}': {}", path_, reason());
  return paths;
}

namespace {

void put_attribute(hid_t file, const std::string& file_path, const std::string& path, const std::string& name,
                   hid_t type, hid_t memory_type, const void* value) {
  const Handle object = open_object(file, file_path, path);
  const auto open = [&]() -> Handle {
    if (H5Aexists(object, name.c_str()) > 0) {
      Handle old(checked(H5Aopen(object, name.c_str(), H5P_DEFAULT), "open attribute", file_path, name), H5Aclose);
      const Handle stored(checked(H5Aget_type(old), "examine attribute", file_path, name), H5Tclose);
      if (H5Tequal(stored, type) > 0) return old;
      H5Adelete(object, name.c_str());
    }
    const Handle space(H5Screate(H5S_SCALAR), H5Sclose);
    return {checked(H5Acreate2(object, name.c_str(), type, space, H5P_DEFAULT, H5P_DEFAULT), "create attribute",
                    file_path, name),
            H5Aclose};
  };
  const Handle attribute = open();
  if (H5Awrite(attribute, memory_type, value) < 0)
    base::fail("HDF5: cannot write attribute '{}' of '{}': {}", name, file_path, reason());
}

Handle string_type(std::size_t size) {
  Handle type(H5Tcopy(H5T_C_S1), H5Tclose);
  H5Tset_size(type, std::max<std::size_t>(size, 1));
  H5Tset_strpad(type, H5T_STR_NULLPAD);
  H5Tset_cset(type, H5T_CSET_UTF8);
  return type;
}

}  // namespace

void File::set_attribute(const std::string& path, const std::string& name, const std::string& value) {
  const Handle type = string_type(value.size());
  put_attribute(id_, path_, path, name, type, type, value.empty() ? "\0" : value.data());
}

void File::set_attribute(const std::string& path, const std::string& name, std::int64_t value) {
  put_attribute(id_, path_, path, name, H5T_STD_I64LE, H5T_NATIVE_INT64, &value);
}

std::string File::string_attribute(const std::string& path, const std::string& name) const {
  const Handle object = open_object(id_, path_, path);
  const Handle attribute(checked(H5Aopen(object, name.c_str(), H5P_DEFAULT), "open attribute", path_, name), H5Aclose);
  const Handle stored(checked(H5Aget_type(attribute), "examine attribute", path_, name), H5Tclose);
  if (H5Tget_class(stored) != H5T_STRING || H5Tis_variable_str(stored) > 0)
    base::fail("attribute '{}' of '{}' is not a text of fixed length", name, path_);
  const Handle type = string_type(H5Tget_size(stored));
  std::string value(H5Tget_size(stored), '\0');
  if (H5Aread(attribute, type, value.data()) < 0)
    base::fail("HDF5: cannot read attribute '{}' of '{}': {}", name, path_, reason());
  value.resize(std::min(value.size(), value.find('\0')));
  return value;
}

std::int64_t File::int_attribute(const std::string& path, const std::string& name) const {
  const Handle object = open_object(id_, path_, path);
  const Handle attribute(checked(H5Aopen(object, name.c_str(), H5P_DEFAULT), "open attribute", path_, name), H5Aclose);
  std::int64_t value = 0;
  if (H5Aread(attribute, H5T_NATIVE_INT64, &value) < 0)
    base::fail("HDF5: cannot read attribute '{}' of '{}': {}", name, path_, reason());
  return value;
}

bool File::has_attribute(const std::string& path, const std::string& name) const {
  const Handle object = open_object(id_, path_, path);
  return H5Aexists(object, name.c_str()) > 0;
}

void File::write_text(const std::string& path, const std::string& text) {
  create_dataset(path, Type::u8, {text.size()});
  write(path, text.data(), text.size());
}

std::string File::read_text(const std::string& path) const {
  const DatasetInfo about = info(path);
  if (about.type != Type::u8 || about.shape.size() != 1) base::fail("dataset '{}' of '{}' is not a text", path, path_);
  std::string text(about.shape[0], '\0');
  read(path, text.data(), text.size());
  return text;
}

}  // namespace tessera::hdf5
