/* The CPU count: the quota from made-up /proc and cgroup trees, one fresh directory for each test, and the affinity
 * mask from the real call, or from the stand-in below, which shadows libc's and can play a machine with more CPUs. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "os/cpu.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"

#define COUNT(array) ((int)(sizeof(array) / sizeof *(array)))

#define V2_MOUNT "30 22 0:27 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
#define V1_MOUNT "31 30 0:28 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:9 master:2 - cgroup cgroup rw,cpu,cpuacct\n"
#define CPUSET_MOUNT "32 30 0:29 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"
#define HYBRID_MOUNT "33 30 0:30 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
#define OTHER_MOUNTS "22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n24 22 0:22 / /proc rw - proc  rw\n"

static char base[PATH_MAX];      /* of the whole suite */
static char root[PATH_MAX + 32]; /* of the test that runs */

static size_t affinity_least_bytes; /* what the kernel needs, when that is more than it really does */
static int affinity_errno;          /* what it fails with, if not 0 */

/* Shadows libc's function for the code under test. */
int sched_getaffinity(pid_t pid, size_t bytes, cpu_set_t *set) {
    if (affinity_errno != 0 || bytes < affinity_least_bytes) {
        errno = affinity_errno != 0 ? affinity_errno : EINVAL;
        return -1;
    }
    memset(set, 0, bytes);
    if (affinity_least_bytes == 0)
        return syscall(SYS_sched_getaffinity, pid, bytes, set) < 0 ? -1 : 0;
    CPU_SET_S(0, bytes, set);
    CPU_SET_S(8 * affinity_least_bytes - 2, bytes, set);
    CPU_SET_S(8 * affinity_least_bytes - 1, bytes, set);
    return 0;
}

static void base_make(void) {
    const char *tmp = getenv("TMPDIR");
    snprintf(base, sizeof base, "%s/test_cpu.XXXXXX", tmp != NULL ? tmp : "/tmp");
    if (mkdtemp(base) == NULL)
        abort();
}

static int entry_remove(const char *path, const struct stat *status, int kind, struct FTW *where) {
    (void)status, (void)kind, (void)where;
    return remove(path);
}

static void base_remove(void) { nftw(base, entry_remove, 16, FTW_DEPTH | FTW_PHYS); }

static void root_make(void) {
    snprintf(root, sizeof root, "%s/XXXXXX", base);
    ck_assert_ptr_nonnull(mkdtemp(root));
}

static void parents_make(char *path) {
    for (char *at = path + strlen(root) + 1; (at = strchr(at, '/')) != NULL; at++) {
        *at = '\0';
        ck_assert(mkdir(path, 0700) == 0 || errno == EEXIST);
        *at = '/';
    }
}

/* Makes <root>/<name> and its directories. */
static void file_make(const char *name, const char *text) {
    char path[2 * PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", root, name);
    parents_make(path);
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fputs(text, file), 0);
    ck_assert_int_eq(fclose(file), 0);
}

static void proc_make(const char *cgroup, const char *mountinfo) {
    file_make("proc/self/cgroup", cgroup);
    file_make("proc/self/mountinfo", mountinfo);
}

static void v1_make(const char *dir, const char *quota, const char *period) {
    char name[PATH_MAX];
    snprintf(name, sizeof name, "%s/cpu.cfs_quota_us", dir);
    file_make(name, quota);
    snprintf(name, sizeof name, "%s/cpu.cfs_period_us", dir);
    file_make(name, period);
}

#define ck_assert_quota(expected) ck_assert_uint_eq(vti_cpu_quota(root), (expected))

