//! fib, with rayon's join.
mod load;

fn fib(n: i64) -> i64 {
    if n < 2 {
        return n;
    }
    let (left, right) = rayon::join(|| fib(n - 1), || fib(n - 2));
    left + right
}

fn run_join(run: &mut load::Run) {
    let n = run.size;
    run.result = run.inside(|run| run.measure(|| fib(n as i64))) as u64;
    let (a, b) = (0..n).fold((0, 1), |(a, b), _| (b, a + b));
    run.expected = a;
    run.operations = b - 1;
}

fn main() {
    load::main("fib", 32, &[("join", run_join)]);
}
