/* treehash: SHA-256 of every file of directory trees, in the format and order of
 *
 *     find DIR... -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
 *
 * and, with --check, the other way round: it verifies such lists as `sha256sum --check` does.
 *
 * How the work is cut into tasks:
 *
 *   main ---> list DIR ---> list DIR/sub ---> ...        a task per directory, which starts those below it
 *                 \---> hash DIR/file, hash ...          a task per file, and over those of one directory a when_all
 *
 * No task waits for another one: a directory's task ends when it has listed its directory and started what it found
 * there. Only main waits, for the listings first, then for each directory's when_all. So however deep or wide the
 * tree is, no worker ever stands still and no stack grows. A directory is open while it is listed and a file while it
 * is hashed, so the files that are open at a time are as many as the workers.
 *
 * Hard links, and files reached through two DIRs, are hashed once. The task that opens a file asks a cache, keyed by
 * (device, inode), and is answered by a value-task: mostly it is complete already, and then it is two words and
 * nothing was allocated; if somebody is hashing this inode right now, it is a value-task over that somebody's task.
 * The task does not wait for that, either: it leaves the task for main.
 *
 * Everything that has to do with tasks is here. treehash/ holds the rest: batch.h (how files lie in memory), cache.h (a
 * hash table), lines.h (sha256sum's format), progress.h (the bar; it is a task, too).
 *
 * What a task learns it writes into its own struct file or struct batch. main reads those after it awaited the task,
 * and the await is what makes that safe. Shared words are the cache, under its lock, and the counters. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <openssl/evp.h>

#include <vtask.h>

#include "treehash/batch.h"
#include "treehash/cache.h"
#include "treehash/lines.h"
#include "treehash/progress.h"

#define CHUNK ((size_t)64 * 1024)

struct run {
    task_pool *pool;
    EVP_MD *sha256; /* fetched once: looking it up by name for each file costs more than hashing a small one */
    struct batch *batches;
    struct cache cache;
    struct progress progress;
    bool check;
    unsigned jobs;
    atomic_uint_fast64_t a_hits_at_once, a_hits_pending;
    uint64_t files;      /* main's: hashed */
    uint64_t unreadable; /* main's: files and directories */
    uint64_t mismatches; /* main's */
};

static void report_unreadable(struct run *run, const char *path, int error) {
    run->unreadable++;
    report(&run->progress, path, vtask_strerror(error));
}

/* ---- Hashing one file -------------------------------------------------------------------------------------------- */

/* A tree's entry may have become something else since it was listed. It is not followed (symbolic link) and not waited
 * for (FIFO). A list's entry may be anything, as it may for sha256sum. */
static int open_file(const struct file *file, int *fd, struct stat *status) {
    bool check = file->batch->run->check;
    *fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | (check ? 0 : O_NOFOLLOW | O_NONBLOCK));
    if (*fd < 0 || fstat(*fd, status) != 0) {
        return errno;
    }
    return check || S_ISREG(status->st_mode) ? 0 : ESTALE;
}

static int hash_content(struct run *run, int fd, unsigned char digest[DIGEST_SIZE]) {
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    unsigned char *chunk = malloc(CHUNK);
    int error = context != NULL && chunk != NULL && EVP_DigestInit_ex(context, run->sha256, NULL) ? 0 : ENOMEM;
    ssize_t n = 1;
    while (error == 0 && n != 0) {
        n = read(fd, chunk, CHUNK);
        if (n < 0) {
            error = errno == EINTR ? 0 : errno;
        } else if (n > 0) {
            count(&run->progress.a_bytes_read, (uint64_t)n);
            error = EVP_DigestUpdate(context, chunk, (size_t)n) ? 0 : ENOMEM;
        }
    }
    if (error == 0 && !EVP_DigestFinal_ex(context, digest, NULL)) {
        error = ENOMEM;
    }
    free(chunk);
    EVP_MD_CTX_free(context);
    return error;
}

