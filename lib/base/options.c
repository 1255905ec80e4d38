/* base/options.c: the environment variable VTASK_OPTIONS, read once. */
#include "base/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/atomic.h"

static bool is_word(const char *text, size_t length, const char *word) {
    return strlen(word) == length && memcmp(text, word, length) == 0;
}

static void take_word(struct options *options, const char *text, size_t length) {
    if (is_word(text, length, "misuse=report")) {
        options->misuse = MISUSE_REPORT;
    } else if (is_word(text, length, "misuse=abort")) {
        options->misuse = MISUSE_ABORT;
    } else if (is_word(text, length, "misuse=quiet")) {
        options->misuse = MISUSE_QUIET;
    } else if (is_word(text, length, "checked")) {
        options->checked = true;
    } else if (length > 0) {
        (void)fprintf(stderr, "vtask: VTASK_OPTIONS: '%.*s' is not known: misuse=report|abort|quiet, checked\n",
                      (int)length, text);
    }
}

struct options vti_options_parse(const char *text) {
    struct options options = {MISUSE_REPORT, false};
    while (text != NULL && *text != '\0') {
        size_t length = strcspn(text, ",: ");
        take_word(&options, text, length);
        text += length + (text[length] != '\0');
    }
    return options;
}

/* 0: not read yet; else READ, the mode, and CHECKED. Reading twice gives the same, so a race is no harm. */
enum { READ = 1, CHECKED = 2, MODE_SHIFT = 2 };
static atomic_u32 a_options;

struct options vti_options(void) {
    uint32_t word = load_rlx(&a_options); /* the word is all there is: nothing is carried */
    if (UNLIKELY(word == 0)) {
        struct options options = vti_options_parse(getenv("VTASK_OPTIONS"));
        word = READ | (options.checked ? CHECKED : 0u) | ((uint32_t)options.misuse << MODE_SHIFT);
        store_rlx(&a_options, word);
        return options;
    }
    return (struct options){(enum misuse_mode)(word >> MODE_SHIFT), (word & CHECKED) != 0};
}
