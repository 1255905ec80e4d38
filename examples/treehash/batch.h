/* treehash/batch.h: files, and the batches whose tasks one when_all stands for: how they lie in memory. What is done
 * with them is treehash.c's, which includes this. */
#ifndef TREEHASH_BATCH_H
#define TREEHASH_BATCH_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <vtask.h>

#include "lines.h"

struct run;

/* One path. Written by its task, read by main when that has ended. */
struct file {
    struct batch *batch;
    struct content *content;       /* NULL while unknown */
    task *pending;                 /* another path's task, which is hashing the same inode */
    const unsigned char *expected; /* --check: the digest that the list gives; it stands behind the path */
    uint64_t share;                /* its size by its links: what the progress bar expects of it */
    int error;
    char path[];
};

/* The files whose tasks one when_all stands for: those of a directory; with --check, those of a list. */
struct batch {
    struct run *run;
    struct batch *next;
    struct batch *children; /* the directories below this one, through their `next` */
    task *listing;          /* the task that fills it */
    task *all;              /* ends when all its files' tasks have; NULL: no memory for it, see tasks */
    task **tasks;           /* only where `all` is NULL */
    struct file **files;
    size_t task_count;
    size_t file_count;
    size_t capacity;
    size_t malformed; /* --check: lines that are none */
    int error;        /* why it is not complete */
    char path[];
};

/* dir/name as find prints it: it adds a slash unless there is one. An empty dir: the name alone. */
static bool needs_slash(const char *dir) { return *dir != '\0' && dir[strlen(dir) - 1] != '/'; }

static size_t joined_size(const char *dir, const char *name) { return strlen(dir) + strlen(name) + 2; }

static void join(char *path, const char *dir, const char *name) {
    char *end = stpcpy(path, dir);
    strcpy(needs_slash(dir) ? stpcpy(end, "/") : end, name);
}

static struct batch *batch_new(struct run *run, const char *dir, const char *name) {
    struct batch *batch = calloc(1, sizeof *batch + joined_size(dir, name));
    if (batch != NULL) {
        batch->run = run;
        join(batch->path, dir, name);
    }
    return batch;
}

/* Room for one more file and its task. */
static bool batch_reserve(struct batch *batch) {
    if (batch->file_count < batch->capacity) {
        return true;
    }
    size_t capacity = batch->capacity == 0 ? 16 : batch->capacity * 2;
    struct file **files = realloc(batch->files, capacity * sizeof(struct file *));
    batch->files = files != NULL ? files : batch->files;
    task **tasks = realloc(batch->tasks, capacity * sizeof(task *));
    batch->tasks = tasks != NULL ? tasks : batch->tasks;
    batch->capacity = files != NULL && tasks != NULL ? capacity : batch->capacity;
    return files != NULL && tasks != NULL;
}

static struct file *add_file(struct batch *batch, const char *dir, const char *name, const unsigned char *expected) {
    size_t path_size = joined_size(dir, name);
    struct file *file = batch_reserve(batch) ? calloc(1, sizeof *file + path_size + DIGEST_SIZE) : NULL;
    if (file == NULL) {
        batch->error = ENOMEM;
        return NULL;
    }
    file->batch = batch;
    join(file->path, dir, name);
    if (expected != NULL) {
        file->expected = memcpy(file->path + path_size, expected, DIGEST_SIZE);
    }
    batch->files[batch->file_count++] = file;
    return file;
}

static void batch_free(struct batch *batch) {
    task_release(batch->all);
    for (size_t i = 0; i < batch->task_count; i++) {
        task_release(batch->tasks[i]);
    }
    for (size_t i = 0; i < batch->file_count; i++) {
        task_release(batch->files[i]->pending);
        free(batch->files[i]);
    }
    free(batch->tasks);
    free(batch->files);
    free(batch);
}

#endif