/* The heart of it: one type for "here it is" and for "it is being made". */
static vt cache_answer(struct content *c) {
    if (c->hasher != NULL) {
        return vt_from_task(task_retain(c->hasher));
    }
    return c->error != 0 ? vt_from_error(c->error) : vt_from_value((task_value){.ptr = c});
}

/* Takes the outcome of an answer that is complete, and leaves the task of one that is not for main to await: here it
 * would hold up this worker for as long as the other one hashes. */
static int take_answer(struct file *file, vt *answer) {
    struct run *run = file->batch->run;
    if (vt_is_completed(answer)) {
        task_value value = {0};
        int error = vt_await(answer, &value);
        file->content = value.ptr;
        count(&run->a_hits_at_once, 1);
        return error;
    }
    file->pending = vt_as_task(answer);
    if (file->pending == NULL) {
        vt_discard(answer); /* still unspent: it was not converted */
        return ENOMEM;
    }
    count(&run->a_hits_pending, 1);
    return 0;
}

/* Either the cache answers, or `mine` is set and the hashing is up to the caller. The answer is spent under the lock,
 * so that at most one stands before a task, though a thousand links may ask for it at once: the library allows 32. */
static int consult_cache(struct file *file, const struct stat *status, struct content **mine) {
    struct cache *cache = &file->batch->run->cache;
    int error = 0;
    pthread_mutex_lock(&cache->lock);
    struct content *known = cache_find(cache, status);
    if (known != NULL) {
        vt answer = cache_answer(known);
        error = take_answer(file, &answer);
    } else {
        *mine = cache_add(cache, status, task_current());
        error = *mine != NULL ? 0 : ENOMEM;
    }
    pthread_mutex_unlock(&cache->lock);
    return error;
}

static int hash_mine(struct file *file, int fd, struct content *mine) {
    struct run *run = file->batch->run;
    int error = hash_content(run, fd, mine->digest);
    pthread_mutex_lock(&run->cache.lock);
    task *hasher = mine->hasher;
    mine->error = error;
    mine->hasher = NULL; /* from here on the answer is a value */
    pthread_mutex_unlock(&run->cache.lock);
    task_release(hasher);
    file->content = mine;
    return error;
}

/* The task of one file. Its value is the content: those who found this inode pending get it from here. */
static int hash_file(void *arg, task_value *result) {
    struct file *file = arg;
    struct run *run = file->batch->run;
    struct stat status = {0};
    struct content *mine = NULL;
    int fd = -1;
    /* The key comes from the open file, not from the listing: what a name means may have changed in between. */
    int error = open_file(file, &fd, &status);
    if (error == 0) {
        error = consult_cache(file, &status, &mine);
    }
    if (mine != NULL) {
        error = hash_mine(file, fd, mine);
    } else if (error != 0 || status.st_nlink <= 1) {
        count(&run->progress.a_bytes_skipped, file->share); /* of a link the share stays, it was read elsewhere */
    }
    if (fd >= 0) {
        close(fd);
    }
    count(&run->progress.a_files_done, 1);
    file->error = error;
    result->ptr = file->content;
    return error;
}

/* ---- Batches of files -------------------------------------------------------------------------------------------- */

static void start_file(struct file *file, const struct stat *status) {
    struct batch *batch = file->batch;
    task_options options = TASK_OPTIONS_INIT;
    options.pool = batch->run->pool;
    options.name = "hash";
    file->share = (uint64_t)status->st_size / (status->st_nlink > 0 ? (uint64_t)status->st_nlink : 1);
    task *t = task_run_with(&options, hash_file, file);
    if (t == NULL) {
        file->error = errno;
        return;
    }
    count(&batch->run->progress.a_files_found, 1);
    count(&batch->run->progress.a_bytes_found, file->share);
    batch->tasks[batch->task_count++] = t;
}