/* What one cpu.max means: fractions round up, below one is one, and the numbers have 64 bits. */
static const struct {
    const char *text;
    unsigned cpus;
} v2_texts[] = {
    {"200000 100000\n", 2},
    {"200000 100000", 2},
    {"max 100000\n", 0},
    {"max", 0},
    {"150000 100000\n", 2},
    {"200001 100000\n", 3},
    {"199999 100000\n", 2},
    {"100000 100000\n", 1},
    {"99999 100000\n", 1},
    {"1000 100000\n", 1},
    {"1 1000000\n", 1},
    {"50000 20000\n", 3},
    {"18446744073709551615 18446744073709551615\n", 1},
    {"18446744073709551615 18446744073709551614\n", 2},
    {"18446744073709551615 1\n", UINT_MAX},
    {"4294967295 1\n", UINT_MAX},
    {"4294967298 1\n", UINT_MAX},
};

START_TEST(v2_text_means) {
    proc_make("0::/app\n", OTHER_MOUNTS V2_MOUNT);
    file_make("sys/fs/cgroup/app/cpu.max", v2_texts[_i].text);
    ck_assert_quota(v2_texts[_i].cpus);
}
END_TEST

/* What cpu.max never says: no limit. */
static const char *const v2_junk[] = {
    "",
    "\n",
    " ",
    "200000",
    "200000\n",
    "200000 ",
    "200000 \n",
    " 200000 100000\n",
    "200000  100000\n",
    "200000 100000 \n",
    "200000 100000\n7\n",
    "200000 100000x\n",
    "200000x 100000\n",
    "200000\t100000\n",
    "-1 100000\n",
    "+200000 100000\n",
    "200000 -100000\n",
    "0 100000\n",
    "200000 0\n",
    "2e5 100000\n",
    "18446744073709551616 100000\n",
    "18446744073709751616 100000\n",
    "200000 18446744073709551616\n",
    "200000 100000                                                        \n",
    "1000000000000000000000000000000000000000000000000000000000000000000000000000000 100000\n",
};

START_TEST(v2_malformed_text_means_no_limit) {
    proc_make("0::/app\n", V2_MOUNT);
    file_make("sys/fs/cgroup/app/cpu.max", v2_junk[_i]);
    ck_assert_quota(0);
    file_make("sys/fs/cgroup/cpu.max", "300000 100000\n");
    ck_assert_quota(3);
}
END_TEST

/* What a pair of cpu.cfs_quota_us and cpu.cfs_period_us means. */
static const struct {
    const char *quota, *period;
    unsigned cpus;
} v1_texts[] = {
    {"300000\n", "100000\n", 3}, {"250001\n", "100000\n", 3}, {"5000\n", "100000\n", 1},     {"-1\n", "100000\n", 0},
    {"0\n", "100000\n", 0},      {"300000\n", "0\n", 0},      {"300000\n", "\n", 0},         {"", "100000\n", 0},
    {"300000", "100000", 3},     {"3e5\n", "100000\n", 0},    {"300000 1\n", "100000\n", 0}, {"300000\n", "-1\n", 0},
};

START_TEST(v1_text_means) {
    proc_make("4:cpu,cpuacct:/app\n", V1_MOUNT);
    v1_make("sys/fs/cgroup/cpu,cpuacct/app", v1_texts[_i].quota, v1_texts[_i].period);
    ck_assert_quota(v1_texts[_i].cpus);
}
END_TEST

/* Three levels; whichever is the tightest wins, and "max" or a missing file in between does not stop the walk. */
static const struct {
    const char *mount, *parent, *own;
    unsigned cpus;
} nestings[] = {
    {NULL, "200000 100000", "800000 100000", 2}, {NULL, "800000 100000", "200000 100000", 2},
    {NULL, "150000 100000", "max 100000", 2},    {NULL, "max 100000", "300000 100000", 3},
    {"100000 100000", "max 100000", NULL, 1},    {"400000 100000", NULL, "500000 100000", 4},
    {"400000 100000", "junk", "max 100000", 4},  {NULL, "max 100000", "max 100000", 0},
    {NULL, "210000 100000", "50000 20000", 3},   {NULL, NULL, NULL, 0},
    {"900000 100000", "700000 100000", NULL, 7}, {NULL, "100000 100000", NULL, 1},
};

