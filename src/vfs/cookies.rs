// SPDX-License-Identifier: GPL-2.0

//! The order of a directory: slots sorted by cookie.
//!
//! Each entry of a directory has a cookie, which is its position for getdents and telldir and
//! stays the same for as long as the entry does. Cookies only grow, so that a new entry goes to
//! the end of the array; an entry that goes away leaves its slot empty, and empty slots are
//! squeezed out when they are the majority. All look-ups are binary searches.
//!
//! Nothing here needs the kernel: user space tests this very file.

/// The cookie of the first entry; the positions before it are `.`, `..` and the start.
pub(crate) const FIRST_COOKIE: u64 = 3;

/// A slot of the array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot<T> {
    /// The position; greater than that of all slots before.
    pub(crate) cookie: u64,
    /// The entry; none where it has gone away.
    pub(crate) entry: Option<T>,
}

/// Where the entry with a cookie is.
pub(crate) fn find<T>(slots: &[Slot<T>], cookie: u64) -> Option<usize> {
    let at = slots
        .binary_search_by_key(&cookie, |slot| slot.cookie)
        .ok()?;
    slots[at].entry.is_some().then_some(at)
}

/// How many slots have a cookie not above `cookie`: the length of the part of the array that is
/// still to be read from that position on, going backwards from the newest entry to the oldest.
pub(crate) fn up_to<T>(slots: &[Slot<T>], cookie: u64) -> usize {
    slots.partition_point(|slot| slot.cookie <= cookie)
}

/// The last entry among the first `len` slots, and where it is.
pub(crate) fn last_entry<T: Copy>(slots: &[Slot<T>], len: usize) -> Option<(usize, u64, T)> {
    slots[..len]
        .iter()
        .enumerate()
        .rev()
        .find_map(|(at, slot)| slot.entry.map(|entry| (at, slot.cookie, entry)))
}

/// Whether so many of `len` slots are empty, `live` being in use, that [`squeeze`] pays: the work
/// of squeezing is then no more than that of the removals since the last time.
pub(crate) fn is_sparse(len: usize, live: usize) -> bool {
    len > 16 && live < len / 2
}

/// Moves the entries to the front, in order, and returns how many there are; the rest of the array
/// is of no use afterwards.
pub(crate) fn squeeze<T: Copy>(slots: &mut [Slot<T>]) -> usize {
    let mut live = 0;
    for at in 0..slots.len() {
        if slots[at].entry.is_some() {
            slots[live] = slots[at];
            live += 1;
        }
    }
    live
}
