# How tests run: limits, and the sanitizers' switches. There are no suppression files.
enable_testing()

if(VTASK_SANITIZE)
    set(VTASK_TEST_TIMEOUT 300)
    set(VTASK_TEST_ENVIRONMENT
        "TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1:die_after_fork=0"
        "ASAN_OPTIONS=halt_on_error=1:detect_leaks=1:strict_string_checks=1:check_initialization_order=1"
        "UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1"
        "CK_DEFAULT_TIMEOUT=20" "CK_TIMEOUT_MULTIPLIER=4")
else()
    set(VTASK_TEST_TIMEOUT 120)
    set(VTASK_TEST_ENVIRONMENT "CK_DEFAULT_TIMEOUT=20")
endif()

# ThreadSanitizer's fixed map collides with the widest address randomisation of newer kernels: run without it there.
set(VTASK_TEST_LAUNCHER "")
if(VTASK_SANITIZE MATCHES "thread" AND EXISTS /proc/sys/vm/mmap_rnd_bits)
    file(STRINGS /proc/sys/vm/mmap_rnd_bits rnd_bits LIMIT_COUNT 1)
    if(rnd_bits GREATER 28)
        execute_process(COMMAND setarch ${CMAKE_HOST_SYSTEM_PROCESSOR} -R true RESULT_VARIABLE no_setarch
                        OUTPUT_QUIET ERROR_QUIET)
        if(NOT no_setarch)
            set(VTASK_TEST_LAUNCHER setarch ${CMAKE_HOST_SYSTEM_PROCESSOR} -R)
        endif()
    endif()
endif()

# vtask_add_test(name label command...)
function(vtask_add_test name label)
    add_test(NAME ${name} COMMAND ${VTASK_TEST_LAUNCHER} ${ARGN})
    set_tests_properties(${name} PROPERTIES
        LABELS ${label} TIMEOUT ${VTASK_TEST_TIMEOUT} ENVIRONMENT "${VTASK_TEST_ENVIRONMENT}")
endfunction()

# What a test's file is called without its folder, its ending and a leading test_.
function(vtask_test_name result file)
    get_filename_component(name ${file} NAME_WE)
    string(REGEX REPLACE "^test_" "" name ${name})
    set(${result} ${name} PARENT_SCOPE)
endfunction()