START_TEST(v2_tightest_level_counts) {
    proc_make("0::/pod/app\n", V2_MOUNT);
    file_make("sys/fs/cgroup/pod/app/cgroup.procs", "");
    if (nestings[_i].mount != NULL)
        file_make("sys/fs/cgroup/cpu.max", nestings[_i].mount);
    if (nestings[_i].parent != NULL)
        file_make("sys/fs/cgroup/pod/cpu.max", nestings[_i].parent);
    if (nestings[_i].own != NULL)
        file_make("sys/fs/cgroup/pod/app/cpu.max", nestings[_i].own);
    ck_assert_quota(nestings[_i].cpus);
}
END_TEST

START_TEST(v2_sibling_and_child_groups_do_not_count) {
    proc_make("0::/pod/app\n", V2_MOUNT);
    file_make("sys/fs/cgroup/pod/app/cpu.max", "500000 100000\n");
    file_make("sys/fs/cgroup/pod/app/child/cpu.max", "100000 100000\n");
    file_make("sys/fs/cgroup/pod/application/cpu.max", "100000 100000\n");
    file_make("sys/fs/cgroup/pod/ap/cpu.max", "100000 100000\n");
    file_make("sys/fs/cpu.max", "100000 100000\n");
    ck_assert_quota(5);
}
END_TEST

START_TEST(v2_root_group_reads_the_mount_point) {
    proc_make("0::/\n", V2_MOUNT);
    file_make("sys/fs/cgroup/cpu.max", "300000 100000\n");
    ck_assert_quota(3);
}
END_TEST

START_TEST(v2_removed_group_leaves_its_ancestors) {
    proc_make("0::/pod/gone (deleted)\n", V2_MOUNT);
    file_make("sys/fs/cgroup/pod/cpu.max", "300000 100000\n");
    ck_assert_quota(3);
}
END_TEST

START_TEST(v2_group_with_colon_and_space_is_found) {
    proc_make("0::/a:b c\n", V2_MOUNT);
    file_make("sys/fs/cgroup/a:b c/cpu.max", "300000 100000\n");
    ck_assert_quota(3);
}
END_TEST

START_TEST(v2_last_line_without_newline_counts) {
    proc_make("0::/app", "30 22 0:27 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw");
    file_make("sys/fs/cgroup/app/cpu.max", "300000 100000\n");
    ck_assert_quota(3);
}
END_TEST

START_TEST(v1_tightest_level_counts) {
    proc_make("5:cpuset:/pod/app\n4:cpu,cpuacct:/pod/app\n1:name=systemd:/other\n", CPUSET_MOUNT V1_MOUNT);
    v1_make("sys/fs/cgroup/cpu,cpuacct", "-1\n", "100000\n");
    v1_make("sys/fs/cgroup/cpu,cpuacct/pod", "200000\n", "100000\n");
    v1_make("sys/fs/cgroup/cpu,cpuacct/pod/app", "600000\n", "100000\n");
    v1_make("sys/fs/cgroup/cpuset/pod/app", "100000\n", "100000\n");
    v1_make("sys/fs/cgroup/cpu,cpuacct/other", "100000\n", "100000\n");
    ck_assert_quota(2);
}
END_TEST

/* Only a controller named exactly "cpu" carries the quota. */
static const struct {
    const char *cgroup, *options;
    unsigned cpus;
} controllers[] = {
    {"4:cpu:/app\n", "rw,cpu", 2},
    {"4:cpuacct,cpu:/app\n", "rw,cpuacct,cpu", 2},
    {"4:cpu,cpuacct:/app\n", "cpu", 2},
    {"4:cpuset:/app\n", "rw,cpuset", 0},
    {"4:cpuacct:/app\n", "rw,cpu", 0},
    {"4:cpu:/app\n", "rw,cpuacct", 0},
    {"4:name=cpu:/app\n", "rw,name=cpu", 0},
    {"4:name=cpu:/app\n", "rw,cpu", 0},
    {"4:,:/app\n", "rw,cpu", 0},
    {"0::/app\n", "rw,cpu", 0},
};

