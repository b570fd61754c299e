use std::any::Any;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The moments that a run passes: before and after each effect. In a proof one of them can be made the run's last, as
/// if the process had been killed there; otherwise passing one costs nothing.
#[derive(Debug, Clone, Default)]
pub struct Moments(Option<Arc<Mutex<Watch>>>);

#[derive(Debug, Default)]
struct Watch {
    recording: bool,
    passed: Vec<Moment>,
    counts: HashMap<String, usize>,
    last: Option<Moment>,
}

/// One passing of a named moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    /// Its name.
    pub name: String,
    /// The how many-th passing, from 1.
    pub occurrence: usize,
}

/// What a run is unwound with where it dies.
struct Death;

impl Moments {
    /// Moments that a harness watches.
    #[must_use]
    pub fn watched() -> Self {
        Self(Some(Arc::default()))
    }

    /// Says that a run has come to this moment. Does not return if it is to be the last one.
    pub fn pass(&self, name: impl FnOnce() -> String) {
        let Some(watch) = &self.0 else { return };
        let mut watch = watch.lock().unwrap_or_else(PoisonError::into_inner);
        if !watch.recording {
            return;
        }
        let name = name();
        let count = watch.counts.entry(name.clone()).or_default();
        *count += 1;
        let moment = Moment { name, occurrence: *count };
        let dies = watch.last.as_ref() == Some(&moment);
        watch.passed.push(moment);
        if dies {
            watch.last = None;
            drop(watch);
            // Not a panic: nothing is wrong, and nothing is to be printed.
            std::panic::resume_unwind(Box::new(Death));
        }
    }

    /// Records from now on what is passed; `last` is where the run is to die.
    pub(crate) fn record(&self, last: Option<Moment>) {
        self.set(Watch { recording: true, last, ..Watch::default() });
    }

    /// Ends the recording; answers what was passed, in order.
    pub(crate) fn recorded(&self) -> Vec<Moment> {
        self.set(Watch::default()).passed
    }

    fn set(&self, new: Watch) -> Watch {
        let Some(watch) = &self.0 else { return Watch::default() };
        std::mem::replace(&mut *watch.lock().unwrap_or_else(PoisonError::into_inner), new)
    }

    /// Whether a run was unwound by its death here, and not by a panic.
    pub(crate) fn is_death(payload: &(dyn Any + Send)) -> bool {
        payload.is::<Death>()
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    #[test]
    fn a_run_dies_at_the_moment_asked_for_once() {
        let moments = Moments::watched();
        let run = |moments: &Moments| {
            for _ in 0..3 {
                moments.pass(|| "here".to_owned());
            }
        };
        moments.record(Some(Moment { name: "here".to_owned(), occurrence: 2 }));
        let died = catch_unwind(AssertUnwindSafe(|| run(&moments))).unwrap_err();
        assert!(Moments::is_death(died.as_ref()));
        run(&moments);
        assert_eq!(moments.recorded().len(), 5);
        run(&moments);
        assert!(moments.recorded().is_empty(), "nothing is recorded unasked");
    }
}
