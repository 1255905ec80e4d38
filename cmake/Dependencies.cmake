# What has to be there, and the Debian package to install where it is not.

function(vtask_missing what package)
    message(FATAL_ERROR "vtask needs ${what}, which was not found.\n"
                        "On Debian and Ubuntu: apt-get install ${package}")
endfunction()

# pkg-config itself.
macro(vtask_require_pkg_config)
    find_package(PkgConfig QUIET)
    if(NOT PKG_CONFIG_FOUND)
        vtask_missing("pkg-config" pkg-config)
    endif()
endmacro()

# A library that pkg-config knows: gives the target PkgConfig::<prefix>.
macro(vtask_require_module prefix module what package)
    vtask_require_pkg_config()
    pkg_check_modules(${prefix} QUIET IMPORTED_TARGET ${module})
    if(NOT ${prefix}_FOUND)
        vtask_missing("${what}" ${package})
    endif()
endmacro()

# ConcurrencyKit: its headers alone; what the library uses of it is inlined.
macro(vtask_require_ck)
    find_path(VTASK_CK_INCLUDE_DIR ck_ring.h)
    mark_as_advanced(VTASK_CK_INCLUDE_DIR)
    if(NOT VTASK_CK_INCLUDE_DIR)
        vtask_missing("ConcurrencyKit (ck_ring.h)" libck-dev)
    endif()
    vtask_warn_of_old_ck()
endmacro()

# Before 0.7.2 the ring's consumers load entries behind a fence that is too weak on paper where loads are reordered.
function(vtask_warn_of_old_ck)
    if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64|i[3-6]86)$")
        return()
    endif()
    find_package(PkgConfig QUIET)
    if(PKG_CONFIG_FOUND)
        pkg_check_modules(VTASK_CK QUIET ck)
    endif()
    if(NOT VTASK_CK_VERSION)
        message(WARNING "vtask: the version of ConcurrencyKit is unknown; on ${CMAKE_SYSTEM_PROCESSOR} it should be "
                        "0.7.2 or later.")
    elseif(VTASK_CK_VERSION VERSION_LESS 0.7.2)
        message(WARNING "vtask: ConcurrencyKit ${VTASK_CK_VERSION} is older than 0.7.2: on ${CMAKE_SYSTEM_PROCESSOR} "
                        "a fence of its ring is too weak on paper.")
    endif()
endfunction()

macro(vtask_require_threads)
    set(THREADS_PREFER_PTHREAD_FLAG ON)
    find_package(Threads REQUIRED)
endmacro()
