# Toolchain for 64-bit ARM on Linux, with Debian's g++-aarch64-linux-gnu. LATENTLINK_SYSROOT has the libraries of such a
# machine: copied from one, or unpacked from packages (.ci/native-aarch64).
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)

list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES LATENTLINK_SYSROOT)
set(CMAKE_FIND_ROOT_PATH ${LATENTLINK_SYSROOT} /usr/aarch64-linux-gnu)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE BOTH)  # headers alone, such as nlohmann-json's, are those of any processor
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE BOTH)
set(ENV{PKG_CONFIG_SYSROOT_DIR} ${LATENTLINK_SYSROOT})
set(ENV{PKG_CONFIG_LIBDIR} ${LATENTLINK_SYSROOT}/usr/lib/aarch64-linux-gnu/pkgconfig)

# What headers and libraries of the sysroot ask for by themselves.
set(CMAKE_CXX_FLAGS_INIT "-isystem ${LATENTLINK_SYSROOT}/usr/include/aarch64-linux-gnu")
foreach(kind IN ITEMS EXE SHARED)
  set(CMAKE_${kind}_LINKER_FLAGS_INIT 
    "-Wl,-rpath-link,${LATENTLINK_SYSROOT}/usr/lib/aarch64-linux-gnu:${LATENTLINK_SYSROOT}/lib/aarch64-linux-gnu")
endforeach()
