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
