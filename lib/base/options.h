/* base/options.h: the environment variable VTASK_OPTIONS, read once. */
#ifndef VTI_BASE_OPTIONS_H
#define VTI_BASE_OPTIONS_H

#include <stdbool.h>

enum misuse_mode { MISUSE_REPORT, MISUSE_ABORT, MISUSE_QUIET };

struct options {
    enum misuse_mode misuse; /* misuse=report|abort|quiet */
    bool checked;            /* checked: READY value-tasks carry a ticket, too */
};

struct options vti_options(void);

/* The options that `text` (NULL: none) asks for, separated by commas, colons or spaces; unknown words are named on
 * stderr and otherwise ignored. */
struct options vti_options_parse(const char *text);

#endif
