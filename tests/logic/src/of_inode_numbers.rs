//! Inode numbers.

use proptest::prelude::*;

use crate::pure::inode_numbers;
use crate::units::Ino;

fn allocate(next: u64, wide: bool) -> (u64, u64, bool) {
    let (number, after, wrapped) = inode_numbers::allocate(Ino::new(next), wide);
    (number.to_u64(), after.to_u64(), wrapped)
}

fn fits_narrow(next: u64) -> bool {
    Ino::new(next).is_narrow()
}

const NARROW: u64 = u32::MAX as u64;

/// Numbers where something happens: small ones, and around multiples of 2^32.
fn next() -> impl Strategy<Value = u64> {
    let edge =
        (0..4u64, 0..6u64).prop_map(|(high, by)| (high << 32).wrapping_add(by).wrapping_sub(3));
    prop_oneof![edge, 1..1000u64, any::<u64>()]
}

proptest! {
    #[test]
    fn no_number_looks_like_none(next in next(), wide: bool) {
        let (number, _, _) = allocate(next, wide);
        prop_assert_ne!(number as u32, 0);
        prop_assert!(wide || number <= NARROW);
    }

    #[test]
    fn numbers_grow_until_they_start_again(next in next(), wide: bool) {
        let mut next = next;
        let mut last = None;
        for _ in 0..8 {
            let (number, after, wrapped) = allocate(next, wide);
            prop_assert_eq!(after, number.wrapping_add(1));
            prop_assert!(!wrapped || !wide && number == 1);
            if let Some(last) = last.filter(|last| *last < u64::MAX - 8) {
                prop_assert!(wrapped || number > last, "{} after {}", number, last);
            }
            last = Some(number);
            next = after;
        }
    }

    #[test]
    fn narrow_numbers_stay_narrow(next in next()) {
        let (number, _, wrapped) = allocate(next, false);
        if fits_narrow(next) && next as u32 != 0 {
            prop_assert_eq!((number, wrapped), (next, false));
        } else if !fits_narrow(next) {
            prop_assert_eq!((number, wrapped), (1, true));
        }
    }
}
