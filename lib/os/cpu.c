/* The CPU count: affinity mask and cgroup CPU quota. Keeps no state; each call looks again.
 *
 * The quota. /proc/self/cgroup names the process's group in each hierarchy, /proc/self/mountinfo says where a hierarchy
 * is mounted and which of its groups is that mount's root. The group's directory is the mount point, followed by what
 * is left of the group's path without the mount's root. From there up to the mount point every directory may hold a
 * limit, and the tightest counts, since the kernel enforces each of them.
 *
 *                 hierarchy's line in cgroup    file system    limit in each directory          none is
 *   cgroup v2     0::<path>                     cgroup2        cpu.max: "<quota> <period>"      "max <period>"
 *   cgroup v1     <id>:..,cpu,..:<path>         cgroup (cpu)   cpu.cfs_quota_us / _period_us    -1
 *
 * A hybrid machine mounts both; the cpu controller works in one, and in the other the files do not exist. So every
 * line and every mount is looked at, and the tightest limit found anywhere is the answer: a directory reached through
 * two mounts is merely read twice.
 *
 * Namespaces. Both files give paths relative to the reader's cgroup namespace, and in the same way, so they compare as
 * text; a group outside of the namespace begins with one "/.." for each level above it, and only there. Hence:
 *   mount's root is a prefix of the group      the rest is the way down; when it climbs, the group is outside the mount
 *   mount's root is only "/..", more of them   an ancestor of the group, with unknown names in between: the mount's
 *   than the group has                         root is all we can read, and it does limit us
 *   otherwise                                  no ancestor of ours is in that mount, its limits are not ours
 * mountinfo escapes space, tab, newline and backslash in octal; cgroup escapes nothing (a group's name has no newline).
 *
 * Rounding up each limit before taking the least gives the same as rounding the least: rounding up is monotonic.
 * A removed group is listed as "<path> (deleted)": it has no file, and its ancestors still count.
 *
 * Rejected: the fixed place /sys/fs/cgroup (wrong in many containers, and for hybrids); falling back to the mount's
 * root for a group outside of it (somebody else's limit); rounding down (a quota of 1.5 CPUs would waste a third);
 * fixed line buffers (a mount's options can be long, and a fiber's stack is short); cpuset files (the affinity mask
 * already is the intersection with them). */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "os/cpu.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"

/* The largest affinity mask that is tried; Linux on x86-64 is built for 8192 CPUs at most. */
enum { CPUS_MAX = 1 << 20 };

/* One directory of a mounted hierarchy: <root><point><the first len bytes of below>. */
struct level {
    const char *root;
    const char *point;
    const char *below;
    size_t len;
};

/* One of the two kinds of hierarchy that can limit CPU time. */
struct hierarchy {
    const char *fstype;
    const char *controller; /* one of the mount's options, NULL: any mount */
    unsigned (*limit)(const struct level *);
};

/* What we use of a line of mountinfo; all of it points into the line. */
struct mount {
    char *top;   /* the group that is the mount's root */
    char *point; /* where it is mounted */
    const char *fstype;
    const char *options;
};

/* The fewer of two limits, where 0 is none. */
static unsigned limit_tighter(unsigned a, unsigned b) { return a == 0 || (b != 0 && b < a) ? b : a; }

static unsigned limit_round_up(uint64_t quota, uint64_t period) {
    if (quota == 0 || period == 0)
        return 0;
    uint64_t cpus = quota / period + (quota % period != 0);
    return cpus > UINT_MAX ? UINT_MAX : (unsigned)cpus;
}

/* Takes the digits at *at. Returns 0, which is no valid quota or period, for no digits ("max", "-1") or too many. */
static uint64_t text_take_number(const char **at) {
    uint64_t number = 0;
    for (; **at >= '0' && **at <= '9'; ++*at) {
        unsigned digit = (unsigned)(**at - '0');
        if (number > (UINT64_MAX - digit) / 10)
            return 0;
        number = number * 10 + digit;
    }
    return number;
}

