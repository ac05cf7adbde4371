# What `cmake --install` gives: headers, the library, the command, the demo models, and how others find them:
# find_package(LatentLink) and pkg-config's latentlink.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

# What is installed finds the libraries of engines where they were when it was built.
foreach(library IN ITEMS OnnxRuntime::OnnxRuntime openvino::runtime)
  if(TARGET ${library})
    get_target_property(place ${library} LOCATION)
    list(APPEND engine_libraries ${place})
    get_filename_component(folder ${place} DIRECTORY)
    if(NOT folder IN_LIST CMAKE_CXX_IMPLICIT_LINK_DIRECTORIES)
      list(APPEND folders_of_engines ${folder})
    endif()
  endif()
endforeach()
set_target_properties(latentlink latentlink_command PROPERTIES INSTALL_RPATH "${folders_of_engines}")

set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/LatentLink)

install(TARGETS latentlink EXPORT LatentLinkTargets
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
  PUBLIC_HEADER DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT LatentLinkTargets NAMESPACE LatentLink:: DESTINATION ${package_folder})
install(FILES $<TARGET_FILE:latentlink_core> DESTINATION ${CMAKE_INSTALL_LIBDIR})  # LatentLink::static
install(TARGETS latentlink_command RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/demo/bundles DESTINATION ${CMAKE_INSTALL_DATADIR}/latentlink)

configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/LatentLinkConfig.cmake.in
  ${CMAKE_CURRENT_BINARY_DIR}/LatentLinkConfig.cmake INSTALL_DESTINATION ${package_folder}
  PATH_VARS CMAKE_INSTALL_LIBDIR CMAKE_INSTALL_INCLUDEDIR)
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/LatentLinkConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/LatentLinkConfig.cmake
  ${CMAKE_CURRENT_BINARY_DIR}/LatentLinkConfigVersion.cmake DESTINATION ${package_folder})

configure_file(${CMAKE_CURRENT_LIST_DIR}/latentlink.pc.in ${CMAKE_CURRENT_BINARY_DIR}/latentlink.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/latentlink.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
