/* sched/block.c: a pool's width while awaits wait.
 *
 * A worker that must wait for somebody else hands its place to a spare worker, which is woken, or started where there
 * is none. When its wait is over it goes on at once, one beyond the width, and the next worker that ends a job while
 * there is a surplus becomes spare. So the pool's width is kept, a thread is made only when there is no spare one,
 * and none ends before the pool does. All of it happens under the pool's lock: a wait costs two context switches anyway.
 * The waiter's children are published first: it will not come by to do so.
 */
#include <errno.h>
#include <vtask/error.h>

#include "sched/pool.h"

static int let_another_work(struct task_pool *pool) {
    struct sleeper *spare = sleep_pop(&pool->spares);
    if (spare != NULL) {
        sleep_wake(spare);
        return 0;
    }
    if (load_rlx(&pool->a_threads) >= pool->capacity) { /* grows under the lock only */
        return VTASK_E_OVERFLOW;
    }
    return vti_pool_add_worker(pool) == 0 ? 0 : EAGAIN;
}

int vti_block_begin(void) {
    struct worker *w = vti_self.worker;
    if (w == NULL) {
        return 0;
    }
    vti_children_publish(w, UINT32_MAX);
    vti_mutex_lock(&w->pool->lock);
    int error = 0;
    if (load_rlx(&w->pool->a_surplus) > 0) {
        store_rlx(&w->pool->a_surplus, load_rlx(&w->pool->a_surplus) - 1); /* one too many ran anyway */
    } else {
        error = let_another_work(w->pool);
    }
    vti_mutex_unlock(&w->pool->lock);
    if (error == 0) {
        bump_owner(&w->a_blocks, 1);
    }
    return error;
}

void vti_block_end(void) {
    struct worker *w = vti_self.worker;
    if (w != NULL) {
        vti_mutex_lock(&w->pool->lock);
        store_rlx(&w->pool->a_surplus, load_rlx(&w->pool->a_surplus) + 1);
        vti_mutex_unlock(&w->pool->lock);
    }
}
