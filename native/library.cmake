# The C library of timesteps.h, and its CMake package:
#     cmake -S native -B build/library -DTIMESTEPS_LIBRARY=ON && cmake --build build/library
#     cmake --install build/library --prefix ...
#     find_package(timesteps) and timesteps::timesteps (shared) or timesteps::static
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

file(STRINGS ../pyproject.toml VERSION_LINE REGEX "^version = ")
string(REGEX MATCH "[0-9]+\\.[0-9]+\\.[0-9]+" VERSION "${VERSION_LINE}")

add_library(timesteps SHARED)
add_library(static STATIC)
foreach(KIND timesteps static)
  target_sources(${KIND} PRIVATE timesteps.cpp $<TARGET_OBJECTS:reader> $<TARGET_OBJECTS:engine>
                                 $<TARGET_OBJECTS:stream>)
  target_compile_features(${KIND} PRIVATE cxx_std_20)
  target_include_directories(${KIND} PUBLIC $<BUILD_INTERFACE:${CMAKE_CURRENT_SOURCE_DIR}>
                                            $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  set_target_properties(${KIND} PROPERTIES OUTPUT_NAME timesteps CXX_VISIBILITY_PRESET hidden
                                           POSITION_INDEPENDENT_CODE ON)
  add_library(timesteps::${KIND} ALIAS ${KIND})
endforeach()
set_target_properties(timesteps PROPERTIES VERSION ${VERSION} SOVERSION 0)
target_link_libraries(static INTERFACE stdc++ m)  # a program in C does not know that it needs them

install(TARGETS timesteps static EXPORT timesteps)
install(FILES timesteps.h TYPE INCLUDE)
set(PACKAGE ${CMAKE_INSTALL_LIBDIR}/cmake/timesteps)
install(EXPORT timesteps NAMESPACE timesteps:: FILE timestepsConfig.cmake DESTINATION ${PACKAGE})
write_basic_package_version_file(timestepsConfigVersion.cmake VERSION ${VERSION} COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/timestepsConfigVersion.cmake DESTINATION ${PACKAGE})
