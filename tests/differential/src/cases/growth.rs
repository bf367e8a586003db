//! Files that grow while other tasks want the blocks that are there.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::harness::prelude::*;

cases! {
    own => blocks;
}

/// A file of so many pages grows by the page.
const BEGIN: usize = 256;
/// It gets a folio of so many for that where folios are large, of which others are to see one.
const ROOM: usize = 32;

const ROUNDS: u8 = 100;

/// A task gets the block that there is, though the one that a file grew by last has more than it shows, and is just being
/// written.
fn blocks(t: &mut Trace, fs: &Fs) -> Done {
    let mount = fs.mount(&format!("nr_blocks={}", BEGIN + ROOM))?;
    let d = mount.dir()?;
    let grows = d.file("f", &pattern(1, BEGIN * PAGE))?;
    let other = d.create("g")?;
    let over = AtomicBool::new(false);
    let refused = thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                for page in BEGIN..BEGIN + ROOM / 2 {
                    grows
                        .pwrite(&[1; PAGE], (page * PAGE) as u64)
                        .expect("there is room for it");
                }
                grows.truncate((BEGIN * PAGE) as u64).expect("truncate");
            }
        });
        let refused = (0..10 * u32::from(ROUNDS)).filter(|_| {
            let refused = other.pwrite(b"x", 0).is_err();
            other.truncate(0).expect("truncate");
            refused
        });
        let refused = refused.count();
        over.store(true, Ordering::Relaxed);
        refused
    });
    t.put("refused", refused);
    drop((grows, other, d));
    mount.unmount()?;
    Ok(())
}
