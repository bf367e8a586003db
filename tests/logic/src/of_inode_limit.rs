//! A limit of inodes against a ledger in bytes.

use proptest::prelude::*;

use crate::pure::inode_limit::{InodeLimit, InodeSpace, MAX_INODES};
use crate::pure::limits::tests::Plain;
use crate::pure::limits::LimitError;

const INODE: u64 = InodeSpace::INODE.bytes();

proptest! {
    #[test]
    fn inodes_and_bytes_share_a_limit(max in 1..40u64, sizes in prop::collection::vec(0..3000usize, 0..60)) {
        let (limit, counter) = (InodeLimit::new(max), Plain::new());
        let limit = limit.of(&counter);
        let mut used = 0;
        let mut committed = Vec::new();
        for size in sizes {
            // Every fourth one or so is an inode.
            let space = if size % 4 == 0 { InodeSpace::INODE } else { InodeSpace::from_bytes(size) };
            let granted = limit.reserve(space);
            prop_assert_eq!(granted.is_some(), used + space.bytes() <= max * INODE);
            if let Some(granted) = granted {
                granted.commit();
                used += space.bytes();
                committed.push(space);
            } else if let Some(space) = committed.pop() {
                limit.release(space);
                used -= space.bytes();
            }
            prop_assert_eq!(limit.max(), max);
            // A part of an inode is none.
            prop_assert_eq!(limit.free(), (max * INODE - used) / INODE);
            for other in [max / 2, used / INODE, used.div_ceil(INODE), max] {
                let want = if other == 0 || other * INODE >= used { Ok(()) } else { Err(LimitError::InUse) };
                prop_assert_eq!(limit.check_max(other), want);
            }
        }
        committed.into_iter().for_each(|space| limit.release(space));
        prop_assert_eq!(limit.free(), max);
    }

    #[test]
    fn the_limit_is_what_it_was_set_to(first in 1..=MAX_INODES, second in 0..=MAX_INODES) {
        let (limit, counter) = (InodeLimit::new(first), Plain::new());
        let limit = limit.of(&counter);
        prop_assert_eq!((limit.max(), limit.free()), (first, first));
        prop_assert_eq!(limit.check_max(second), Ok(()));
        limit.set_max(second);
        prop_assert_eq!((limit.max(), limit.free()), (second, second));
    }
}