static bool text_at_end(const char *at) { return at[0] == '\0' || (at[0] == '\n' && at[1] == '\0'); }

static bool list_has(const char *list, const char *word) {
    size_t len = strlen(word);
    for (;; list++) {
        size_t span = strcspn(list, ",");
        if (span == len && memcmp(list, word, len) == 0)
            return true;
        list += span;
        if (*list == '\0')
            return false;
    }
}

/* Reads what is in a level's file into text, as a string; what does not fit is cut off. */
static bool level_read(const struct level *level, const char *name, char *text, size_t size) {
    char path[PATH_MAX];
    int len = snprintf(path, sizeof path, "%s%s%.*s/%s", level->root, level->point, (int)level->len, level->below, name);
    if (len < 0 || (size_t)len >= sizeof path)
        return false;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t got = read(fd, text, size - 1);
    close(fd);
    text[got > 0 ? got : 0] = '\0';
    return got > 0;
}

static uint64_t level_read_number(const struct level *level, const char *name) {
    char text[64];
    if (!level_read(level, name, text, sizeof text))
        return 0;
    const char *at = text;
    uint64_t number = text_take_number(&at);
    return text_at_end(at) ? number : 0;
}

static unsigned level_limit_v1(const struct level *level) {
    return limit_round_up(level_read_number(level, "cpu.cfs_quota_us"), level_read_number(level, "cpu.cfs_period_us"));
}

static unsigned level_limit_v2(const struct level *level) {
    char text[64];
    if (!level_read(level, "cpu.max", text, sizeof text))
        return 0;
    const char *at = text;
    uint64_t quota = text_take_number(&at);
    if (*at++ != ' ')
        return 0;
    uint64_t period = text_take_number(&at);
    return text_at_end(at) ? limit_round_up(quota, period) : 0;
}

static const struct hierarchy hierarchy_v1 = {"cgroup", "cpu", level_limit_v1};
static const struct hierarchy hierarchy_v2 = {"cgroup2", NULL, level_limit_v2};

/* The tightest limit from `below`, which is empty or begins with a slash, up to the mount point. */
static unsigned hierarchy_walk(const struct hierarchy *kind, const char *root, const char *point, const char *below) {
    struct level level = {root, point, below, strlen(below)};
    unsigned least = kind->limit(&level);
    while (level.len > 0) {
        do {
            level.len--;
        } while (below[level.len] != '/');
        least = limit_tighter(least, kind->limit(&level));
    }
    return least;
}

/* How many levels above the namespace's root a path begins. */
static size_t path_ups(const char *path) {
    size_t ups = 0;
    for (; strncmp(path, "/..", 3) == 0 && (path[3] == '/' || path[3] == '\0'); path += 3)
        ups++;
    return ups;
}

/* The way from a mount whose root is `top` to the group, or as far as it is known; NULL when the group is outside. */
static const char *path_below(const char *group, const char *top) {
    size_t len = strcmp(top, "/") == 0 ? 0 : strlen(top);
    if (strncmp(group, top, len) == 0) {
        const char *below = group + len;
        if (*below == '\0' || (*below == '/' && path_ups(below) == 0))
            return below;
    }
    size_t ups = path_ups(top);
    return top[3 * ups] == '\0' && path_ups(group) < ups ? "" : NULL;
}

static bool is_octal_escape(const char *at) {
    return at[0] == '\\' && at[1] >= '0' && at[1] <= '3' && at[2] >= '0' && at[2] <= '7' && at[3] >= '0' && at[3] <= '7';
}

/* Undoes mountinfo's octal escapes in place. */
static void path_unescape(char *path) {
    char *to = path;
    while (*path != '\0') {
        if (is_octal_escape(path)) {
            *to++ = (char)((path[1] - '0') * 64 + (path[2] - '0') * 8 + (path[3] - '0'));
            path += 4;
        } else {
            *to++ = *path++;
        }
    }
    *to = '\0';
}