START_TEST(v1_controller_is_matched_whole) {
    char mountinfo[256];
    snprintf(mountinfo, sizeof mountinfo, "31 30 0:28 / /cg rw - cgroup cgroup %s\n", controllers[_i].options);
    proc_make(controllers[_i].cgroup, mountinfo);
    v1_make("cg/app", "200000\n", "100000\n");
    ck_assert_quota(controllers[_i].cpus);
}
END_TEST

START_TEST(hybrid_takes_the_quota_from_v1) {
    proc_make("4:cpu,cpuacct:/app\n1:name=systemd:/app\n0::/app\n", V1_MOUNT CPUSET_MOUNT HYBRID_MOUNT);
    v1_make("sys/fs/cgroup/cpu,cpuacct/app", "200000\n", "100000\n");
    file_make("sys/fs/cgroup/unified/app/cgroup.procs", "");
    ck_assert_quota(2);
}
END_TEST

START_TEST(hybrid_takes_the_quota_from_v2) {
    proc_make("5:cpuset:/app\n0::/app/v2\n", CPUSET_MOUNT HYBRID_MOUNT);
    file_make("sys/fs/cgroup/unified/app/v2/cpu.max", "max 100000\n");
    file_make("sys/fs/cgroup/unified/app/cpu.max", "250000 100000\n");
    ck_assert_quota(3);
}
END_TEST

START_TEST(hybrid_takes_the_tighter_of_both) {
    proc_make("4:cpu,cpuacct:/one\n0::/two\n", HYBRID_MOUNT V1_MOUNT);
    v1_make("sys/fs/cgroup/cpu,cpuacct/one", "400000\n", "100000\n");
    file_make("sys/fs/cgroup/unified/two/cpu.max", "300000 100000\n");
    ck_assert_quota(3);
    v1_make("sys/fs/cgroup/cpu,cpuacct/one", "200000\n", "100000\n");
    ck_assert_quota(2);
}
END_TEST

/* Which of a mount's directories count for a group, by the group's path and the mount's root: at the mount point the
 * quota is 8 CPUs, in sub 4, in sub/app 2. */
static const struct {
    const char *group, *top;
    unsigned cpus;
} namespaces[] = {
    /* everything in one namespace */
    {"/", "/", 8},
    {"/sub/app", "/", 2},
    {"/sub/none", "/", 4},
    /* a subtree is mounted: the host's paths in a container without a cgroup namespace */
    {"/docker/abc", "/docker/abc", 8},
    {"/docker/abc/sub/app", "/docker/abc", 2},
    {"/docker/abcd/sub/app", "/docker/abc", 0},
    {"/docker", "/docker/abc", 0},
    {"/", "/docker/abc", 0},
    /* the mount's root is above the namespace's, and so is the group */
    {"/../..", "/../..", 8},
    {"/../../sub/app", "/../..", 2},
    {"/../../sub", "/../..", 4},
    {"/../x/sub/app", "/../x", 2},
    /* above, and the names in between are unknown: only the mount's root is certain */
    {"/", "/..", 8},
    {"/sub/app", "/..", 8},
    {"/sub/app", "/../..", 8},
    {"/../sub/app", "/../..", 8},
    /* the group is outside of the mount */
    {"/..", "/", 0},
    {"/../..", "/", 0},
    {"/../../sub/app", "/", 0},
    {"/../../..", "/../..", 0},
    {"/../sub", "/../../sub", 0},
    {"/sub", "/../sub", 0},
    {"/../y", "/../x", 0},
    /* two dots are only "up" as a whole name */
    {"/..sub", "/", 8},
    {"/...", "/..", 8},
};

