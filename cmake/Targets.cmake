# How the project's own targets are compiled. Nothing here reaches a consumer.

# Warnings, sanitizers, asserts: for the libraries, tests, stress programs and examples.
function(vtask_own target)
    set_target_properties(${target} PROPERTIES C_STANDARD 11 C_STANDARD_REQUIRED ON C_EXTENSIONS ON)
    target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wconversion -Wshadow)
    if(VTASK_WERROR)
        target_compile_options(${target} PRIVATE -Werror)
    endif()
    if(VTASK_SANITIZE)
        target_compile_options(${target} PRIVATE -O1 -g -fno-omit-frame-pointer -fsanitize=${VTASK_SANITIZE})
        target_link_options(${target} PRIVATE -fsanitize=${VTASK_SANITIZE})
        if(VTASK_SANITIZE MATCHES "undefined")
            target_compile_options(${target} PRIVATE -fno-sanitize-recover=all)
        endif()
    endif()
    if(VTASK_ASSERT_SLOW)
        target_compile_definitions(${target} PRIVATE VTASK_DEBUG=1 VTASK_ASSERT_SLOW=1)
    else()
        target_compile_definitions(${target} PRIVATE $<$<CONFIG:Debug>:VTASK_DEBUG=1>)
    endif()
endfunction()

# One of the two libraries.
function(vtask_library target)
    vtask_own(${target})
    set_target_properties(${target} PROPERTIES C_VISIBILITY_PRESET hidden POSITION_INDEPENDENT_CODE ON)
    target_include_directories(${target}
        PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>
        PRIVATE ${PROJECT_SOURCE_DIR}/lib)
    target_include_directories(${target} SYSTEM PRIVATE ${VTASK_CK_INCLUDE_DIR})
    target_compile_definitions(${target} PRIVATE _GNU_SOURCE=)
    target_link_libraries(${target} PRIVATE Threads::Threads)
endfunction()
