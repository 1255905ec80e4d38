/* base/error.c: the codes' texts and the library's version. */
#include <string.h>

#include <vtask/config.h>
#include <vtask/error.h>

const char *vtask_version(void) { return VTASK_VERSION_STRING; }

static const char *system_error(int code) {
    const char *text = NULL;
    if (code >= 0 && code < VTASK_E_BASE) {
#ifdef __GLIBC__
        text = strerrordesc_np(code);
#else
        text = strerror(code);
#endif
    }
    return text != NULL ? text : "unknown error";
}

const char *vtask_strerror(int code) {
    switch (code) {
#define TEXT(name, offset, text) \
    case name:                   \
        return text;
        VTASK_ERRORS(TEXT)
#undef TEXT
    default:
        return system_error(code);
    }
}