/* One task for all: the files' own handles are not needed any more, and go as the files are done. */
static void batch_seal(struct batch *batch) {
    batch->all = when_all(batch->tasks, batch->task_count);
    if (batch->all != NULL) {
        for (size_t i = 0; i < batch->task_count; i++) {
            task_release(batch->tasks[i]);
        }
        batch->task_count = 0;
        free(batch->tasks);
        batch->tasks = NULL;
    }
}

/* Errors are each file's own, see struct file; that a file failed is no news here. A task may be awaited again. */
static void batch_wait(struct batch *batch) {
    if (batch->all != NULL) {
        task_await(batch->all, NULL);
    }
    for (size_t i = 0; i < batch->task_count; i++) {
        task_await(batch->tasks[i], NULL);
    }
}

/* The file's outcome. Called by main, when everything it may hang on has been started. */
static int file_wait(struct file *file) {
    batch_wait(file->batch);
    if (file->pending != NULL) {
        task_value value = {0};
        file->error = task_join(file->pending, &value);
        file->content = value.ptr;
        file->pending = NULL;
    }
    return file->error;
}

/* ---- Directory trees --------------------------------------------------------------------------------------------- */

static int list_directory(void *arg, task_value *result);

static void start_directory(struct batch *parent, const char *name) {
    struct batch *batch = batch_new(parent->run, parent->path, name);
    if (batch == NULL) {
        parent->error = ENOMEM;
        return;
    }
    batch->next = parent->children;
    parent->children = batch;
    task_options options = TASK_OPTIONS_INIT;
    options.pool = parent->run->pool;
    options.name = "list";
    task *listing = task_run_with(&options, list_directory, batch);
    if (listing == NULL) {
        batch->error = errno; /* else it is the task's to write */
    }
    batch->listing = listing;
}

/* Starts whatever a name in an open directory stands for. What is neither directory nor regular file is left out; what
 * cannot even be looked at is a file that cannot be read. */
static void start_entry(struct batch *batch, int at, const char *name) {
    struct stat status;
    int error = fstatat(at, name, &status, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) == 0 ? 0 : errno;
    if (error == 0 && S_ISDIR(status.st_mode)) {
        start_directory(batch, name);
    } else if (error != 0 || S_ISREG(status.st_mode)) {
        struct file *file = add_file(batch, batch->path, name, NULL);
        if (file != NULL && error == 0) {
            start_file(file, &status);
        } else if (file != NULL) {
            file->error = error;
        }
    }
}

static int list_entries(struct batch *batch, DIR *stream) {
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(stream);
        if (entry == NULL) {
            return errno;
        }
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            start_entry(batch, dirfd(stream), entry->d_name);
        }
    }
}