static void namespace_tree_make(const char *cgroup, const char *mountinfo) {
    proc_make(cgroup, mountinfo);
    file_make("a/cpu.max", "100000 100000\n"); /* where a literal ".." would lead */
    file_make("cpu.max", "100000 100000\n");
    file_make("a/cg/cpu.max", "800000 100000\n");
    file_make("a/cg/sub/cpu.max", "400000 100000\n");
    file_make("a/cg/sub/app/cpu.max", "200000 100000\n");
    file_make("a/sub/app/cpu.max", "100000 100000\n");
}

START_TEST(namespaced_paths_meet) {
    char cgroup[128], mountinfo[256];
    snprintf(cgroup, sizeof cgroup, "0::%s\n", namespaces[_i].group);
    snprintf(mountinfo, sizeof mountinfo, "30 22 0:27 %s /a/cg ro - cgroup2 cgroup rw\n", namespaces[_i].top);
    namespace_tree_make(cgroup, mountinfo);
    ck_assert_quota(namespaces[_i].cpus);
}
END_TEST

START_TEST(v1_subtree_mount_is_found) {
    proc_make("4:cpu,cpuacct:/docker/abc/task\n", "31 30 0:28 /docker/abc /cg/cpu ro - cgroup cgroup rw,cpu,cpuacct\n");
    v1_make("cg/cpu", "300000\n", "100000\n");
    v1_make("cg/cpu/task", "-1\n", "100000\n");
    ck_assert_quota(3);
}
END_TEST

START_TEST(every_mount_of_a_hierarchy_counts) {
    proc_make("0::/pod/app\n", "30 22 0:27 /elsewhere /one rw - cgroup2 cgroup2 rw\n"
                               "31 22 0:27 /pod/app /two rw - cgroup2 cgroup2 rw\n"
                               "32 22 0:27 / /three rw - cgroup2 cgroup2 rw\n");
    file_make("one/cpu.max", "100000 100000\n");
    file_make("two/cpu.max", "600000 100000\n");
    ck_assert_quota(6);
    file_make("three/pod/cpu.max", "300000 100000\n");
    ck_assert_quota(3);
}
END_TEST

START_TEST(escaped_mount_point_is_found) {
    proc_make("0::/app\n", "30 22 0:27 / /my\\040c\\011g\\012\\134x\\043 rw - cgroup2 cgroup2 rw\n");
    file_make("my c\tg\n\\x#/app/cpu.max", "300000 100000\n");
    ck_assert_quota(3);
}
END_TEST

START_TEST(escaped_mount_root_is_matched) {
    proc_make("0::/my pod\\/app\n", "30 22 0:27 /my\\040pod\\134 /cg rw - cgroup2 cgroup2 rw\n");
    file_make("cg/app/cpu.max", "300000 100000\n");
    ck_assert_quota(3);
}
END_TEST

START_TEST(malformed_escape_stands_for_itself) {
    proc_make("0::/\n", "30 22 0:27 / /a\\04 rw - cgroup2 cgroup2 rw\n30 22 0:27 / /b\\777 rw - cgroup2 cgroup2 rw\n"
                        "30 22 0:27 / /c\\ rw - cgroup2 cgroup2 rw\n");
    file_make("a\\04/cpu.max", "500000 100000\n");
    ck_assert_quota(5);
    file_make("b\\777/cpu.max", "400000 100000\n");
    ck_assert_quota(4);
    file_make("c\\/cpu.max", "300000 100000\n");
    ck_assert_quota(3);
}
END_TEST

