/* treehash/cache.h: what is known of each inode: a hash table by (device, inode). treehash.c includes it, and holds the
 * lock around every call but the first and the last. */
#ifndef TREEHASH_CACHE_H
#define TREEHASH_CACHE_H

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <vtask.h>

#include "lines.h"

/* What an inode holds: one for all paths that lead to it. */
struct content {
    struct content *next; /* in its bucket */
    dev_t device;
    ino_t inode;
    task *hasher; /* a reference while it hashes; then NULL, and the rest is there to be read */
    int error;
    unsigned char digest[DIGEST_SIZE];
};

struct cache {
    pthread_mutex_t lock; /* guards all of it, and in each content all but the digest while it is computed */
    struct content **buckets;
    size_t capacity;
    size_t count;
};

static void cache_init(struct cache *cache) {
    *cache = (struct cache){0};
    pthread_mutex_init(&cache->lock, NULL);
}

static struct content **cache_bucket(struct content **buckets, size_t capacity, dev_t device, ino_t inode) {
    uint64_t mixed = ((uint64_t)inode ^ (uint64_t)device << 32) * UINT64_C(0x9e3779b97f4a7c15);
    return &buckets[(mixed >> 32) & (capacity - 1)];
}

static struct content *cache_find(const struct cache *cache, const struct stat *status) {
    if (cache->capacity == 0) {
        return NULL;
    }
    struct content *c = *cache_bucket(cache->buckets, cache->capacity, status->st_dev, status->st_ino);
    while (c != NULL && (c->device != status->st_dev || c->inode != status->st_ino)) {
        c = c->next;
    }
    return c;
}

/* Where there is no memory to grow the chains get longer: slower, and nothing worse. */
static void cache_grow(struct cache *cache) {
    size_t capacity = cache->capacity == 0 ? 1024 : cache->capacity * 2;
    struct content **buckets = calloc(capacity, sizeof(struct content *));
    if (buckets == NULL) {
        return;
    }
    for (size_t i = 0; i < cache->capacity; i++) {
        for (struct content *c = cache->buckets[i], *next; c != NULL; c = next) {
            next = c->next;
            struct content **bucket = cache_bucket(buckets, capacity, c->device, c->inode);
            c->next = *bucket;
            *bucket = c;
        }
    }
    free(cache->buckets);
    cache->buckets = buckets;
    cache->capacity = capacity;
}

/* @param hasher  the task that is going to hash it; borrowed. Returns NULL where there is no memory. */
static struct content *cache_add(struct cache *cache, const struct stat *status, task *hasher) {
    if (cache->count >= cache->capacity) {
        cache_grow(cache);
    }
    struct content *c = cache->capacity > 0 ? calloc(1, sizeof *c) : NULL;
    if (c != NULL) {
        struct content **bucket = cache_bucket(cache->buckets, cache->capacity, status->st_dev, status->st_ino);
        c->device = status->st_dev;
        c->inode = status->st_ino;
        c->hasher = task_retain(hasher);
        c->next = *bucket;
        *bucket = c;
        cache->count++;
    }
    return c;
}

static void cache_fini(struct cache *cache) {
    for (size_t i = 0; i < cache->capacity; i++) {
        for (struct content *c = cache->buckets[i], *next; c != NULL; c = next) {
            next = c->next;
            free(c);
        }
    }
    free(cache->buckets);
    pthread_mutex_destroy(&cache->lock);
}

#endif
