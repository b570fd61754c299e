use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;

use super::*;

/// Doubles numbers; refuses groups and singles with a 13 in them; panics at 666. Each group waits for a permit.
struct Doubling {
    permits: Arc<Semaphore>,
    groups: Arc<Mutex<Vec<Vec<u64>>>>,
    under_way: AtomicUsize,
    most_under_way: Arc<AtomicUsize>,
}

#[derive(Debug, PartialEq, Eq)]
struct Unlucky;

#[async_trait]
impl Job for Doubling {
    type Item = u64;
    type Outcome = u64;
    type Error = Unlucky;

    async fn handle(&self, items: &[u64]) -> Result<Vec<u64>, Unlucky> {
        let now = self.under_way.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_under_way.fetch_max(now, Ordering::SeqCst);
        self.permits.acquire().await.unwrap().forget();
        self.groups.lock().unwrap().push(items.to_vec());
        self.under_way.fetch_sub(1, Ordering::SeqCst);
        assert!(!items.contains(&666), "a bug");
        if items.contains(&13) { Err(Unlucky) } else { Ok(items.iter().map(|n| n * 2).collect()) }
    }
}

struct Rig {
    coalescer: Coalescer<Doubling>,
    permits: Arc<Semaphore>,
    groups: Arc<Mutex<Vec<Vec<u64>>>>,
    most_under_way: Arc<AtomicUsize>,
}

fn rig(permits: usize, bounds: Bounds) -> Rig {
    let (permits, groups, most_under_way) =
        (Arc::new(Semaphore::new(permits)), Arc::default(), Arc::<AtomicUsize>::default());
    let job = Doubling {
        permits: Arc::clone(&permits),
        groups: Arc::clone(&groups),
        under_way: AtomicUsize::new(0),
        most_under_way: Arc::clone(&most_under_way),
    };
    Rig { coalescer: Coalescer::new(job, bounds), permits, groups, most_under_way }
}

const PLENTY: usize = Semaphore::MAX_PERMITS;

/// Hands numbers in, each from a task of its own, and waits until they are all taken or waiting.
async fn hand_in(
    rig: &Rig,
    numbers: impl IntoIterator<Item = u64>,
) -> Vec<tokio::task::JoinHandle<Result<u64, Failed<Unlucky>>>> {
    let handles = numbers
        .into_iter()
        .map(|n| {
            let coalescer = rig.coalescer.clone();
            tokio::spawn(async move { coalescer.submit(n).await })
        })
        .collect();
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    handles
}

#[tokio::test]
async fn an_item_alone_is_handled_at_once() {
    let rig = rig(PLENTY, Bounds { items: 10, groups: 1 });
    assert_eq!(rig.coalescer.submit(4).await.unwrap(), 8);
    assert_eq!(*rig.groups.lock().unwrap(), [[4]]);
}

#[tokio::test]
async fn what_comes_while_a_group_is_under_way_goes_together_within_the_bounds() {
    let rig = rig(0, Bounds { items: 4, groups: 1 });
    let first = hand_in(&rig, [100]).await;
    let rest = hand_in(&rig, 0..10).await;
    rig.permits.add_permits(100);
    for (n, handle) in (0..).zip(rest) {
        assert_eq!(handle.await.unwrap().unwrap(), n * 2);
    }
    assert_eq!(first.into_iter().next().unwrap().await.unwrap().unwrap(), 200);
    let sizes: Vec<_> = rig.groups.lock().unwrap().iter().map(Vec::len).collect();
    assert_eq!(sizes, [1, 4, 4, 2]);
    assert_eq!(rig.most_under_way.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn several_groups_are_under_way_if_allowed() {
    let rig = rig(0, Bounds { items: 2, groups: 3 });
    let handles = hand_in(&rig, 20..40).await;
    rig.permits.add_permits(100);
    for handle in handles {
        handle.await.unwrap().unwrap();
    }
    assert_eq!(rig.most_under_way.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn one_bad_item_harms_no_other() {
    let rig = rig(0, Bounds { items: 100, groups: 1 });
    let handles = hand_in(&rig, 0..30).await;
    rig.permits.add_permits(100);
    for (n, handle) in (0..).zip(handles) {
        match handle.await.unwrap() {
            Ok(double) => assert!(double == n * 2 && n != 13),
            Err(error) => assert!(n == 13 && matches!(error, Failed::Item(Unlucky)), "{n}: {error:?}"),
        }
    }
}

#[tokio::test]
async fn a_panic_cuts_its_own_group_off_and_no_later_one() {
    let rig = rig(0, Bounds { items: 2, groups: 1 });
    let handles = hand_in(&rig, [1, 666, 3, 4]).await;
    rig.permits.add_permits(100);
    let outcomes: Vec<_> = futures::future::join_all(handles).await.into_iter().map(Result::unwrap).collect();
    assert!(matches!(outcomes[..], [Err(Failed::CutOff), Err(Failed::CutOff), Ok(6), Ok(8)]), "{outcomes:?}");
    assert_eq!(rig.coalescer.submit(5).await.unwrap(), 10);
}

#[tokio::test]
async fn a_caller_that_goes_away_takes_nothing_with_it() {
    let rig = rig(0, Bounds { items: 10, groups: 1 });
    let handles = hand_in(&rig, [1, 2, 3]).await;
    handles[0].abort();
    handles[1].abort();
    rig.permits.add_permits(100);
    assert_eq!(handles.into_iter().next_back().unwrap().await.unwrap().unwrap(), 6);
    assert_eq!(rig.groups.lock().unwrap().concat(), [1, 2, 3]);
}

#[test]
fn whoever_waits_when_the_runtime_ends_is_told() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let rig = rig(0, Bounds { items: 1, groups: 1 });
    let waiting = runtime.block_on(hand_in(&rig, 0..50));
    runtime.shutdown_timeout(Duration::from_secs(5));
    drop(waiting);
    let outcome = futures::executor::block_on(async {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        rig.permits.add_permits(100);
        runtime.block_on(rig.coalescer.submit(7))
    });
    assert_eq!(outcome.unwrap(), 14, "a later runtime starts afresh");
}
