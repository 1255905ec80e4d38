//! uts, with rayon: a scope with one spawn for each child, or a parallel iterator over them.
mod load;

use rayon::prelude::*;

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Node {
    digest: [u32; 5],
    level: u32,
}

#[link(name = "bench-rayon-kernel", kind = "static")]
extern "C" {
    fn kernel_uts_plant(size: u64, root: *mut Node) -> u64;
    fn kernel_uts_count(node: *const Node) -> u32;
    fn kernel_uts_child(parent: *const Node, i: u32, child: *mut Node);
}

fn child_of(parent: &Node, i: u32) -> Node {
    let mut child = Node::default();
    unsafe { kernel_uts_child(parent, i, &mut child) };
    child
}

fn count(node: &Node) -> u32 {
    unsafe { kernel_uts_count(node) }
}

fn by_scope(node: Node) -> u64 {
    let mut below = vec![0; count(&node) as usize];
    rayon::scope(|scope| {
        for (i, nodes) in below.iter_mut().enumerate() {
            let child = child_of(&node, i as u32);
            scope.spawn(move |_| *nodes = by_scope(child));
        }
    });
    1 + below.iter().sum::<u64>()
}

fn by_iterator(node: Node) -> u64 {
    1 + (0..count(&node)).into_par_iter().map(|i| by_iterator(child_of(&node, i))).sum::<u64>()
}

fn measured(run: &mut load::Run, walk: fn(Node) -> u64) {
    let mut root = Node::default();
    run.expected = unsafe { kernel_uts_plant(run.size, &mut root) };
    run.result = run.inside(|run| run.measure(|| walk(root)));
    run.operations = run.expected;
}

fn run_scope(run: &mut load::Run) {
    measured(run, by_scope);
}

fn run_iterator(run: &mut load::Run) {
    measured(run, by_iterator);
}

fn main() {
    load::main("uts", 1, &[("scope", run_scope), ("iterator", run_iterator)]);
}
