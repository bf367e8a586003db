// SPDX-License-Identifier: GPL-2.0

//! The order of a directory: its entries by cookie.
//!
//! Each name of a directory has a cookie, which is its position for getdents and telldir and stays
//! the same for as long as the name does. Cookies fit what a 32-bit program can tell and seek
//! to, as those of tmpfs do. Each new name gets the next cookie, so that a reader, who goes from
//! the highest to the lowest, meets no name that is newer than its position.
//!
//! After the last cookie the first free one comes next, and so on round and round: no name is
//! refused for want of a cookie before all are in use, which is 2^31 names in one directory. An
//! open reader loses and repeats nothing by that, as all names keep their cookies; it may meet names
//! that were made meanwhile, and still ends, as its position only falls.
//!
//! The entries are in runs. A run covers [`RUN`] cookies from its first one on, and has slots for those
//! among them that were given out, in an array of its own; the runs are in a table. So growth copies
//! the table at most, which has less than a byte for an entry, and a run without entries gives
//! its memory back. All look-ups are a binary search in the table and a count of bits.
//!
//! Nothing here needs the kernel: user space tests this very file.

use super::bits::{Bit, Bits};
use core::marker::PhantomData;
use core::ops::DerefMut;

/// How many cookies a run covers: the bits of [`Run::covered`].
const RUN: u32 = Bits::COUNT;
/// A run that has come down to an eighth of its slots moves to a smaller array, unless it has
/// only so many.
const SMALL_RUN: usize = 8;
/// Slots and runs that an empty directory may keep memory for, so that the next name finds it.
const KEPT_SLOTS: usize = 8;
const KEPT_RUNS: usize = 4;
/// Slots that a run starts with, in a small directory.
const LEAST_SLOTS: usize = 4;
/// Runs without entries that do not make it worth to squeeze the table.
const LEAST_EMPTIED: usize = 4;
/// A table that has room for more runs than this shrinks when a quarter of the room is in use.
const SMALL_TABLE: usize = 8;

/// The position of a name in its directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Cookie(u32);

impl Cookie {
    /// The lowest; the positions before it are `.`, `..` and the newest name.
    pub(crate) const FIRST: Self = Self(3);
    /// The highest. The position after it, which is the end of the directory, is still one that a
    /// 32-bit program can tell.
    pub(crate) const LAST: Self = Self(i32::MAX as u32 - 1);

    /// The cookie at a position; that of a position outside the cookies is the nearest number.
    pub(crate) fn from_position(position: i64) -> Self {
        Self(u32::try_from(position.max(0)).unwrap_or(u32::MAX))
    }

    /// The cookie `further` numbers on, or the highest number.
    fn plus(self, further: u32) -> Self {
        Self(self.0.saturating_add(further))
    }

    /// The position, for `d_off` and `f_pos`.
    pub(crate) fn position(self) -> i64 {
        i64::from(self.0)
    }

    /// The number that [`Cookie::from_number`] makes the cookie from; not 0.
    pub(crate) fn number(self) -> usize {
        self.0 as usize
    }

    /// The cookie of a number, or one that no entry has.
    pub(crate) fn from_number(number: usize) -> Self {
        Self(u32::try_from(number).unwrap_or(0))
    }

    /// The one after this, which is not above the last one.
    fn next(self) -> Self {
        self.plus(1)
    }

    /// Which of the cookies of a run that starts at `first` this is.
    fn bit_from(self, first: Self) -> Option<Bit> {
        self.0.checked_sub(first.0).and_then(Bit::new)
    }
}

/// An array that grows and shrinks, as the kernel's vectors.
pub(crate) trait Array<T>: DerefMut<Target = [T]> + Sized {
    /// Why it cannot grow.
    type Error;

    /// An array without memory.
    fn new() -> Self;

    /// How many elements it has memory for.
    fn capacity(&self) -> usize;

    /// Makes sure that `additional` more elements fit; where it needs memory, it at least doubles.
    fn reserve(&mut self, additional: usize) -> Result<(), Self::Error>;

    /// Gives memory back where there is some for more than `capacity` elements, and does nothing where that
    /// fails.
    fn shrink(&mut self, capacity: usize);

    /// Appends an element; false where [`Array::reserve`] has not made room.
    fn push(&mut self, value: T) -> bool;

    /// Inserts an element before that at `at`; false where [`Array::reserve`] has not made room.
    fn insert(&mut self, at: usize, value: T) -> bool;

    /// Removes an element.
    fn remove(&mut self, at: usize);

    /// Keeps the first `len` elements.
    fn truncate(&mut self, len: usize);

