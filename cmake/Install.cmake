# cmake --install: headers, both libraries, a CMake package (vtask::vtask, vtask::static) and vtask.pc.
include(CMakePackageConfigHelpers)

set(VTASK_CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/vtask)

install(TARGETS vtask vtask_static EXPORT vtask-targets
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
install(EXPORT vtask-targets NAMESPACE vtask:: DESTINATION ${VTASK_CMAKE_DIR})

configure_package_config_file(cmake/vtask-config.cmake.in vtask-config.cmake INSTALL_DESTINATION ${VTASK_CMAKE_DIR})
write_basic_package_version_file(vtask-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/vtask-config.cmake ${PROJECT_BINARY_DIR}/vtask-config-version.cmake
        DESTINATION ${VTASK_CMAKE_DIR})

# The file finds its prefix from its own place, so that an installed tree can be moved.
if(IS_ABSOLUTE ${CMAKE_INSTALL_LIBDIR} OR IS_ABSOLUTE ${CMAKE_INSTALL_INCLUDEDIR})
    set(VTASK_PC_PREFIX ${CMAKE_INSTALL_PREFIX})
    set(VTASK_PC_LIBDIR ${CMAKE_INSTALL_FULL_LIBDIR})
    set(VTASK_PC_INCLUDEDIR ${CMAKE_INSTALL_FULL_INCLUDEDIR})
else()
    file(RELATIVE_PATH up /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
    string(REGEX REPLACE "/$" "" up "${up}")
    set(VTASK_PC_PREFIX "\${pcfiledir}/${up}")
    set(VTASK_PC_LIBDIR "\${prefix}/${CMAKE_INSTALL_LIBDIR}")
    set(VTASK_PC_INCLUDEDIR "\${prefix}/${CMAKE_INSTALL_INCLUDEDIR}")
endif()
configure_file(cmake/vtask.pc.in vtask.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/vtask.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
