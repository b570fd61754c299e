//! The tests.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::invariants::Violation;
use super::mutants::Mutant;
use super::{Outcome, play};

/// Steps of one run of the suite, unless the environment says otherwise.
const STEPS: u64 = 1_000_000;
/// Seeds within which each broken product must be caught.
const SEEDS: u64 = 400;

fn number(name: &str) -> Option<u64> {
    std::env::var(name)
        .ok()
        .map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}

/// Plays a seed once more, telling it.
fn tell(seed: u64, mutant: Option<Mutant>) -> String {
    let Outcome { violation, trace, .. } = play(seed, mutant, true);
    let said =
        violation.map_or_else(String::new, |Violation { invariant, what }| format!("{invariant:?}: {what}"));
    format!("seed {seed}: {said}\n{}", trace.join("\n"))
}

#[test]
fn holds() {
    let (first, steps) = (number("CLOUDAPP_SIMULATION_SEED"), number("CLOUDAPP_SIMULATION_STEPS"));
    let (mut seed, mut played, mut machines) = (first.unwrap_or(0), 0, 0);
    loop {
        let outcome = play(seed, None, false);
        if outcome.violation.is_some() {
            panic!("{}", tell(seed, None));
        }
        played += outcome.steps;
        machines += outcome.machines;
        if first.is_some() && steps.is_none() {
            println!("{}", tell(seed, None));
            break;
        }
        seed += 1;
        if played >= steps.unwrap_or(STEPS) {
            break;
        }
    }
    println!("{played} steps, {machines} machines, seeds up to {seed}");
}

#[test]
fn the_same_seed_is_the_same_story() {
    for seed in [0, 1, 2, 3] {
        assert_eq!(play(seed, None, true).trace, play(seed, None, true).trace, "seed {seed}");
    }
}

/// How many of so many seeds catch each of these broken products: what few catch, the next change of pace may let slip.
fn count(mutants: &[Mutant], seeds: u64) {
    for mutant in mutants {
        let caught = (0..seeds).filter(|seed| play(*seed, Some(*mutant), false).violation.is_some()).count();
        println!("{mutant:?} is caught by {caught} of {seeds} seeds");
    }
}

/// The first seed with which a broken product is caught, and how.
fn caught(mutant: Mutant) -> Option<(u64, Violation)> {
    (0..SEEDS).find_map(|seed| play(seed, Some(mutant), false).violation.map(|found| (seed, found)))
}

#[test]
fn every_broken_product_is_caught() {
    let only = std::env::var("CLOUDAPP_SIMULATION_MUTANT").ok();
    let mutants: Vec<Mutant> = Mutant::ALL
        .iter()
        .copied()
        .filter(|mutant| only.as_ref().is_none_or(|only| *only == format!("{mutant:?}")))
        .collect();
    if let (Some(seed), [mutant]) = (number("CLOUDAPP_SIMULATION_SEED"), mutants.as_slice()) {
        println!("{}", tell(seed, Some(*mutant)));
        return;
    }
    if let Some(seeds) = number("CLOUDAPP_SIMULATION_COUNT") {
        count(&mutants, seeds);
        return;
    }
    let next = AtomicUsize::new(0);
    let missed = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(mutant) = mutants.get(next.fetch_add(1, Ordering::Relaxed)).copied() {
                    match caught(mutant) {
                        Some((seed, Violation { invariant, what })) => {
                            println!("{mutant:?} is caught by {invariant:?} with seed {seed}: {what}");
                        }
                        None => missed.lock().unwrap().push(format!("{mutant:?}: {}", mutant.what())),
                    }
                }
            });
        }
    });
    let missed = missed.into_inner().unwrap();
    assert!(Mutant::ALL.len() >= 30);
    assert!(missed.is_empty(), "not caught:\n{}", missed.join("\n"));
}
