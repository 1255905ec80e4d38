/* How many CPUs this process may use: the affinity mask, cut down by the CPU bandwidth quota of its
 * control groups (cgroup v1, v2, or both at once). A snapshot; both may change while we run. */
#ifndef VTI_OS_CPU_H
#define VTI_OS_CPU_H

/* The CPUs that threads started by the calling thread may use: the fewer of its affinity mask's and of
 * vti_cpu_quota("").
 * Returns at least 1; never fails: whatever cannot be found out does not limit.
 * Any thread; reads files in /proc and the cgroup file systems, some 100 us; allocates; errno is left undefined. */
unsigned vti_cpu_count(void);

/* The CPUs' worth of time that the process's control groups allow, rounded up.
 * root  put before every absolute path that is opened: "" for the machine itself, a directory for tests; borrowed.
 * Returns the quota / period of the tightest group from the process's own up to the root of each cgroup mount,
 * rounded up, at least 1; 0 for no limit, also where files are missing, unreadable or malformed.
 * Any thread; as vti_cpu_count. */
unsigned vti_cpu_quota(const char *root);

#endif
