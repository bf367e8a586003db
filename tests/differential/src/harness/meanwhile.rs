//! Something that another thread does beside the steps of a case.

use std::sync::atomic::{AtomicBool, Ordering};

/// Runs `side` in a loop for as long as `main` runs.
pub fn meanwhile<T>(side: impl Fn() + Sync, main: impl FnOnce() -> T) -> T {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                side();
            }
        });
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(main));
        over.store(true, Ordering::Relaxed);
        result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