    /// Lets other tasks run, now and then in long loops.
    fn pause();
}

/// The entries with cookies from `first` on.
///
/// # Invariants
///
/// A cookie `first + n` whose bit `n` of `covered` is set has the slot at the number of set bits
/// below `n`; there are no other slots. `live` slots have an entry, and the last slot has.
pub(crate) struct Run<S> {
    first: Cookie,
    live: u32,
    covered: Bits,
    slots: S,
}

impl<S> Run<S> {
    fn empty<E>(first: Cookie) -> Self
    where
        S: Array<Option<E>>,
    {
        Self {
            first,
            live: 0,
            covered: Bits::NONE,
            slots: S::new(),
        }
    }

    /// The first bit from `bit` on that has no entry; `None` where all have.
    fn first_free<E>(&self, bit: Bit) -> Option<Bit>
    where
        S: Array<Option<E>>,
    {
        if self.live == RUN {
            return None;
        }
        let mut slots = self.slots[self.covered.count_below(bit)..].iter();
        bit.upwards()
            .find(|&bit| !self.covered.contains(bit) || matches!(slots.next(), None | Some(None)))
    }

    /// Makes room for one more slot.
    fn reserve<E>(&mut self) -> Result<(), S::Error>
    where
        S: Array<Option<E>>,
    {
        let len = self.slots.len();
        if len == self.slots.capacity() && self.live as usize <= len / 2 {
            self.pack();
        }
        self.slots.reserve(1)
    }

    /// Adds an entry at bit `bit`, which is above all that have a slot; false where there is no
    /// room.
    fn push<E>(&mut self, bit: Bit, entry: E) -> bool
    where
        S: Array<Option<E>>,
    {
        if !self.slots.push(Some(entry)) {
            return false;
        }
        self.covered.insert(bit);
        // There are no more than bits.
        self.live = self.live.wrapping_add(1);
        true
    }

    /// Adds an entry at bit `bit`, which has none; false where there is no room.
    fn put<E>(&mut self, bit: Bit, entry: E) -> bool
    where
        S: Array<Option<E>>,
    {
        let slot = self.covered.count_below(bit);
        if self.covered.contains(bit) {
            self.slots[slot] = Some(entry);
        } else if self.slots.insert(slot, Some(entry)) {
            self.covered.insert(bit);
        } else {
            return false;
        }
        // There are no more than bits.
        self.live = self.live.wrapping_add(1);
        true
    }

    /// Takes the entry out of a slot that has one.
    fn take<E>(&mut self, slot: usize)
    where
        S: Array<Option<E>>,
    {
        self.slots[slot] = None;
        // The entry was one of them.
        self.live = self.live.wrapping_sub(1);
        // Each round takes away a slot, which was once added.
        while let [rest @ .., None] = &*self.slots {
            let len = rest.len();
            self.slots.truncate(len);
            // As there are as many slots as bits, each has one.
            if self.covered.take_highest().is_none() {
                break;
            }
        }
    }

    /// Takes away the slots without an entry.
    fn pack<E>(&mut self)
    where
        S: Array<Option<E>>,
    {
        let mut bits = self.covered;
        let mut to = 0;
        for from in 0..self.slots.len() {
            let lowest = bits.take_lowest();
            if self.slots[from].is_some() {
                self.slots.swap(from, to);
                // It is not above `from`.
                to = to.wrapping_add(1);
            } else {
                self.covered.remove_all(lowest);
            }
        }
        self.slots.truncate(to);
    }
}

/// Why there is no room for a new entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoRoom<E> {
    /// All cookies are in use.
    Cookies,
    /// There is no memory.
    Memory(E),
}

impl<E> From<E> for NoRoom<E> {
    fn from(error: E) -> Self {
        Self::Memory(error)
    }
}

/// The entries of a directory in the order of their cookies.
///
/// `S` is an array of slots, `R` one of runs.
///
/// # Invariants
///
/// The runs are in the order of their first cookies, and none has a slot for a cookie that is not below
/// the first of the run after it. A run that has lost all its entries has no memory, but for the last one.
pub(crate) struct Entries<E, S, R> {
    runs: R,
    /// The next entry's cookie, if no other has it.
    next: Cookie,
    /// How often a run has lost all its entries since the table was last squeezed. Some of those may be gone
    /// or in use again: then it is squeezed earlier than it need be.
    emptied: u32,
    _types: PhantomData<(E, S)>,
}

/// Where an entry is, until the next one is added or removed.
pub(crate) struct Place {
    run: usize,
    slot: usize,
}

