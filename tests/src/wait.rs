use std::fmt::Debug;
use std::time::{Duration, Instant};

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(100);
/// What may take seconds on an idle machine may take a minute on a busy one.
const LIMIT: Duration = Duration::from_secs(90);

/// Looks again and again, for `limit` at most, until `look` finds something.
pub(crate) async fn within<T, F: Future<Output = Option<T>>>(
    limit: Duration,
    mut look: impl FnMut() -> F,
) -> Option<T> {
    let started = Instant::now();
    loop {
        if let Some(found) = look().await {
            return Some(found);
        }
        if started.elapsed() >= limit {
            return None;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Looks again and again until `look` finds something.
///
/// # Panics
/// If it has found nothing after 90 seconds; names `what` was waited for.
pub async fn eventually_some<T, F: Future<Output = Option<T>>>(what: &str, look: impl FnMut() -> F) -> T {
    match within(LIMIT, look).await {
        Some(found) => found,
        None => panic!("{what}: not within {} s", LIMIT.as_secs()),
    }
}

/// Looks again and again until what `look` sees is `wanted`.
///
/// # Panics
/// If it is not after 90 seconds; says what was seen last.
pub async fn eventually<T: PartialEq + Debug, F: Future<Output = T>>(
    what: &str,
    wanted: T,
    mut look: impl FnMut() -> F,
) {
    let started = Instant::now();
    loop {
        let seen = look().await;
        if seen == wanted {
            return;
        }
        assert!(started.elapsed() < LIMIT, "{what}: wanted {wanted:?}, last seen {seen:?}");
        tokio::time::sleep(PAUSE).await;
    }
}
