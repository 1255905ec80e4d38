/* sched/own.c: threads of a task's own (TASK_LONG_RUNNING): beside the pool's width, ended with their job.
 *
 * Such a thread is inside the pool (its submissions are accepted while the pool closes, which waits for it) but is no
 * worker: what it pushes goes to the inbox, its children run at their join, its awaits block it alone.
 */
#include <errno.h>
#include <vtask/error.h>

#include "base/alloc.h"
#include "sched/pool.h"

struct own_thread {
    struct task_pool *pool;
    struct job *job;
    os_thread thread;
    struct own_thread *next;
};

static void end_own(struct own_thread *own) {
    struct task_pool *pool = own->pool;
    vti_mutex_lock(&pool->lock);
    if (pool->permanent) { /* nobody will come to join it */
        vti_thread_detach(own->thread);
        vti_free(own);
    } else {
        own->next = pool->ended;
        pool->ended = own;
    }
    bool last_of_closing = --pool->own == 0 && pool->closing;
    struct sleeper *s = last_of_closing ? vti_pool_pop_sleeper(pool) : NULL;
    if (s != NULL) { /* it will search, park again, and find that the pool has drained */
        sleep_wake(s);
    }
    vti_mutex_unlock(&pool->lock);
}

static void *own_main(void *argument) {
    struct own_thread *own = argument;
    vti_mutex_lock(&own->pool->lock); /* its starter holds the lock until own->thread is written */
    vti_mutex_unlock(&own->pool->lock);
    vti_self = (struct self){.pool = own->pool};
    vti_thread_name(own->pool->name, own->pool->capacity);
    own->job->kind->run(own->job);
    if (!vti_self.forked) {                     /* else the pool is not in this process */
        vti_self = (struct self){.pool = NULL}; /* before the pool can end; thread-specific destructors are in no pool */
        end_own(own);
    }
    return NULL;
}

void vti_own_join_ended(struct task_pool *pool) {
    vti_mutex_lock(&pool->lock);
    struct own_thread *own = pool->ended;
    pool->ended = NULL;
    vti_mutex_unlock(&pool->lock);
    while (own != NULL) {
        struct own_thread *next = own->next;
        vti_thread_join(own->thread);
        vti_free(own);
        own = next;
    }
}

static int start_own(struct task_pool *pool, struct job *job) {
    struct own_thread *own = vti_alloc(sizeof *own);
    if (own == NULL) {
        return ENOMEM;
    }
    own->pool = pool;
    own->job = job;
    vti_own_join_ended(pool);
    vti_mutex_lock(&pool->lock);
    int error = vti_thread_start(&own->thread, pool->stack_size, own_main, own);
    if (error == 0) {
        pool->own++;
    }
    vti_mutex_unlock(&pool->lock);
    if (error != 0) {
        vti_free(own);
    }
    return error;
}

int vti_pool_submit_own(struct task_pool *pool, struct job *job) {
    if (pool->forks != vti_fork_count()) {
        return VTASK_E_FORKED;
    }
    if (vti_self.pool == pool) {
        return start_own(pool, job);
    }
    int error = vti_pool_enter(pool);
    if (error == 0) {
        error = start_own(pool, job);
        vti_pool_leave(pool);
    }
    return error;
}