/* Splits "id parent major:minor top point options [optional..] - fstype source options"; false when it is not that. */
static bool mount_parse(struct mount *mount, char *line) {
    line[strcspn(line, "\n")] = '\0';
    for (int skipped = 0; skipped < 3; skipped++)
        strsep(&line, " ");
    mount->top = strsep(&line, " ");
    mount->point = strsep(&line, " ");
    const char *field;
    do {
        field = strsep(&line, " ");
    } while (field != NULL && strcmp(field, "-") != 0);
    mount->fstype = strsep(&line, " ");
    strsep(&line, " ");
    mount->options = line;
    if (line == NULL || mount->top[0] != '/' || mount->point[0] != '/')
        return false;
    path_unescape(mount->top);
    path_unescape(mount->point);
    return true;
}

static bool mount_is(const struct mount *mount, const struct hierarchy *kind) {
    return strcmp(mount->fstype, kind->fstype) == 0 &&
           (kind->controller == NULL || list_has(mount->options, kind->controller));
}

static unsigned mount_limit(char *line, const char *root, const struct hierarchy *kind, const char *group) {
    struct mount mount;
    if (!mount_parse(&mount, line) || !mount_is(&mount, kind))
        return 0;
    const char *below = path_below(group, mount.top);
    return below == NULL ? 0 : hierarchy_walk(kind, root, mount.point, below);
}

static FILE *proc_open(const char *root, const char *name) {
    char path[PATH_MAX];
    int len = snprintf(path, sizeof path, "%s/proc/self/%s", root, name);
    return len < 0 || (size_t)len >= sizeof path ? NULL : fopen(path, "re");
}

static unsigned group_limit(const char *root, const struct hierarchy *kind, const char *group) {
    FILE *mounts = proc_open(root, "mountinfo");
    if (mounts == NULL)
        return 0;
    char *line = NULL;
    size_t size = 0;
    unsigned least = 0;
    while (getline(&line, &size, mounts) >= 0)
        least = limit_tighter(least, mount_limit(line, root, kind, group));
    free(line);
    fclose(mounts);
    return least;
}

static const struct hierarchy *hierarchy_of(const char *controllers) {
    if (*controllers == '\0')
        return &hierarchy_v2;
    return list_has(controllers, hierarchy_v1.controller) ? &hierarchy_v1 : NULL;
}

/* The limit that one line of /proc/self/cgroup, "id:controllers:path", leads to. */
static unsigned cgroup_limit(char *line, const char *root) {
    line[strcspn(line, "\n")] = '\0';
    strsep(&line, ":");
    const char *controllers = strsep(&line, ":");
    if (line == NULL || *line != '/')
        return 0;
    const struct hierarchy *kind = hierarchy_of(controllers);
    return kind == NULL ? 0 : group_limit(root, kind, line);
}

/* The affinity mask's CPUs, read into a set for `cpus` of them; 0 when the set is too small, negative on failure. */
static int affinity_try(size_t cpus) {
    size_t bytes = CPU_ALLOC_SIZE(cpus);
    cpu_set_t *set = vti_alloc(bytes);
    if (set == NULL)
        return -1;
    int count = -1;
    if (sched_getaffinity(0, bytes, set) == 0)
        count = CPU_COUNT_S(bytes, set);
    else if (errno == EINVAL)
        count = 0;
    vti_free(set);
    return count;
}

static unsigned affinity_count(void) {
    int count = 0;
    for (size_t cpus = CPU_SETSIZE; count == 0 && cpus <= CPUS_MAX; cpus *= 2)
        count = affinity_try(cpus);
    if (count > 0)
        return (unsigned)count;
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (unsigned)online : 1;
}

unsigned vti_cpu_quota(const char *root) {
    FILE *groups = proc_open(root, "cgroup");
    if (groups == NULL)
        return 0;
    char *line = NULL;
    size_t size = 0;
    unsigned least = 0;
    while (getline(&line, &size, groups) >= 0)
        least = limit_tighter(least, cgroup_limit(line, root));
    free(line);
    fclose(groups);
    return least;
}

unsigned vti_cpu_count(void) { return limit_tighter(affinity_count(), vti_cpu_quota("")); }