/* Lines of mountinfo that are none, beside a good one, which must still be found. */
static const char *const mount_junk[] = {
    "\n",
    " \n",
    "-\n",
    "30\n",
    "30 22 0:27 /\n",
    "30 22 0:27 / /bad\n",
    "30 22 0:27 / /bad rw\n",
    "30 22 0:27 / /bad rw -\n",
    "30 22 0:27 / /bad rw - cgroup2\n",
    "30 22 0:27 / /bad rw - cgroup2 cgroup2\n",
    "30 22 0:27 / /bad rw cgroup2 cgroup2 rw\n",
    "30 22 0:27 / bad rw - cgroup2 cgroup2 rw\n",
    "30 22 0:27 x /bad rw - cgroup2 cgroup2 rw\n",
    "30 22 0:27  /bad rw - cgroup2 cgroup2 rw\n",
    "30 22 0:27   /bad rw - cgroup2 cgroup2 rw\n",
    "30 22 0:27 / /bad rw - cgroup2fs cgroup2 rw\n",
    "30 22 0:27 / /bad rw - tmpfs cgroup2 rw,cpu\n",
    "30 22 0:27 / /bad rw - cgroup2 \n",
};

START_TEST(malformed_mount_is_skipped) {
    char mountinfo[512];
    snprintf(mountinfo, sizeof mountinfo, "%s%s", mount_junk[_i], V2_MOUNT);
    proc_make("0::/\n", mountinfo);
    file_make("bad/cpu.max", "100000 100000\n");
    file_make("sys/fs/cgroup/cpu.max", "300000 100000\n");
    ck_assert_quota(3);
}
END_TEST

/* Lines of cgroup that are none. */
static const char *const group_junk[] = {"", "\n", ":\n", "::\n", "0\n", "0:\n", "0::\n", "0::x\n", "0:/\n", "/\n"};

START_TEST(malformed_group_is_skipped) {
    char cgroup[64];
    proc_make(group_junk[_i], V2_MOUNT);
    file_make("sys/fs/cgroup/cpu.max", "300000 100000\n");
    ck_assert_quota(0);
    snprintf(cgroup, sizeof cgroup, "%s0::/\n", group_junk[_i]);
    file_make("proc/self/cgroup", cgroup);
    ck_assert_quota(3);
}
END_TEST

START_TEST(missing_files_mean_no_limit) {
    ck_assert_quota(0);
    file_make("proc/self/cgroup", "0::/app\n4:cpu:/app\n");
    ck_assert_quota(0);
    file_make("proc/self/mountinfo", "");
    ck_assert_quota(0);
    file_make("proc/self/mountinfo", V1_MOUNT V2_MOUNT);
    ck_assert_quota(0);
    file_make("sys/fs/cgroup/cpu,cpuacct/app/cpu.cfs_quota_us", "100000\n");
    ck_assert_quota(0);
    ck_assert_uint_eq(vti_cpu_quota("/no/such/root"), 0);
}
END_TEST

START_TEST(directory_in_a_files_place_means_no_limit) {
    proc_make("0::/app\n", V2_MOUNT);
    file_make("sys/fs/cgroup/app/cpu.max/x", "");
    ck_assert_quota(0);
    file_make("sys/fs/cgroup/cpu.max", "300000 100000\n");
    ck_assert_quota(3);
}
END_TEST

static char *string_repeat(const char *part, int times) {
    size_t len = strlen(part);
    char *all = malloc(len * (size_t)times + 1);
    ck_assert_ptr_nonnull(all);
    for (int i = 0; i < times; i++)
        memcpy(all + len * (size_t)i, part, len);
    all[len * (size_t)times] = '\0';
    return all;
}

START_TEST(long_mount_line_does_not_hide_the_next) {
    char *dirs = string_repeat(":/var/lib/layers/0123456789abcdef", 10000);
    char *mountinfo;
    ck_assert_int_gt(asprintf(&mountinfo, "40 22 0:40 / /merged rw - overlay overlay rw,lowerdir=%s\n%s%s", dirs,
                              V2_MOUNT, "41 22 0:41 / /x rw - ext4 /dev/x rw\n"),
                     0);
    proc_make("0::/app\n", mountinfo);
    file_make("sys/fs/cgroup/app/cpu.max", "300000 100000\n");
    ck_assert_quota(3);
    free(mountinfo);
    free(dirs);
}
END_TEST

