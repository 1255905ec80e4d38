//! flat, with rayon's join: the second closure is the child, the first has nothing to do.
mod load;

fn run_loop(n: u64) -> u64 {
    (0..n).map(|i| rayon::join(|| (), || i & 7).1).sum()
}

fn run_join(run: &mut load::Run) {
    let n = run.size;
    run.result = run.inside(|run| {
        run_loop(1000);
        run.measure(|| run_loop(n))
    });
    run.operations = n;
    run.expected = n / 8 * 28 + (0..n % 8).sum::<u64>();
}

fn main() {
    load::main("flat", 50000000, &[("join", run_join)]);
}