/// Room for one more entry, which nothing else can take.
///
/// # Invariants
///
/// The run `run` has memory for a slot at `bit`, where it has no entry, and that is the bit of the next
/// cookie.
///
/// # Examples
///
/// ```
/// use crate::vfs::cookies::{Array, Cookie, Entries, Run};
///
/// // Room first: what comes after it cannot fail any more.
/// fn add<E: Copy, S, R>(entries: &mut Entries<E, S, R>, entry: E) -> Option<Cookie>
/// where
///     S: Array<Option<E>>,
///     R: Array<Run<S>, Error = S::Error>,
/// {
///     let vacancy = entries.reserve().ok()?;
///     Some(vacancy.fill(entry))
/// }
/// ```
pub(crate) struct Vacancy<'a, E, S, R> {
    entries: &'a mut Entries<E, S, R>,
    run: usize,
    bit: Bit,
}

impl<E, S, R> Vacancy<'_, E, S, R>
where
    S: Array<Option<E>>,
    R: Array<Run<S>, Error = S::Error>,
{
    /// Puts an entry there, and returns its cookie.
    #[inline(always)]
    pub(crate) fn fill(self, entry: E) -> Cookie {
        let run = &mut self.entries.runs[self.run];
        let cookie = run.first.plus(self.bit.to_u32());
        // By the type invariants there is room.
        let is_in = if run.covered.is_empty_from(self.bit) {
            run.push(self.bit, entry)
        } else {
            run.put(self.bit, entry)
        };
        debug_assert!(is_in, "the room was reserved");
        self.entries.next = cookie.next();
        cookie
    }
}

