// SPDX-License-Identifier: GPL-2.0
//! What root may do and a worker is not to.

use rustix::thread::{capabilities, set_capabilities, CapabilitySet};

/// Without it, limits of quota hold for root, too.
pub fn drop_resource() {
    if let Ok(mut sets) = capabilities(None) {
        sets.effective.remove(CapabilitySet::SYS_RESOURCE);
        sets.permitted.remove(CapabilitySet::SYS_RESOURCE);
        sets.inheritable.remove(CapabilitySet::SYS_RESOURCE);
        let _ = set_capabilities(None, sets);
    }
}
