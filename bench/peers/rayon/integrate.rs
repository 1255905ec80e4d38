//! integrate, with rayon's join.
mod load;

const TO: f64 = 10000.0;

fn f(x: f64) -> f64 {
    (x * x + 1.0) * x
}

/// As integrate.h's.
#[derive(Clone, Copy)]
struct Piece {
    from: f64,
    to: f64,
    at_from: f64,
    at_to: f64,
    area: f64,
}

impl Piece {
    fn new(from: f64, to: f64, at_from: f64, at_to: f64) -> Piece {
        Piece { from, to, at_from, at_to, area: (at_from + at_to) * (to - from) / 2.0 }
    }

    /// Its halves, and whether that was worth it.
    fn halves(&self, tolerance: f64) -> (Piece, Piece, bool) {
        let middle = (self.from + self.to) / 2.0;
        let at_middle = f(middle);
        let left = Piece::new(self.from, middle, self.at_from, at_middle);
        let right = Piece::new(middle, self.to, at_middle, self.at_to);
        (left, right, (left.area + right.area - self.area).abs() > tolerance)
    }
}

fn integral(piece: Piece, tolerance: f64) -> f64 {
    let (left, right, more) = piece.halves(tolerance);
    if !more {
        return left.area + right.area;
    }
    let (left, right) = rayon::join(|| integral(left, tolerance), || integral(right, tolerance));
    left + right
}

fn forks(piece: Piece, tolerance: f64) -> u64 {
    let (left, right, more) = piece.halves(tolerance);
    if more { 1 + forks(left, tolerance) + forks(right, tolerance) } else { 0 }
}

fn run_join(run: &mut load::Run) {
    let tolerance = 1.0 / run.size as f64;
    let whole = Piece::new(0.0, TO, f(0.0), f(TO));
    let area = run.inside(|run| run.measure(|| integral(whole, tolerance)));
    let exact = TO * TO * (TO * TO + 2.0) / 4.0;
    run.operations = forks(whole, tolerance);
    run.expected = exact as u64;
    let bound = (run.operations + 1) as f64 * tolerance / 3.0 + 1e-12 * exact;
    run.result = if (area - exact).abs() <= bound { run.expected } else { area as u64 };
}

fn main() {
    load::main("integrate", 1000000, &[("join", run_join)]);
}
