use super::*;

fn seeds() -> u64 {
    std::env::var("PROVE_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(3000)
}

/// Runs seeds until one fails.
fn first_failure(seeds: std::ops::Range<u64>) -> (Coverage, Option<Failure>) {
    let mut coverage = Coverage::default();
    for seed in seeds {
        let run = run(seed, DEFAULT_STEPS, false);
        coverage.add(&run.coverage);
        if run.failure.is_some() {
            return (coverage, run.failure);
        }
    }
    (coverage, None)
}

#[test]
fn no_schedule_breaks_the_promise() {
    let (coverage, failure) = first_failure(0..seeds());
    for (what, n) in coverage.iter() {
        println!("{n:8}  {what}");
    }
    if let Some(failure) = failure {
        let shrunk = run_shrunk(failure.seed, DEFAULT_STEPS);
        panic!("{failure:#?}\n{}\n{:#?}", shrunk.trace.join("\n"), shrunk.failure);
    }
}
