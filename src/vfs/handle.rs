// SPDX-License-Identifier: GPL-2.0

//! The contents of a file handle: the number and the generation of an inode.
//!
//! Nothing here needs the kernel: user space tests this very file.

use crate::units::Ino;

/// What names an inode of a superblock over its life, and no other ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Handle {
    /// The number of the inode.
    pub(crate) ino: Ino,
    /// What tells the inode from others that have, or had, the same number.
    pub(crate) generation: u32,
}

impl Handle {
    /// How many words of 32 bits a handle takes.
    pub(crate) const WORDS: usize = 3;

    /// The words that a client gets.
    pub(crate) fn to_words(self) -> [u32; Self::WORDS] {
        [self.generation, self.ino.low(), self.ino.high()]
    }

    /// Takes the words that a client gives back, which may be anything; more than there should be
    /// do not matter. `None` where there are too few.
    pub(crate) fn from_words(words: &[u32]) -> Option<Self> {
        match *words {
            [generation, low, high, ..] => Some(Self {
                ino: Ino::from_halves(low, high),
                generation,
            }),
            _ => None,
        }
    }

    /// Where the inode is in the hash table of all inodes.
    pub(crate) fn hash(self) -> u64 {
        self.ino.to_u64().wrapping_add(u64::from(self.generation))
    }
}

#[cfg(any(test, CONFIG_KUNIT))]
#[cfg_attr(CONFIG_KUNIT, kernel::prelude::kunit_tests(vfs_handle))]
mod tests {
    use super::*;

    #[test]
    fn handles_come_back_from_their_words() {
        let handle = Handle {
            ino: Ino::new(0x1_0000_0002),
            generation: 3,
        };
        assert_eq!(handle.to_words(), [3, 2, 1]);
        assert_eq!(Handle::from_words(&[3, 2, 1, 9]), Some(handle));
        assert_eq!(Handle::from_words(&[3, 2]), None);
        assert_eq!(handle.hash(), 0x1_0000_0005);
    }
}
