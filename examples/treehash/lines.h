/* treehash/lines.h: the lines that sha256sum writes and, with --check, reads. Knows no task; treehash.c includes it. */
#ifndef TREEHASH_LINES_H
#define TREEHASH_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define DIGEST_SIZE 32

/* One line is one file, whatever its name holds; a backslash at the line's beginning says that this was done. */
static void put_escaped(const char *name) {
    for (; *name != '\0'; name++) {
        if (*name == '\n' || *name == '\r' || *name == '\\') {
            putchar('\\');
            putchar(*name == '\n' ? 'n' : *name == '\r' ? 'r' : '\\');
        } else {
            putchar(*name);
        }
    }
}

static void put_line(const unsigned char digest[DIGEST_SIZE], const char *name) {
    if (strpbrk(name, "\\\n\r") != NULL) {
        putchar('\\');
    }
    for (size_t i = 0; i < DIGEST_SIZE; i++) {
        putchar("0123456789abcdef"[digest[i] >> 4]);
        putchar("0123456789abcdef"[digest[i] & 15]);
    }
    fputs("  ", stdout);
    put_escaped(name);
    putchar('\n');
}

static void put_verdict(const char *name, const char *verdict) {
    bool escaped = strchr(name, '\n') != NULL; /* here sha256sum escapes nothing else */
    if (escaped) {
        putchar('\\');
        put_escaped(name);
    } else {
        fputs(name, stdout);
    }
    printf(": %s\n", verdict);
}

static int hex_digit(char c) {
    const char *digits = "0123456789abcdef";
    const char *at = c != '\0' ? strchr(digits, c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c) : NULL;
    return at != NULL ? (int)(at - digits) : -1;
}

/* Returns what follows the digest, or NULL. */
static char *parse_digest(char *hex, unsigned char digest[DIGEST_SIZE]) {
    for (size_t i = 0; i < DIGEST_SIZE; i++, hex += 2) {
        int high = hex_digit(hex[0]);
        int low = high < 0 ? -1 : hex_digit(hex[1]);
        if (low < 0) {
            return NULL;
        }
        digest[i] = (unsigned char)(high << 4 | low);
    }
    return hex;
}

static bool unescape(char *name) {
    char *out = name;
    for (; *name != '\0'; name++, out++) {
        *out = *name;
        if (*name == '\\') {
            name++;
            if (*name != 'n' && *name != 'r' && *name != '\\') {
                return false;
            }
            *out = *name == 'n' ? '\n' : *name == 'r' ? '\r' : '\\';
        }
    }
    *out = '\0';
    return true;
}

/* "SHA256 (name) = DIGEST": what sha256sum --tag and the BSDs write. Returns the name, or NULL. */
static char *parse_tagged(char *line, unsigned char digest[DIGEST_SIZE]) {
    char *name = line + strlen("SHA256") + strspn(line + strlen("SHA256"), " ");
    char *end = strrchr(name, ')');
    if (*name != '(' || end == NULL) {
        return NULL;
    }
    char *equals = end + 1 + strspn(end + 1, " ");
    char *rest = *equals == '=' ? parse_digest(equals + 1 + strspn(equals + 1, " "), digest) : NULL;
    *end = '\0';
    return rest != NULL && *rest == '\0' ? name + 1 : NULL;
}

/* "DIGEST  name", and "DIGEST *name" for what was read as binary. Returns the name, or NULL. */
static char *parse_plain(char *line, unsigned char digest[DIGEST_SIZE]) {
    char *name = parse_digest(line, digest);
    if (name == NULL || (*name != ' ' && *name != '\t')) {
        return NULL;
    }
    name++;
    return (*name == ' ' || *name == '*') && name[1] != '\0' ? name + 1 : name;
}

/* Takes a line without its newline apart, in place; a backslash before it says that the name is escaped. Returns the
 * name, or NULL where it is no such line. */
static char *parse_line(char *line, unsigned char digest[DIGEST_SIZE]) {
    char *at = line + strspn(line, " \t");
    bool escaped = *at == '\\';
    at += escaped ? 1 : 0;
    char *name = strncmp(at, "SHA256", 6) == 0 ? parse_tagged(at, digest) : parse_plain(at, digest);
    return name != NULL && *name != '\0' && (!escaped || unescape(name)) ? name : NULL;
}

#endif
