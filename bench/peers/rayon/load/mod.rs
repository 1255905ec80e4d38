//! What the loads share: load.h's command line, measurement and line of JSON, for Rust, and a pool to work in.
#![allow(dead_code)] // no load uses all of it

use std::time::{Duration, Instant};

/// One run: what was asked for, and what came out.
pub struct Run {
    pub variant: &'static str,
    pub workers: usize,
    pub size: u64,
    pub operations: u64,
    pub result: u64,
    pub expected: u64,
    seconds: f64,
    cpu: f64,
    begun: Instant,
    pub extra: String,
}

pub type Variant = (&'static str, fn(&mut Run));

#[repr(C)]
struct Timespec {
    seconds: i64,
    nanoseconds: i64,
}

extern "C" {
    fn clock_gettime(clock: i32, time: *mut Timespec) -> i32;
}

const CLOCK_PROCESS_CPUTIME_ID: i32 = 2;

/// The CPU time of all threads, in seconds.
fn cpu_seconds() -> f64 {
    let mut now = Timespec { seconds: 0, nanoseconds: 0 };
    unsafe { clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &mut now) };
    now.seconds as f64 + 1e-9 * now.nanoseconds as f64
}

impl Run {
    /// Runs `body` in a pool of its own, as one of its threads.
    pub fn inside<T: Send>(&mut self, body: impl FnOnce(&mut Run) -> T + Send) -> T {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(self.workers).stack_size(512 << 20).build().unwrap();
        pool.install(|| body(self))
    }

    /// What is measured.
    pub fn measure<T>(&mut self, body: impl FnOnce() -> T) -> T {
        let cpu = cpu_seconds();
        self.begun = Instant::now();
        let value = body();
        self.seconds = self.begun.elapsed().as_secs_f64();
        self.cpu = cpu_seconds() - cpu;
        value
    }
}

/// Busy for that long.
pub fn spin(ns: u64) {
    let end = Instant::now() + Duration::from_nanos(ns);
    while Instant::now() < end {}
}

pub fn fail(why: &str) -> ! {
    eprintln!("{}", why);
    std::process::exit(1)
}

fn number(text: &str) -> u64 {
    match text.parse() {
        Ok(number) if number > 0 => number,
        _ => fail(&format!("not a number above 0: {}", text)),
    }
}

/// main(): [--list] [--variant NAME] [--workers N] [--size S].
pub fn main(load: &str, size: u64, variants: &[Variant]) {
    let mut run = Run {
        variant: variants[0].0,
        workers: 1,
        size,
        operations: 0,
        result: 0,
        expected: 0,
        seconds: 0.0,
        cpu: 0.0,
        begun: Instant::now(),
        extra: String::new(),
    };
    let mut chosen = variants[0];
    let mut arguments = std::env::args().skip(1);
    while let Some(option) = arguments.next() {
        if option == "--list" {
            variants.iter().for_each(|variant| println!("{}", variant.0));
            return;
        }
        let value = arguments.next().unwrap_or_else(|| fail("[--list] [--variant NAME] [--workers N] [--size S]"));
        match option.as_str() {
            "--variant" => match variants.iter().find(|variant| variant.0 == value) {
                Some(variant) => chosen = *variant,
                None => fail(&format!("bench-{}: no variant {}; see --list", load, value)),
            },
            "--workers" => run.workers = number(&value) as usize,
            "--size" => run.size = number(&value),
            _ => fail(&format!("unknown option {}", option)),
        }
    }
    run.variant = chosen.0;
    (chosen.1)(&mut run);
    if run.result != run.expected {
        let (result, expected) = (run.result, run.expected);
        fail(&format!("bench-{} (rayon, {}): wrong result: {} instead of {}", load, run.variant, result, expected));
    }
    println!(
        "{{\"load\": \"{}\", \"peer\": \"rayon\", \"variant\": \"{}\", \"workers\": {}, \"size\": {}, \
         \"seconds\": {:.9}, \"operations\": {}, \"result\": {}, \"cpu\": {:.9}, \"extra\": {{{}}}}}",
        load, run.variant, run.workers, run.size, run.seconds, run.operations, run.result, run.cpu, run.extra
    );
}