/* The task of one directory. */
static int list_directory(void *arg, task_value *result) {
    struct batch *batch = arg;
    int fd = open(batch->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *stream = fd >= 0 ? fdopendir(fd) : NULL;
    if (stream == NULL) {
        batch->error = errno;
        if (fd >= 0) {
            close(fd);
        }
        return batch->error;
    }
    int error = list_entries(batch, stream);
    closedir(stream);
    batch_seal(batch);
    batch->error = error != 0 ? error : batch->error;
    result->u64 = batch->file_count;
    return batch->error;
}

/* Lists all trees. When it returns every file's task has been started, and run->batches is complete. */
static int walk(struct run *run, char *const dirs[], int n) {
    struct batch *root = run->batches = batch_new(run, "", "");
    if (root == NULL) {
        return ENOMEM;
    }
    for (int i = 0; i < n; i++) {
        start_entry(root, AT_FDCWD, dirs[i]);
    }
    batch_seal(root);
    struct batch **tail = &root->next;
    for (struct batch *batch = root; batch != NULL; batch = batch->next) {
        if (batch->listing != NULL) {
            task_join(batch->listing, NULL);
        }
        for (*tail = batch->children; *tail != NULL; tail = &(*tail)->next) {
        }
        if (batch->error != 0) {
            report_unreadable(run, batch == root ? "the command line" : batch->path, batch->error);
        }
    }
    return 0;
}

static int by_path(const void *a, const void *b) {
    return strcmp((*(struct file *const *)a)->path, (*(struct file *const *)b)->path);
}

/* All files of all batches in one array, sorted byte by byte; NULL: no memory. */
static struct file **sorted_files(const struct run *run, size_t *n) {
    *n = 0;
    for (const struct batch *batch = run->batches; batch != NULL; batch = batch->next) {
        *n += batch->file_count;
    }
    struct file **files = malloc((*n + 1) * sizeof(struct file *));
    size_t i = 0;
    for (const struct batch *batch = run->batches; files != NULL && batch != NULL; batch = batch->next) {
        for (size_t k = 0; k < batch->file_count; k++) {
            files[i++] = batch->files[k];
        }
    }
    if (files != NULL) {
        qsort(files, *n, sizeof(struct file *), by_path);
    }
    return files;
}

/* Lines go to stdout as soon as they are known. Where that is the terminal the bar is on, the bar comes first. */
static void finish_bar_first(struct run *run) {
    if (run->progress.painter != NULL && isatty(STDOUT_FILENO)) {
        for (struct batch *batch = run->batches; batch != NULL; batch = batch->next) {
            batch_wait(batch);
        }
        progress_stop(&run->progress);
    }
}

static int hash_trees(struct run *run, char *const dirs[], int n) {
    int error = walk(run, dirs, n);
    size_t file_count = 0;
    struct file **files = error == 0 ? sorted_files(run, &file_count) : NULL;
    if (files == NULL) {
        return ENOMEM;
    }
    finish_bar_first(run);
    for (size_t i = 0; i < file_count; i++) {
        error = file_wait(files[i]);
        if (error == 0) {
            run->files++;
            put_line(files[i]->content->digest, files[i]->path);
        } else {
            report_unreadable(run, files[i]->path, error);
        }
    }
    free(files);
    return 0;
}

/* ---- --check: lists of such lines -------------------------------------------------------------------------------- */

static void check_line(struct batch *list, char *line) {
    unsigned char digest[DIGEST_SIZE];
    line[strcspn(line, "\n")] = '\0';
    size_t length = strlen(line);
    if (length > 0 && line[length - 1] == '\r') {
        line[length - 1] = '\0'; /* a list from elsewhere; in a name it would have been escaped */
    }
    if (*line == '\0' || *line == '#') {
        return;
    }
    const char *name = parse_line(line, digest);
    if (name == NULL) {
        list->malformed++;
        return;
    }
    struct file *file = add_file(list, "", name, digest);
    if (file != NULL) {
        struct stat status = {0};
        (void)stat(name, &status); /* for the bar; the task will see for itself */
        start_file(file, &status);
    }
}

/* Starts the tasks of all files that a list names. */
static void read_list(struct batch *list) {
    bool is_stdin = strcmp(list->path, "-") == 0;
    FILE *stream = is_stdin ? stdin : fopen(list->path, "re");
    if (stream == NULL) {
        list->error = errno;
        return;
    }
    char *line = NULL;
    size_t size = 0;
    errno = 0;
    while (getline(&line, &size, stream) >= 0) {
        check_line(list, line);
        errno = 0;
    }
    if (!feof(stream)) {
        list->error = errno != 0 ? errno : EIO;
    }
    free(line);
    if (!is_stdin) {
        fclose(stream);
    }
    batch_seal(list);
}

static void warn(struct run *run, const char *list, uint64_t n, const char *one, const char *many) {
    char text[128];
    if (n > 0) {
        snprintf(text, sizeof text, "WARNING: %" PRIu64 " %s", n, n == 1 ? one : many);
        report(&run->progress, list, text);
    }
}

static void check_batch(struct run *run, struct batch *list) {
    uint64_t unreadable = 0;
    uint64_t mismatches = 0;
    for (size_t i = 0; i < list->file_count; i++) {
        struct file *file = list->files[i];
        int error = file_wait(file);
        bool equal = error == 0 && memcmp(file->content->digest, file->expected, DIGEST_SIZE) == 0;
        if (error != 0) {
            report_unreadable(run, file->path, error);
        }
        put_verdict(file->path, error != 0 ? "FAILED open or read" : equal ? "OK" : "FAILED");
        run->files += error == 0;
        unreadable += error != 0;
        mismatches += error == 0 && !equal;
    }
    if (list->error != 0) {
        report_unreadable(run, list->path, list->error);
    } else if (list->file_count == 0) {
        run->unreadable++;
        report(&run->progress, list->path, "no properly formatted checksum lines found");
        return;
    }
    warn(run, list->path, list->malformed, "line is improperly formatted", "lines are improperly formatted");
    warn(run, list->path, unreadable, "listed file could not be read", "listed files could not be read");
    warn(run, list->path, mismatches, "computed checksum did NOT match", "computed checksums did NOT match");
    run->mismatches += mismatches;
}

static int check_lists(struct run *run, char *const names[], int n) {
    struct batch **tail = &run->batches;
    for (int i = 0; i < n; i++, tail = &(*tail)->next) {
        *tail = batch_new(run, "", names[i]);
        if (*tail == NULL) {
            return ENOMEM;
        }
        read_list(*tail);
    }
    finish_bar_first(run);
    for (struct batch *list = run->batches; list != NULL; list = list->next) {
        check_batch(run, list);
    }
    return 0;
}

/* ---- The command ------------------------------------------------------------------------------------------------- */

static void put_steals(task_pool *pool) {
    task_pool_stats stats = TASK_POOL_STATS_INIT;
    task_pool_get_stats(pool, &stats);
    task_worker_stats *each = calloc(stats.threads, sizeof *each);
    if (each != NULL) {
        stats.each = each;
        stats.each_capacity = stats.threads;
        task_pool_get_stats(pool, &stats);
    }
    fprintf(stderr, "treehash: steals: %" PRIu64 ", by worker:", stats.steals);
    for (size_t i = 0; each != NULL && i < stats.each_capacity; i++) {
        fprintf(stderr, " %" PRIu64, each[i].steals);
    }
    putc('\n', stderr);
    free(each);
}

static void put_summary(struct run *run) {
    uint64_t bytes = counted(&run->progress.a_bytes_read);
    uint64_t at_once = counted(&run->a_hits_at_once);
    double seconds = seconds_since(&run->progress.begin);
    fprintf(stderr, "treehash: files: %" PRIu64 ", bytes read: %" PRIu64 ", in %.2f s: %.1f MB/s\n", run->files, bytes,
            seconds, (double)bytes / 1e6 / (seconds + 1e-9));
    fprintf(stderr, "treehash: cache hits: %" PRIu64 ", completed synchronously: %" PRIu64 "\n",
            at_once + counted(&run->a_hits_pending), at_once);
    put_steals(run->pool);
    if (run->unreadable > 0) {
        fprintf(stderr, "treehash: could not be read: %" PRIu64 "\n", run->unreadable);
    }
}

/* A worker has one file open at a time: more workers than files that may be open would only get EMFILE. */
static unsigned affordable(unsigned jobs) {
    struct rlimit files;
    const unsigned other_files = 16;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur >= jobs + other_files) {
        return jobs;
    }
    return files.rlim_cur > other_files ? (unsigned)files.rlim_cur - other_files : 1;
}

