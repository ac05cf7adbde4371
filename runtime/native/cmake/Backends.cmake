# The libraries that run engines: each is built in where its headers are found. AUTO takes what is there, ON needs it,
# OFF leaves it out. A bundle's engines that this program was built without are refused by name.
set(kinds AUTO ON OFF)
foreach(backend IN ITEMS ONNXRUNTIME OPENVINO TENSORRT TENSORRT_RTX)
  set(LATENTLINK_${backend} AUTO CACHE STRING "Engines of this library: AUTO, ON or OFF")
  set_property(CACHE LATENTLINK_${backend} PROPERTY STRINGS ${kinds})
  if(NOT LATENTLINK_${backend} IN_LIST kinds)
    message(FATAL_ERROR "LATENTLINK_${backend} is ${LATENTLINK_${backend}}; expected AUTO, ON or OFF.")
  endif()
endforeach()

list(APPEND CMAKE_MODULE_PATH ${CMAKE_CURRENT_LIST_DIR})

set(native ${CMAKE_CURRENT_SOURCE_DIR})

# Build a backend into the library if it was found, and say so: define LATENTLINK_HAS_<name> for open_session.cpp, and
# add the sources.
function(latentlink_backend name title found)
  if(found)
    set_property(SOURCE ${native}/sessions/open_session.cpp APPEND PROPERTY COMPILE_DEFINITIONS LATENTLINK_HAS_${name}=1)
    set_property(GLOBAL APPEND PROPERTY LATENTLINK_BACKENDS ${name})
    target_sources(latentlink_core PRIVATE ${ARGN})
    message(STATUS "LatentLink runs engines of ${title}")
  elseif(LATENTLINK_${name} STREQUAL ON)
    message(FATAL_ERROR "LATENTLINK_${name} is ON, but ${title} was not found.")
  else()
    message(STATUS "LatentLink runs no engines of ${title}")
  endif()
endfunction()

set(OnnxRuntime_FOUND FALSE)
if(LATENTLINK_ONNXRUNTIME)
  find_package(OnnxRuntime 1.17)
endif()
file(GLOB ort_sources CONFIGURE_DEPENDS
  ${native}/sessions/ort*.cpp ${native}/sessions/gpu/ort*.cpp ${native}/targets/ort*.cpp)
latentlink_backend(ONNXRUNTIME "ONNX Runtime ${OnnxRuntime_VERSION}" "${OnnxRuntime_FOUND}" ${ort_sources})
if(OnnxRuntime_FOUND)
  target_link_libraries(latentlink_core PRIVATE OnnxRuntime::OnnxRuntime ${CMAKE_DL_LIBS})
endif()

set(OpenVINO_FOUND FALSE)
if(LATENTLINK_OPENVINO)
  find_package(OpenVINO CONFIG QUIET COMPONENTS Runtime)  # a version in this line would ask for one of that year
endif()
file(GLOB openvino_sources CONFIGURE_DEPENDS ${native}/sessions/openvino*.cpp ${native}/targets/openvino*.cpp)
latentlink_backend(OPENVINO "OpenVINO ${OpenVINO_VERSION}" "${OpenVINO_FOUND}" ${openvino_sources})
if(OpenVINO_FOUND)
  target_link_libraries(latentlink_core PRIVATE openvino::runtime)
endif()

# TensorRT and TensorRT for RTX have the same API: one source is compiled for each, in a namespace of its own, and loads
# the library when an engine is opened. Only headers are needed: those of the library, in TENSORRT_ROOT or
# TENSORRT_RTX_ROOT, and those of CUDA's runtime, in CUDAToolkit_ROOT.
file(GLOB tensorrt_sources CONFIGURE_DEPENDS ${native}/sessions/tensorrt*.cpp ${native}/sessions/gpu/tensorrt*.cpp)
find_path(CUDA_RUNTIME_INCLUDE_DIR cuda_runtime_api.h
  HINTS ${CUDAToolkit_ROOT} $ENV{CUDA_HOME} /usr/local/cuda PATH_SUFFIXES include)

function(latentlink_tensorrt name title root namespace for_rtx)
  set(found FALSE)
  if(LATENTLINK_${name})
    find_path(${name}_INCLUDE_DIR NvInferRuntime.h HINTS ${${root}} $ENV{${root}} PATH_SUFFIXES include)
    if(${name}_INCLUDE_DIR)  # the headers of both have the same names
      file(STRINGS ${${name}_INCLUDE_DIR}/NvInferVersion.h lines_for_rtx REGEX "define TRT_MAJOR_RTX ")
      string(COMPARE NOTEQUAL "${lines_for_rtx}" "" is_for_rtx)
    endif()
    if(${name}_INCLUDE_DIR AND CUDA_RUNTIME_INCLUDE_DIR AND (for_rtx EQUAL is_for_rtx))
      set(found TRUE)
      add_library(latentlink_${namespace} OBJECT ${tensorrt_sources})
      set_target_properties(latentlink_${namespace} PROPERTIES
        POSITION_INDEPENDENT_CODE ON CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
      target_include_directories(latentlink_${namespace} PRIVATE ${native})
      target_include_directories(latentlink_${namespace} SYSTEM PRIVATE
        ${${name}_INCLUDE_DIR} ${CUDA_RUNTIME_INCLUDE_DIR})
      # the library's namespace is renamed, as the two have different classes by the same names
      target_compile_definitions(latentlink_${namespace} PRIVATE
        LATENTLINK_TRT=${namespace} LATENTLINK_TRT_FOR_RTX=${for_rtx} nvinfer1=nvinfer1_${namespace})
      target_link_libraries(latentlink_${namespace} PRIVATE nlohmann_json::nlohmann_json latentlink_options)
      set(objects $<TARGET_OBJECTS:latentlink_${namespace}>)
    endif()
  endif()
  latentlink_backend(${name} "${title}" ${found} ${objects})
endfunction()

latentlink_tensorrt(TENSORRT "TensorRT" TENSORRT_ROOT tensorrt 0)
latentlink_tensorrt(TENSORRT_RTX "TensorRT for RTX" TENSORRT_RTX_ROOT tensorrt_rtx 1)