/* The deep levels have no path that could be opened; their ancestors are read all the same. */
START_TEST(group_too_deep_to_open_leaves_its_ancestors) {
    char *deep = string_repeat("/0123456789", 1000);
    char *cgroup;
    ck_assert_int_gt(asprintf(&cgroup, "0::/app%s\n", deep), 0);
    proc_make(cgroup, V2_MOUNT);
    file_make("sys/fs/cgroup/app/0123456789/cpu.max", "300000 100000\n");
    ck_assert_quota(3);
    free(cgroup);
    free(deep);
}
END_TEST

START_TEST(root_too_long_means_no_limit) {
    char *deep = string_repeat("/0123456789", 1000);
    ck_assert_uint_eq(vti_cpu_quota(deep), 0);
    free(deep);
}
END_TEST

START_TEST(many_mounts_are_all_seen) {
    char *others = string_repeat(OTHER_MOUNTS, 2000);
    char *mountinfo;
    ck_assert_int_gt(asprintf(&mountinfo, "%s%s", others, V2_MOUNT), 0);
    proc_make("0::/app\n", mountinfo);
    file_make("sys/fs/cgroup/app/cpu.max", "300000 100000\n");
    ck_assert_quota(3);
    free(mountinfo);
    free(others);
}
END_TEST

static int open_descriptors(void) {
    int count = 0;
    for (int fd = 0; fd < 256; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

START_TEST(no_descriptor_stays_open) {
    proc_make("0::/app\n4:cpu,cpuacct:/app\n", V1_MOUNT V2_MOUNT);
    file_make("sys/fs/cgroup/app/cpu.max", "300000 100000\n");
    int before = open_descriptors();
    ck_assert_quota(3);
    vti_cpu_count();
    ck_assert_int_eq(open_descriptors(), before);
}
END_TEST

static unsigned affinity_real(cpu_set_t *set) {
    ck_assert_int_eq(sched_getaffinity(0, sizeof *set, set), 0);
    return (unsigned)CPU_COUNT(set);
}

static unsigned cut_by_quota(unsigned cpus) {
    unsigned quota = vti_cpu_quota("");
    return quota != 0 && quota < cpus ? quota : cpus;
}

START_TEST(count_is_affinity_cut_by_quota) {
    cpu_set_t set;
    ck_assert_uint_eq(vti_cpu_count(), cut_by_quota(affinity_real(&set)));
}
END_TEST

START_TEST(count_is_one_on_one_cpu) {
    cpu_set_t all, one;
    affinity_real(&all);
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &all))
            continue;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        ck_assert_int_eq(sched_setaffinity(0, sizeof one, &one), 0);
        ck_assert_uint_eq(vti_cpu_count(), 1);
    }
}
END_TEST

START_TEST(affinity_set_grows_for_a_large_machine) {
    for (size_t cpus = CPU_SETSIZE; cpus <= 65536; cpus *= 2) {
        affinity_least_bytes = CPU_ALLOC_SIZE(cpus + 64);
        ck_assert_uint_eq(vti_cpu_count(), cut_by_quota(3));
    }
}
END_TEST

START_TEST(affinity_without_memory_leaves_the_online_cpus) {
    vti_alloc_fail_after(0);
    ck_assert_uint_eq(vti_cpu_count(), cut_by_quota((unsigned)sysconf(_SC_NPROCESSORS_ONLN)));
}
END_TEST

START_TEST(affinity_failure_leaves_the_online_cpus) {
    static const int failures[] = {EPERM, ENOSYS, EINVAL};
    affinity_errno = failures[_i];
    ck_assert_uint_eq(vti_cpu_count(), cut_by_quota((unsigned)sysconf(_SC_NPROCESSORS_ONLN)));
}
END_TEST

