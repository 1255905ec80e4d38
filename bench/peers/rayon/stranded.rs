//! stranded, with rayon: one scope, and a spawn for each child.
mod load;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const STRANDED_NS: u64 = 40000000;
const LATE_NS: u64 = 1000000;

static STARTED: AtomicU64 = AtomicU64::new(0); // busy workers that have begun

/// Makes every other worker busy, and waits until they are: a second is more than enough.
fn others_busy(scope: &rayon::Scope, others: u64) {
    STARTED.store(0, Ordering::Release);
    for _ in 0..others {
        scope.spawn(|_| {
            STARTED.fetch_add(1, Ordering::Release);
            load::spin(LATE_NS);
        });
    }
    let end = Instant::now() + Duration::from_secs(1);
    while STARTED.load(Ordering::Acquire) < others {
        if Instant::now() > end {
            load::fail("stranded: the other workers do not start");
        }
    }
}

fn run_loop(values: &mut [u64], share: u64) -> u64 {
    rayon::scope(|scope| {
        for (i, value) in values.iter_mut().enumerate() {
            scope.spawn(move |_| {
                load::spin(share);
                *value = i as u64 + 1;
            });
        }
        load::spin(STRANDED_NS);
    });
    values.iter().sum()
}

fn measured(run: &mut load::Run, late: bool) {
    let (n, others) = (run.size, run.workers as u64 - 1);
    let mut values = vec![1; n as usize];
    run.result = run.inside(|run| {
        rayon::scope(|scope| {
            others_busy(scope, others); // the warm-up: every thread has run
            load::spin(2 * LATE_NS);
            if late {
                others_busy(scope, others);
            }
            run.measure(|| run_loop(&mut values, STRANDED_NS / n))
        })
    });
    let busy = if late { LATE_NS * others } else { 0 };
    let even = (2 * STRANDED_NS + busy) / run.workers as u64;
    run.extra = format!("\"ideal\": {}", 1e-9 * even.max(STRANDED_NS) as f64);
    run.operations = n;
    run.expected = n * (n + 1) / 2;
}

fn run_tasks(run: &mut load::Run) {
    measured(run, false);
}

fn run_late(run: &mut load::Run) {
    measured(run, true);
}

fn main() {
    load::main("stranded", 64, &[("tasks", run_tasks), ("late-tasks", run_late)]);
}