impl<E: Copy, S, R> Entries<E, S, R>
where
    S: Array<Option<E>>,
    R: Array<Run<S>, Error = S::Error>,
{
    /// No entries; the first will get the cookie `next`. Takes no memory.
    pub(crate) fn starting_at(next: Cookie) -> Self {
        Self {
            runs: R::new(),
            next,
            emptied: 0,
            _types: PhantomData,
        }
    }

    /// Makes sure that one more entry fits, and keeps the room for it.
    #[inline(always)]
    pub(crate) fn reserve(&mut self) -> Result<Vacancy<'_, E, S, R>, NoRoom<S::Error>> {
        let (run, bit) = match self.newest() {
            Some(newest) => newest,
            None => self.make_room()?,
        };
        // INVARIANT: The run has the room, and nothing else changes the entries from here on.
        Ok(Vacancy {
            entries: self,
            run,
            bit,
        })
    }

    /// The entry with a cookie, and where it is.
    pub(crate) fn find(&self, cookie: Cookie) -> Option<(Place, E)> {
        let (at, bit) = self.slot_for(cookie)?;
        let run = &self.runs[at];
        let slot = run.covered.count_below(bit);
        let entry = (*run.slots.get(slot)?)?;
        Some((Place { run: at, slot }, entry))
    }

    /// The run and the bit of a cookie that has a slot.
    fn slot_for(&self, cookie: Cookie) -> Option<(usize, Bit)> {
        // Mostly the runs follow one another without a gap.
        let above = cookie.0.checked_sub(self.runs.first()?.first.0)?;
        let guess = (above / RUN) as usize;
        if let Some(run) = self.runs.get(guess) {
            let bit = cookie.bit_from(run.first);
            if let Some(bit) = bit.filter(|&bit| run.covered.contains(bit)) {
                return Some((guess, bit));
            }
        }
        let at = self.run_of(cookie)?;
        let run = &self.runs[at];
        let bit = cookie.bit_from(run.first)?;
        if !run.covered.contains(bit) {
            return None;
        }
        Some((at, bit))
    }

    /// Puts an entry in the place of another.
    pub(crate) fn replace(&mut self, place: Place, entry: E) {
        self.runs[place.run].slots[place.slot] = Some(entry);
    }

    /// Takes an entry out. May give memory back, for which it may allocate some.
    pub(crate) fn remove(&mut self, place: Place) {
        let run = &mut self.runs[place.run];
        run.take(place.slot);
        let (live, room) = (run.live as usize, run.slots.capacity());
        if live == 0 {
            self.run_is_empty(place.run);
        } else if room > SMALL_RUN && live <= room / 8 {
            run.pack();
            run.slots.shrink(live);
        }
    }

    /// Calls `f` with the entries from `cookie` on, the highest first, while it returns true;
    /// whether it always has.
    pub(crate) fn all_down_from(
        &self,
        cookie: Cookie,
        mut f: impl FnMut(Cookie, E) -> bool,
    ) -> bool {
        let end = self.runs.partition_point(|run| run.first <= cookie);
        for run in self.runs[..end].iter().rev() {
            let mut bits = match cookie.bit_from(run.first) {
                Some(bit) => run.covered.up_to(bit),
                None => run.covered,
            };
            // As there are no more slots than bits, each bit has one.
            for slot in run.slots[..bits.count()].iter().rev() {
                let Some(bit) = bits.take_highest() else {
                    break;
                };
                if let Some(entry) = *slot {
                    if !f(run.first.plus(bit.to_u32()), entry) {
                        return false;
                    }
                }
            }
            R::pause();
        }
        true
    }

    /// Takes all entries out and gives all memory back.
    pub(crate) fn clear(&mut self) {
        if self.runs.capacity() == 0 {
            return;
        }
        while let Some(last) = self.runs.len().checked_sub(1) {
            self.runs.truncate(last);
            if last % 64 == 63 {
                R::pause();
            }
        }
        self.runs = R::new();
    }

    /// The last run and the bit of the next cookie, where that is one of the run's and above all
    /// that were given out, and there is room: nearly always.
    #[inline]
    fn newest(&self) -> Option<(usize, Bit)> {
        let at = self.runs.len().checked_sub(1)?;
        let run = &self.runs[at];
        let bit = self.next.bit_from(run.first)?;
        if !run.covered.is_empty_from(bit)
            || run.slots.len() >= run.slots.capacity()
            || self.next > Cookie::LAST
        {
            return None;
        }
        Some((at, bit))
    }

    /// The index of the run that covers a cookie, if any does.
    fn run_of(&self, cookie: Cookie) -> Option<usize> {
        let after = self.runs.partition_point(|run| run.first <= cookie);
        let run = after.checked_sub(1)?;
        cookie.bit_from(self.runs[run].first)?;
        Some(run)
    }

    /// The first cookie from `cookie` on that no entry has.
    fn first_free(&self, mut cookie: Cookie) -> Option<Cookie> {
        // The cookie rises in each round, and at most to the last one; a run takes one round.
        while cookie <= Cookie::LAST {
            let Some(at) = self.run_of(cookie) else {
                return Some(cookie);
            };
            let run = &self.runs[at];
            let bit = cookie.bit_from(run.first)?;
            cookie = match run.first_free(bit) {
                Some(free) if free == bit => return Some(cookie),
                Some(free) => run.first.plus(free.to_u32()),
                None => run.first.plus(RUN),
            };
            R::pause();
        }
        None
    }

    /// Makes room for an entry with the next cookie that is free: in which run, and its bit there.
    #[cold]
    fn make_room(&mut self) -> Result<(usize, Bit), NoRoom<S::Error>> {
        let free = self.first_free(self.next);
        let cookie = match free.or_else(|| self.first_free(Cookie::FIRST)) {
            Some(cookie) => cookie,
            None => return Err(NoRoom::Cookies),
        };
        self.next = cookie;

        let after = self.runs.partition_point(|run| run.first <= cookie);
        let is_last = after == self.runs.len();
        let mut room = LEAST_SLOTS;
        if let Some(at) = after.checked_sub(1) {
            let run = &mut self.runs[at];
            if let Some(bit) = cookie.bit_from(run.first) {
                if !run.covered.contains(bit) {
                    run.reserve()?;
                }
                return Ok((at, bit));
            }
            if is_last && run.live == 0 {
                run.first = cookie;
                run.reserve()?;
                return Ok((at, Bit::ZERO));
            }
            if is_last {
                // A large directory gets large runs at once.
                room = (run.live as usize).next_power_of_two().max(room);
            }
        }
        self.runs.reserve(1)?;
        let mut run = Run::<S>::empty(cookie);
        run.slots.reserve(room)?;
        self.runs.insert(after, run);
        Ok((after, Bit::ZERO))
    }

    /// Gives back what a run without entries takes, and what the table has too much. The last run
    /// stays, for the next entry.
    fn run_is_empty(&mut self, at: usize) {
        if let [run] = &*self.runs {
            if run.slots.capacity() <= KEPT_SLOTS && self.runs.capacity() <= KEPT_RUNS {
                // A file that comes and goes in an empty directory.
                self.runs[0].first = self.next;
                return;
            }
        }
        self.run_of_several_is_empty(at);
    }

    #[cold]
    fn run_of_several_is_empty(&mut self, at: usize) {
        if at < self.runs.len().saturating_sub(1) {
            self.runs[at].slots = S::new();
            self.emptied = self.emptied.saturating_add(1);
        } else if self.runs[at].first < self.next {
            self.runs[at].first = self.next;
        }
        // Each round removes a run.
        while let [rest @ .., Run { live: 0, .. }, _] = &*self.runs {
            let at = rest.len();
            self.runs.remove(at);
        }
        let emptied = self.emptied as usize;
        if emptied > LEAST_EMPTIED && emptied > self.runs.len() / 2 {
            self.squeeze();
        }
        if self.runs.capacity() > SMALL_TABLE && self.runs.len() <= self.runs.capacity() / 4 {
            self.runs.shrink(self.runs.len().saturating_mul(2));
        }
        if let [Run { live: 0, slots, .. }] = &*self.runs {
            if slots.capacity() > KEPT_SLOTS || self.runs.capacity() > KEPT_RUNS {
                self.runs = R::new();
            }
        }
    }

    /// Takes the runs without entries out of the table, except for the last one.
    fn squeeze(&mut self) {
        let last = self.runs.len().saturating_sub(1);
        let mut to = 0;
        for from in 0..self.runs.len() {
            if self.runs[from].live > 0 || from == last {
                self.runs.swap(from, to);
                // It is not above `from`.
                to = to.wrapping_add(1);
            }
            if from % 1024 == 1023 {
                R::pause();
            }
        }
        self.runs.truncate(to);
        self.emptied = 0;
    }
}

