/* vtask/config.h: version, linkage and the call-site literal that every report shows. */
#ifndef VTASK_CONFIG_H
#define VTASK_CONFIG_H

#define VTASK_VERSION_MAJOR 0
#define VTASK_VERSION_MINOR 1
#define VTASK_VERSION_PATCH 0
#define VTASK_VERSION_STRING "0.1.0"
/** The version as one comparable number: 0.1.0 is 100. */
#define VTASK_VERSION (VTASK_VERSION_MAJOR * 10000 + VTASK_VERSION_MINOR * 100 + VTASK_VERSION_PATCH)

#if !defined(__GNUC__)
#error "vtask needs gcc or clang"
#endif

#if defined(VTASK_BUILDING_SHARED)
#define VTASK_PUBLIC __attribute__((visibility("default")))
#else
#define VTASK_PUBLIC
#endif

/* Every function's ELF symbol is vtask_<name>, so that an application with a task_create() of its own links. */
#define VTASK_SYMBOL(name) __asm__("vtask_" #name)

#if defined(__SANITIZE_THREAD__)
#define VTASK_THREAD_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define VTASK_THREAD_SANITIZER 1
#endif
#endif

#define VTASK_STRING2(x) #x
#define VTASK_STRING(x) VTASK_STRING2(x)
/** One string literal naming this line, "file.c:41": what the ..._at functions take as `where`. */
#define VTASK_WHERE __FILE__ ":" VTASK_STRING(__LINE__)

#ifdef __cplusplus
#define VTASK_BEGIN_DECLS extern "C" {
#define VTASK_END_DECLS }
#else
#define VTASK_BEGIN_DECLS
#define VTASK_END_DECLS
#endif

VTASK_BEGIN_DECLS

/**
 * The version of the library that runs, as VTASK_VERSION_STRING was when it was built.
 *
 * Returns a static string, never NULL. Any thread; does not block.
 */
VTASK_PUBLIC const char *vtask_version(void) __asm__("vtask_version");

VTASK_END_DECLS

#endif
