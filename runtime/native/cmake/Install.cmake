# What `cmake --install` gives: headers, the library, the command, the demo models, and how others find them:
# find_package(LatentLink) and pkg-config's latentlink.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/LatentLink)

install(TARGETS latentlink EXPORT LatentLinkTargets
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
  PUBLIC_HEADER DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT LatentLinkTargets NAMESPACE LatentLink:: DESTINATION ${package_folder})
if(TARGET latentlink_command)
  install(TARGETS latentlink_command RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
install(DIRECTORY ${PROJECT_SOURCE_DIR}/demo/bundles DESTINATION ${CMAKE_INSTALL_DATADIR}/latentlink)

configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/LatentLinkConfig.cmake.in
  ${CMAKE_CURRENT_BINARY_DIR}/LatentLinkConfig.cmake INSTALL_DESTINATION ${package_folder})
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/LatentLinkConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/LatentLinkConfig.cmake
  ${CMAKE_CURRENT_BINARY_DIR}/LatentLinkConfigVersion.cmake DESTINATION ${package_folder})

configure_file(${CMAKE_CURRENT_LIST_DIR}/latentlink.pc.in ${CMAKE_CURRENT_BINARY_DIR}/latentlink.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/latentlink.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