#[cfg(any(test, CONFIG_KUNIT))]
#[cfg_attr(CONFIG_KUNIT, kernel::prelude::kunit_tests(vfs_cookies))]
mod tests {
    use super::*;

    // The array of user space counts its bytes; this is where the kernel's own is tested.
    #[cfg(test)]
    use crate::array::{Counted as OfSlots, Counted as OfRuns};
    #[cfg(CONFIG_KUNIT)]
    use kernel::prelude::{KVVec as OfRuns, KVec as OfSlots};

    type Slots = OfSlots<Option<u32>>;
    type Names = Entries<u32, Slots, OfRuns<Run<Slots>>>;

    fn add(names: &mut Names, entry: u32) -> Option<Cookie> {
        Some(names.reserve().ok()?.fill(entry))
    }

    fn got(names: &Names, cookie: Option<Cookie>) -> Option<u32> {
        Some(names.find(cookie?)?.1)
    }

    fn remove(names: &mut Names, cookie: Option<Cookie>) {
        if let Some((place, _)) = cookie.and_then(|cookie| names.find(cookie)) {
            names.remove(place);
        }
    }

    /// How many entries there are from a position on, and the first of them.
    fn listed(names: &Names, from: Cookie) -> (u32, u32) {
        let (mut count, mut first) = (0u32, 0);
        names.all_down_from(from, |_, entry| {
            if count == 0 {
                first = entry;
            }
            count = count.saturating_add(1);
            true
        });
        (count, first)
    }

    #[test]
    fn entries_are_found_and_order_stays() {
        let mut names = Names::starting_at(Cookie::FIRST);
        let mut cookies = [None; 200];
        for (entry, cookie) in (0..).zip(&mut cookies) {
            *cookie = add(&mut names, entry);
        }
        assert!(cookies.is_sorted());
        assert_eq!(listed(&names, Cookie::LAST), (200, 199));
        for (entry, cookie) in (0..).zip(cookies) {
            assert_eq!(got(&names, cookie), Some(entry));
        }
        for cookie in &cookies[1..199] {
            remove(&mut names, *cookie);
            assert_eq!(got(&names, *cookie), None);
        }
        assert_eq!(listed(&names, Cookie::LAST), (2, 199));
        assert_eq!(cookies[150].map(|from| listed(&names, from)), Some((1, 0)));
    }

    #[test]
    fn the_last_cookie_is_not_the_end() {
        let mut names = Names::starting_at(Cookie::LAST);
        assert_eq!(add(&mut names, 1), Some(Cookie::LAST));
        assert_eq!(add(&mut names, 2), Some(Cookie::FIRST));
        assert_eq!(listed(&names, Cookie::LAST), (2, 1));
        remove(&mut names, Some(Cookie::LAST));
        assert_eq!(listed(&names, Cookie::LAST), (1, 2));
    }

    #[test]
    fn positions_outside_have_the_nearest_number() {
        assert_eq!(Cookie::from_position(-1), Cookie::from_position(0));
        assert_eq!(Cookie::from_position(i64::MAX).position(), 0xffff_ffff);
        assert_eq!(Cookie::LAST.position(), 0x7fff_fffe);
        assert_eq!(Cookie::from_number(usize::MAX), Cookie::from_number(0));
    }
}
