//! matmul, with rayon's join, thrice for four products.
mod load;

const LEAF: usize = 32;

/// As matmul.h's.
#[repr(C)]
struct Matrices {
    n: u64,
    a: *mut f64,
    b: *mut f64,
    c: *mut f64,
}

#[link(name = "bench-rayon-kernel", kind = "static")]
extern "C" {
    fn kernel_matmul_init(size: u64, m: *mut Matrices);
    fn kernel_matmul_leaf(c: *mut f64, a: *const f64, b: *const f64);
    fn kernel_matmul_check(m: *mut Matrices) -> u64;
}

fn multiply(c: &mut [f64], a: &[f64], b: &[f64], n: usize) {
    if n == LEAF {
        unsafe { kernel_matmul_leaf(c.as_mut_ptr(), a.as_ptr(), b.as_ptr()) };
        return;
    }
    let q = n * n / 4;
    let (c1, c2) = c.split_at_mut(2 * q);
    let (c11, c12) = c1.split_at_mut(q);
    let (c21, c22) = c2.split_at_mut(q);
    for half in 0..2 {
        let (upper, lower) = (&a[half * q..][..q], &a[(2 + half) * q..][..q]);
        let (left, right) = (&b[half * 2 * q..][..q], &b[(half * 2 + 1) * q..][..q]);
        rayon::join(
            || rayon::join(|| multiply(c11, upper, left, n / 2), || multiply(c12, upper, right, n / 2)),
            || rayon::join(|| multiply(c21, lower, left, n / 2), || multiply(c22, lower, right, n / 2)),
        );
    }
}

fn run_join(run: &mut load::Run) {
    let mut m = Matrices { n: 0, a: std::ptr::null_mut(), b: std::ptr::null_mut(), c: std::ptr::null_mut() };
    unsafe { kernel_matmul_init(run.size, &mut m) };
    let n = run.size as usize;
    let (a, b) = unsafe { (std::slice::from_raw_parts(m.a, n * n), std::slice::from_raw_parts(m.b, n * n)) };
    let c = unsafe { std::slice::from_raw_parts_mut(m.c, n * n) };
    run.inside(|run| run.measure(|| multiply(c, a, b, n)));
    let leaves = run.size / LEAF as u64;
    run.operations = leaves * leaves * leaves;
    run.result = unsafe { kernel_matmul_check(&mut m) };
    run.expected = run.size;
}

fn main() {
    load::main("matmul", 1024, &[("join", run_join)]);
}
