//! Swap in compressed memory, which is written at once, and from which large folios come back whole.

use stage::device;

use super::case::Done;
use crate::skip;

/// Runs with zram as the only swap, if the machine has that.
pub fn on_zram(run: impl FnOnce() -> Done) -> Done {
    if !device::has_zram() {
        skip!("this kernel has no zram0 (CONFIG_ZRAM)");
    }
    device::on_zram(|_| run())
}
