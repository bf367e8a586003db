//! Inode numbers.

use proptest::prelude::*;

use crate::pure::inode_numbers;
use crate::units::Ino;

fn allocate(next: u64, wide: bool) -> (u64, u64, bool) {
    let block = inode_numbers::allocate(Ino::new(next), wide);
    (block.first.to_u64(), block.end.to_u64(), block.wrapped)
}

/// The numbers of a block, as a directory gives them out.
fn numbers(first: u64) -> Vec<u64> {
    let next = |number: &Ino| inode_numbers::after(*number);
    std::iter::successors(Some(Ino::new(first)), next)
        .map(Ino::to_u64)
        .collect()
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
        let (first, _, _) = allocate(next, wide);
        for number in numbers(first) {
            prop_assert_ne!(number as u32, 0);
            prop_assert!(wide || number <= NARROW);
        }
    }

    #[test]
    fn numbers_grow_until_they_start_again(next in next(), wide: bool) {
        let mut next = next;
        let mut last = None;
        for _ in 0..8 {
            let (first, end, wrapped) = allocate(next, wide);
            prop_assert!(!wrapped || !wide && first == 1);
            if let Some(last) = last.filter(|last| *last < u64::MAX) {
                prop_assert!(wrapped || first > last, "{} after {}", first, last);
            }
            let block = numbers(first);
            prop_assert!(block.len() <= 32);
            prop_assert!(block.windows(2).all(|pair| pair[1] == pair[0] + 1));
            last = block.last().copied();
            prop_assert_eq!(last, Some(end.wrapping_sub(1)));
            next = end;
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
