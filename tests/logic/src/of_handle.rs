//! File handles.

use proptest::prelude::*;

use crate::handle::Handle;
use crate::units::Ino;

proptest! {
    #[test]
    fn handles_come_back(ino: u64, generation: u32, more in prop::collection::vec(any::<u32>(), 0..4)) {
        let handle = Handle { ino: Ino::new(ino), generation };
        let mut words = handle.to_words().to_vec();
        words.extend(more);
        prop_assert_eq!(Handle::from_words(&words), Some(handle));
    }

    #[test]
    fn too_few_words_are_no_handle(words in prop::collection::vec(any::<u32>(), 0..Handle::WORDS)) {
        prop_assert_eq!(Handle::from_words(&words), None);
    }

    #[test]
    fn words_are_those_of_tmpfs(ino: u64, generation: u32) {
        let words = Handle { ino: Ino::new(ino), generation }.to_words();
        prop_assert_eq!(words, [generation, ino as u32, (ino >> 32) as u32]);
    }

    #[test]
    fn the_hash_takes_any_number(ino: u64, generation: u32) {
        let handle = Handle { ino: Ino::new(ino), generation };
        prop_assert_eq!(handle.hash().wrapping_sub(u64::from(generation)), ino);
    }
}
