//! producer, with rayon: one scope, and a spawn for each child.
mod load;

const WORK_NS: u64 = 1000;

fn run_loop(values: &mut [u64]) -> u64 {
    rayon::scope(|scope| {
        for (i, value) in values.iter_mut().enumerate() {
            scope.spawn(move |_| {
                load::spin(WORK_NS);
                *value = i as u64 + 1;
            });
        }
    });
    values.iter().sum()
}

fn run_tasks(run: &mut load::Run) {
    let n = run.size;
    let mut values = vec![1; n as usize];
    run.result = run.inside(|run| {
        run_loop(&mut values[..n.min(1000) as usize]);
        run.measure(|| run_loop(&mut values))
    });
    run.operations = n;
    run.expected = n * (n + 1) / 2;
}

fn main() {
    load::main("producer", 1000000, &[("tasks", run_tasks)]);
}