static int run_init(struct run *run) {
    task_pool_options options = TASK_POOL_OPTIONS_INIT;
    options.workers = affordable(run->jobs);
    options.name = "treehash";
    progress_init(&run->progress);
    cache_init(&run->cache);
    run->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    return run->sha256 != NULL ? task_pool_create(&run->pool, &options) : ENOTSUP;
}

/* The pool goes first: closing it runs what is still to be run, after that nobody uses the rest. */
static int run_fini(struct run *run) {
    int error = run->pool != NULL ? task_pool_close(run->pool) : 0;
    for (struct batch *batch = run->batches, *next; batch != NULL; batch = next) {
        next = batch->next;
        batch_free(batch);
    }
    cache_fini(&run->cache);
    EVP_MD_free(run->sha256);
    progress_fini(&run->progress);
    return error;
}

/* Everything between the command line and the exit status. */
static int run_all(struct run *run, char *const names[], int n) {
    int error = run_init(run);
    if (error == 0) {
        progress_start(&run->progress, run->pool);
        error = run->check ? check_lists(run, names, n) : hash_trees(run, names, n);
        progress_stop(&run->progress);
        if (error == 0 && (ferror(stdout) || fflush(stdout) != 0)) {
            error = EIO;
            report(&run->progress, "standard output", "could not be written");
        }
        put_summary(run);
    }
    int closed = run_fini(run);
    if (error != 0 || closed != 0) {
        fprintf(stderr, "treehash: %s\n", vtask_strerror(error != 0 ? error : closed));
    }
    return error == 0 && closed == 0 && run->unreadable == 0 && run->mismatches == 0 ? 0 : 1;
}