static TCase *case_make(Suite *suite, const char *name) {
    TCase *tcase = tcase_create(name);
    tcase_add_unchecked_fixture(tcase, base_make, base_remove);
    tcase_add_checked_fixture(tcase, root_make, NULL);
    tcase_set_timeout(tcase, 30);
    suite_add_tcase(suite, tcase);
    return tcase;
}

static void v2_add(TCase *tcase) {
    tcase_add_loop_test(tcase, v2_text_means, 0, COUNT(v2_texts));
    tcase_add_loop_test(tcase, v2_malformed_text_means_no_limit, 0, COUNT(v2_junk));
    tcase_add_loop_test(tcase, v2_tightest_level_counts, 0, COUNT(nestings));
    tcase_add_test(tcase, v2_sibling_and_child_groups_do_not_count);
    tcase_add_test(tcase, v2_root_group_reads_the_mount_point);
    tcase_add_test(tcase, v2_removed_group_leaves_its_ancestors);
    tcase_add_test(tcase, v2_group_with_colon_and_space_is_found);
    tcase_add_test(tcase, v2_last_line_without_newline_counts);
}

static void v1_add(TCase *tcase) {
    tcase_add_loop_test(tcase, v1_text_means, 0, COUNT(v1_texts));
    tcase_add_loop_test(tcase, v1_controller_is_matched_whole, 0, COUNT(controllers));
    tcase_add_test(tcase, v1_tightest_level_counts);
    tcase_add_test(tcase, v1_subtree_mount_is_found);
    tcase_add_test(tcase, hybrid_takes_the_quota_from_v1);
    tcase_add_test(tcase, hybrid_takes_the_quota_from_v2);
    tcase_add_test(tcase, hybrid_takes_the_tighter_of_both);
}

static void mounts_add(TCase *tcase) {
    tcase_add_loop_test(tcase, namespaced_paths_meet, 0, COUNT(namespaces));
    tcase_add_test(tcase, every_mount_of_a_hierarchy_counts);
    tcase_add_test(tcase, escaped_mount_point_is_found);
    tcase_add_test(tcase, escaped_mount_root_is_matched);
    tcase_add_test(tcase, malformed_escape_stands_for_itself);
}

static void hostile_add(TCase *tcase) {
    tcase_add_loop_test(tcase, malformed_mount_is_skipped, 0, COUNT(mount_junk));
    tcase_add_loop_test(tcase, malformed_group_is_skipped, 0, COUNT(group_junk));
    tcase_add_test(tcase, missing_files_mean_no_limit);
    tcase_add_test(tcase, directory_in_a_files_place_means_no_limit);
    tcase_add_test(tcase, long_mount_line_does_not_hide_the_next);
    tcase_add_test(tcase, group_too_deep_to_open_leaves_its_ancestors);
    tcase_add_test(tcase, root_too_long_means_no_limit);
    tcase_add_test(tcase, many_mounts_are_all_seen);
    tcase_add_test(tcase, no_descriptor_stays_open);
}

static void affinity_add(TCase *tcase) {
    tcase_add_test(tcase, count_is_affinity_cut_by_quota);
    tcase_add_test(tcase, count_is_one_on_one_cpu);
    tcase_add_test(tcase, affinity_set_grows_for_a_large_machine);
    tcase_add_test(tcase, affinity_without_memory_leaves_the_online_cpus);
    tcase_add_loop_test(tcase, affinity_failure_leaves_the_online_cpus, 0, 3);
}

int main(void) {
    Suite *suite = suite_create("cpu");
    v2_add(case_make(suite, "v2"));
    v1_add(case_make(suite, "v1 and hybrid"));
    mounts_add(case_make(suite, "mounts and namespaces"));
    hostile_add(case_make(suite, "malformed, missing, long"));
    affinity_add(case_make(suite, "affinity"));
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
