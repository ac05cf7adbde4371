# ONNX Runtime's headers and library, as the target OnnxRuntime::OnnxRuntime.
#
# It is looked for in this order:
#   1. ONNXRUNTIME_ROOT: an unpacked release archive, or a folder of any layout below it: include/, include/onnxruntime/,
#      lib/, or capi/ of the package for Python. ONNXRUNTIME_INCLUDE_DIR and ONNXRUNTIME_LIBRARY name either half alone:
#      a library runs programs that were compiled with headers of its own version or older.
#   2. onnxruntimeConfig.cmake (CMAKE_PREFIX_PATH, onnxruntime_DIR)
#   3. pkg-config's libonnxruntime
#   4. the system's folders
#
# Sets OnnxRuntime_FOUND, and OnnxRuntime_VERSION to that of the headers.

set(folders_of_headers include include/onnxruntime include/onnxruntime/core/session)
set(folders_of_libraries lib lib64 capi onnxruntime/capi)

# The half that was not named is looked for where the other may be.
set(roots ${ONNXRUNTIME_ROOT} $ENV{ONNXRUNTIME_ROOT})
if(roots)
  find_path(ONNXRUNTIME_INCLUDE_DIR onnxruntime_cxx_api.h PATHS ${roots} PATH_SUFFIXES ${folders_of_headers} NO_DEFAULT_PATH)
  if(NOT ONNXRUNTIME_LIBRARY)
    # the package for Python has no file without a version
    foreach(root IN LISTS roots)
      foreach(folder IN LISTS folders_of_libraries)
        file(GLOB found ${root}/${folder}/libonnxruntime.so ${root}/${folder}/libonnxruntime.so.*)
        list(APPEND libraries ${found})
      endforeach()
    endforeach()
    if(libraries)
      list(GET libraries 0 library)
      set(ONNXRUNTIME_LIBRARY ${library} CACHE FILEPATH "ONNX Runtime's library" FORCE)
    endif()
  endif()
endif()

# What was named must be there: a build that finds another one, or none, would be found out much later.
if(ONNXRUNTIME_ROOT AND NOT (ONNXRUNTIME_INCLUDE_DIR AND ONNXRUNTIME_LIBRARY))
  message(FATAL_ERROR "ONNXRUNTIME_ROOT is ${ONNXRUNTIME_ROOT}, which does not have ONNX Runtime's headers and library; "
    "expected the folder of an unpacked release. ONNXRUNTIME_INCLUDE_DIR and ONNXRUNTIME_LIBRARY name either half alone.")
endif()

if(NOT ONNXRUNTIME_LIBRARY)
  find_package(onnxruntime CONFIG QUIET)
  find_package(PkgConfig QUIET)
  if(TARGET onnxruntime::onnxruntime)
    get_target_property(folders onnxruntime::onnxruntime INTERFACE_INCLUDE_DIRECTORIES)
  elseif(PkgConfig_FOUND)
    pkg_check_modules(ONNXRUNTIME_PC QUIET libonnxruntime)
  endif()
endif()

find_path(ONNXRUNTIME_INCLUDE_DIR onnxruntime_cxx_api.h
  HINTS ${folders} ${ONNXRUNTIME_PC_INCLUDE_DIRS} PATH_SUFFIXES onnxruntime onnxruntime/core/session)
if(TARGET onnxruntime::onnxruntime)
  get_target_property(ONNXRUNTIME_LIBRARY onnxruntime::onnxruntime LOCATION)
else()
  find_library(ONNXRUNTIME_LIBRARY onnxruntime HINTS ${ONNXRUNTIME_PC_LIBRARY_DIRS})
endif()

if(ONNXRUNTIME_INCLUDE_DIR)
  file(STRINGS ${ONNXRUNTIME_INCLUDE_DIR}/onnxruntime_c_api.h line REGEX "^#define ORT_API_VERSION [0-9]+")
  string(REGEX REPLACE ".* ([0-9]+)" "1.\\1" OnnxRuntime_VERSION "${line}")
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(OnnxRuntime
  REQUIRED_VARS ONNXRUNTIME_LIBRARY ONNXRUNTIME_INCLUDE_DIR VERSION_VAR OnnxRuntime_VERSION)

if(OnnxRuntime_FOUND AND NOT TARGET OnnxRuntime::OnnxRuntime)
  # Programs ask for libonnxruntime.so.1, a name that the package for Python does not have.
  get_filename_component(library ${ONNXRUNTIME_LIBRARY} REALPATH)
  get_filename_component(folder ${library} DIRECTORY)
  if(NOT EXISTS ${folder}/libonnxruntime.so.1)
    set(folder ${CMAKE_BINARY_DIR}/onnxruntime)
    file(MAKE_DIRECTORY ${folder})
    file(CREATE_LINK ${library} ${folder}/libonnxruntime.so.1 SYMBOLIC)
    set(library ${folder}/libonnxruntime.so.1)
  endif()
  add_library(OnnxRuntime::OnnxRuntime SHARED IMPORTED)
  set_target_properties(OnnxRuntime::OnnxRuntime PROPERTIES
    IMPORTED_LOCATION ${library}
    # as the system's, so that their warnings are not ours
    INTERFACE_INCLUDE_DIRECTORIES ${ONNXRUNTIME_INCLUDE_DIR}
    INTERFACE_SYSTEM_INCLUDE_DIRECTORIES ${ONNXRUNTIME_INCLUDE_DIR})
endif()
