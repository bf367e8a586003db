//! Models of what several CPUs do to a limit at once. Each function tries all interleavings and panics in the
//! first that breaks an invariant.

use loom::sync::atomic::{AtomicI64, Ordering};
use loom::sync::Arc;
use loom::thread;

#[path = "../../../../src/tmpfs/pure/limits.rs"]
#[allow(dead_code)]
mod limits;

use limits::{Counter, Limit, LimitError, Limited};

/// A counter as exact as the kernel's is near its limit.
struct Shared(AtomicI64);

impl Counter for &Shared {
    fn add(&self, amount: i64) {
        self.0.fetch_add(amount, Ordering::Relaxed);
    }

    fn add_limited(&self, limit: i64, amount: i64) -> bool {
        let grow = |used: i64| used.checked_add(amount).filter(|sum| *sum <= limit);
        self.0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, grow)
            .is_ok()
    }

    fn is_at_most(&self, limit: i64) -> bool {
        self.sum() <= limit
    }

    fn sum(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

struct Mount {
    limit: Limit,
    used: Shared,
}

impl Mount {
    fn new(max: u64) -> Arc<Self> {
        Arc::new(Self {
            limit: Limit::new(max),
            used: Shared(AtomicI64::new(0)),
        })
    }

    fn limit(&self) -> Limited<'_, &Shared> {
        self.limit.of(&self.used)
    }
}

/// How often three threads may be taken from each other: all that goes wrong among three needs no more, and
/// without a bound there are too many orders to try.
const PREEMPTIONS: usize = 2;

/// Reservations never exceed the limit, those that are committed stay, the others come back.
pub fn reservations() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(PREEMPTIONS);
    model.check(|| {
        let mount = Mount::new(3);
        let takers: Vec<_> = [(2, true), (2, false), (1, true)]
            .into_iter()
            .map(|(amount, commit)| {
                let mount = mount.clone();
                thread::spawn(move || match mount.limit().reserve(amount) {
                    None => 0,
                    Some(reservation) => {
                        assert!(mount.limit().used() <= 3, "more is in use than may be");
                        if commit {
                            reservation.commit();
                            amount
                        } else {
                            0
                        }
                    }
                })
            })
            .collect();
        let committed: u64 = takers
            .into_iter()
            .map(|taker| taker.join().expect("a taker panicked"))
            .sum();
        assert_eq!(mount.limit().used(), committed);
        assert_eq!(mount.limit().free(), 3 - committed);
        mount.limit().release(committed);
        assert_eq!(mount.limit().used(), 0);
    });
}

/// The last one of something is given to exactly one of two; who comes after a release gets it.
pub fn last_one() {
    loom::model(|| {
        let mount = Mount::new(1);
        let other = mount.clone();
        let taker = thread::spawn(move || other.limit().reserve(1).map(|r| r.commit()).is_some());
        let mine = mount.limit().reserve(1).map(|r| r.commit()).is_some();
        let theirs = taker.join().expect("the taker panicked");
        assert!(mine != theirs, "both or neither got the only one");
        mount.limit().release(1);
        assert!(mount.limit().reserve(1).is_some());
    });
}

/// A limit that changes meanwhile: whatever is granted fits one of the two limits, and what is counted is what
/// was committed.
pub fn changed_limit() {
    loom::model(|| {
        let mount = Mount::new(4);
        let other = mount.clone();
        let taker = thread::spawn(move || {
            (0..3)
                .filter(|_| other.limit().reserve(1).map(|r| r.commit()).is_some())
                .count() as u64
        });
        let allowed = mount.limit().check_max(2);
        if allowed.is_ok() {
            mount.limit().set_max(2);
        } else {
            assert_eq!(allowed, Err(LimitError::InUse));
        }
        let committed = taker.join().expect("the taker panicked");
        assert_eq!(mount.limit().used(), committed);
        // What was reserved between the check and the change may exceed the new limit, never the old one.
        assert!(committed <= 3);
        assert_eq!(
            mount.limit().free(),
            mount.limit().max().saturating_sub(committed)
        );
    });
}
