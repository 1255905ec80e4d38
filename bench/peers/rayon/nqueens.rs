//! nqueens, with rayon: a scope with one spawn for each placement, or a parallel iterator over them.
mod load;

use rayon::prelude::*;

const MOST: usize = 16;
const KNOWN: [u64; MOST + 1] =
    [1, 1, 0, 0, 2, 10, 4, 40, 92, 352, 724, 2680, 14200, 73712, 365596, 2279184, 14772512];

/// As queens.h's.
#[derive(Clone, Copy, Default)]
struct Board {
    all: u32,
    columns: u32,
    left: u32,
    right: u32,
}

impl Board {
    fn put(&self, column: u32) -> Board {
        Board {
            all: self.all,
            columns: self.columns | column,
            left: (self.left | column) << 1,
            right: (self.right | column) >> 1,
        }
    }

    /// The boards with one queen more, and how many they are.
    fn next(&self) -> ([Board; MOST], usize) {
        let mut boards = [Board::default(); MOST];
        let mut n = 0;
        let mut free = self.all & !(self.columns | self.left | self.right);
        while free != 0 {
            boards[n] = self.put(free & free.wrapping_neg());
            free &= free - 1;
            n += 1;
        }
        (boards, n)
    }

    fn is_full(&self) -> u64 {
        (self.columns == self.all) as u64
    }
}

fn by_scope(b: &Board) -> u64 {
    let (boards, n) = b.next();
    let mut counts = [0; MOST];
    rayon::scope(|scope| {
        for (count, board) in counts.iter_mut().zip(&boards[..n]) {
            scope.spawn(move |_| *count = by_scope(board));
        }
    });
    b.is_full() + counts.iter().sum::<u64>()
}

fn by_iterator(b: &Board) -> u64 {
    let (boards, n) = b.next();
    b.is_full() + boards[..n].par_iter().map(by_iterator).sum::<u64>()
}

fn measured(run: &mut load::Run, count: fn(&Board) -> u64) {
    let empty = Board { all: (1 << run.size) - 1, ..Board::default() };
    run.result = run.inside(|run| run.measure(|| count(&empty)));
    run.operations = run.result;
    run.expected = KNOWN.get(run.size as usize).copied().unwrap_or(0);
}

fn run_scope(run: &mut load::Run) {
    measured(run, by_scope);
}

fn run_iterator(run: &mut load::Run) {
    measured(run, by_iterator);
}

fn main() {
    load::main("nqueens", 12, &[("scope", run_scope), ("iterator", run_iterator)]);
}