static void put_help(void) {
    printf("Usage: treehash [--jobs N] DIR...\n"
           "       treehash [--jobs N] --check LIST...\n"
           "\n"
           "Prints the SHA-256 of every regular file in the directory trees, as\n"
           "  find DIR... -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum\n"
           "does, and a summary on stderr. A DIR may also be a file. Each inode is read once.\n"
           "\n"
           "  -c, --check   read such lists (- is the standard input), or sha256sum's, and verify\n"
           "                the files named there, as sha256sum --check does\n"
           "  -j, --jobs N  work with N threads, 1 to %u; by default with as many as there are CPUs\n"
           "  -h, --help    show this\n"
           "\n"
           "Exit status: 0; 1: a file or directory could not be read, or did not match; 2: bad usage.\n",
           TASK_POOL_WORKERS_MAX);
}

static int misused(const char *problem, const char *what) {
    fprintf(stderr, "treehash: %s%s\nTry 'treehash --help'.\n", problem, what);
    return 2;
}

static bool parse_jobs(const char *text, unsigned *jobs) {
    size_t digits = strspn(text, "0123456789");
    unsigned long n = strtoul(text, NULL, 10);
    *jobs = (unsigned)n;
    return digits > 0 && digits < 10 && text[digits] == '\0' && n >= 1 && n <= TASK_POOL_WORKERS_MAX;
}

int main(int argc, char **argv) {
    static const struct option options[] = {{"check", no_argument, NULL, 'c'},
                                            {"jobs", required_argument, NULL, 'j'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    struct run run = {0};
    for (int option; (option = getopt_long(argc, argv, ":cj:h", options, NULL)) != -1;) {
        if (option == 'h') {
            put_help();
            return fflush(stdout) == 0 ? 0 : 1;
        }
        if (option == ':') {
            return misused("--jobs needs a number of threads, as in --jobs 4", "");
        }
        if (option == '?') {
            return misused("the options are --jobs N, --check and --help", "");
        }
        if (option == 'j' && !parse_jobs(optarg, &run.jobs)) {
            return misused("--jobs needs a number from 1 to 1024, not ", optarg);
        }
        run.check = run.check || option == 'c';
    }
    if (optind == argc) {
        return misused(run.check ? "name the lists to check, or - for the standard input"
                                 : "name the directories to hash, as in: treehash /usr/include",
                       "");
    }
    return run_all(&run, argv + optind, argc - optind);
}
