// SPDX-License-Identifier: GPL-2.0

//! Switches of a file system type, see [`super::control`].

use kernel::prelude::*;

/// A switch of a file system type. Several tasks may turn it at once, and one while the type goes.
pub(crate) trait Switch: Send + Sync {
    /// Whether it is on; a snapshot. May sleep.
    fn is_on(&self) -> bool;

    /// Turns it on or off, which it may be already. May sleep. The task may administrate the system, in the
    /// initial user namespace.
    fn turn(&self, on: bool) -> Result;
}
