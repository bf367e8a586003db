// SPDX-License-Identifier: GPL-2.0
//! Coming and going of whole mounts.

use rustix::fs::{mkdirat, Mode};
use rustix::io::Errno;
use rustix::mount::{unmount, UnmountFlags};

use super::Operation;

const ROUNDS: u64 = 100;

pub fn operations() -> Vec<Operation> {
    vec![Operation::new(
        "mount and umount",
        "pair",
        |place, timer| {
            // The mount under test only holds the mount point; what is timed is mounted on top.
            mkdirat(place.root(), c"top", Mode::from_raw_mode(0o755))?;
            let top = place.mount_point().join("top");
            let column = place.column();
            timer.time(ROUNDS, || {
                for _ in 0..ROUNDS {
                    column.mount_on(&top)?;
                    unmount(&top, UnmountFlags::empty())?;
                }
                Ok::<(), Errno>(())
            })
        },
    )]
}
