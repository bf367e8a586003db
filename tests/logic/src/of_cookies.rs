//! The order of a directory against a map that does the same slowly.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::array::{Counted, NoMemory, IN_USE, MEMORY};
use crate::cookies::{Cookie, Entries, NoRoom, Run};

type Slots = Counted<Option<u32>>;
type Index = Entries<u32, Slots, Counted<Run<Slots>>>;

const FIRST: u64 = 3;
const LAST: u64 = (1 << 31) - 2;

/// What an entry takes at most: one that is alone in a run, whose array of slots has room for 8. Half of
/// the runs may be empty, and the table may have room for four times as many.
const BYTES: usize = 8 * size_of::<Option<u32>>() + 8 * size_of::<Run<Slots>>();

fn cookie(number: u64) -> Cookie {
    Cookie::from_position(number as i64)
}

/// An index, and what it should be.
struct Pair {
    index: Index,
    model: BTreeMap<u64, u32>,
    next: u64,
    entry: u32,
}

impl Pair {
    fn starting_at(next: u64) -> Pair {
        MEMORY.set(None);
        IN_USE.set(0);
        Pair {
            index: Index::starting_at(cookie(next)),
            model: BTreeMap::new(),
            next,
            entry: 0,
        }
    }

    /// The first free number from `next` on, round the end.
    fn free(&self) -> u64 {
        (self.next..=LAST)
            .chain(FIRST..=LAST)
            .find(|number| !self.model.contains_key(number))
            .unwrap()
    }

    fn append(&mut self) -> Result<u64, NoRoom<NoMemory>> {
        let entry = self.entry + 1;
        if entry % 2 == 0 {
            // Room that is not made use of does no harm.
            self.index.reserve()?;
        }
        let got = self.index.reserve()?.fill(entry);
        let want = self.free();
        assert_eq!(got, cookie(want), "the next free cookie");
        assert_eq!(got.position(), want as i64);
        assert_eq!(Cookie::from_number(got.number()), got);
        self.model.insert(want, entry);
        (self.entry, self.next) = (entry, want + 1);
        Ok(want)
    }

    fn remove(&mut self, number: u64) {
        let want = self.model.remove(&number);
        assert!(want.is_some());
        let (place, entry) = self.index.find(cookie(number)).expect("it is there");
        assert_eq!(Some(entry), want);
        self.index.remove(place);
        assert_eq!(self.get(number), None, "it is gone");
    }

    fn get(&self, number: u64) -> Option<u32> {
        Some(self.index.find(cookie(number))?.1)
    }

    /// The number at this place among those that are there, in percent.
    fn nth(&self, percent: usize) -> Option<u64> {
        let at = self.model.len() * percent / 100;
        self.model.keys().nth(at).copied()
    }

    /// At most `count` entries from a position on, newest first.
    fn listed(&self, from: u64, count: usize) -> Vec<(u64, u32)> {
        let mut list = Vec::new();
        self.index.all_down_from(cookie(from), |cookie, entry| {
            list.push((cookie.position() as u64, entry));
            list.len() < count
        });
        list
    }

    fn expected(&self, from: u64) -> Vec<(u64, u32)> {
        let upwards = self.model.range(..=from);
        upwards.rev().map(|(n, e)| (*n, *e)).collect()
    }

    fn check(&self) {
        assert_eq!(self.listed(LAST, usize::MAX), self.expected(LAST));
        for (number, entry) in &self.model {
            assert_eq!(self.get(*number), Some(*entry));
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Append(usize),
    /// Room for an entry that does not come.
    Reserve,
    /// So many entries, from the one at this place among those that are there, in percent.
    Remove(usize, usize),
    /// All but every so many.
    Thin(usize),
    Replace(usize),
    Clear,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (1..150usize).prop_map(Step::Append),
        1 => Just(Step::Reserve),
        4 => (1..100usize, 0..100usize).prop_map(|(count, at)| Step::Remove(count, at)),
        1 => (2..150usize).prop_map(Step::Thin),
        2 => (0..100usize).prop_map(Step::Replace),
        1 => Just(Step::Clear),
    ]
}

fn start() -> impl Strategy<Value = u64> {
    prop_oneof![Just(FIRST), FIRST..500, LAST - 300..=LAST]
}

fn run(pair: &mut Pair, step: Step) {
    match step {
        Step::Append(count) => (0..count).for_each(|_| drop(pair.append())),
        Step::Reserve => {
            let _ = pair.index.reserve();
        }
        Step::Remove(count, percent) => {
            for _ in 0..count {
                if let Some(number) = pair.nth(percent) {
                    pair.remove(number);
                }
            }
        }
        Step::Thin(each) => {
            let all: Vec<_> = pair.model.keys().copied().collect();
            for (at, number) in all.into_iter().enumerate() {
                if at % each != 0 {
                    pair.remove(number);
                }
            }
        }
        Step::Replace(percent) => {
            if let Some(number) = pair.nth(percent) {
                pair.model.insert(number, u32::MAX);
                let (place, _) = pair.index.find(cookie(number)).expect("it is there");
                pair.index.replace(place, u32::MAX);
            }
        }
        Step::Clear => {
            pair.index.clear();
            pair.model.clear();
            assert_eq!(IN_USE.get(), 0);
        }
    }
}

proptest! {
    #[test]
    fn it_is_a_sorted_map(
        start in start(),
        steps in prop::collection::vec(step(), 0..60),
        looks in prop::collection::vec(prop_oneof![0..2000u64, LAST - 400..LAST + 400], 5),
    ) {
        let mut pair = Pair::starting_at(start);
        for step in steps {
            run(&mut pair, step);
            let bound = 1024 + BYTES * pair.model.len();
            prop_assert!(IN_USE.get() <= bound, "{} bytes for {} entries", IN_USE.get(), pair.model.len());
        }
        pair.check();
        for look in looks.into_iter().chain([0, 1, 2, FIRST, LAST, LAST + 1, u64::MAX >> 1]) {
            prop_assert_eq!(pair.listed(look, usize::MAX), pair.expected(look));
            prop_assert_eq!(pair.get(look), pair.model.get(&look).copied());
        }
        let all: Vec<_> = pair.model.keys().copied().collect();
        all.into_iter().for_each(|number| pair.remove(number));
        prop_assert!(IN_USE.get() <= 512, "an empty one keeps {} bytes", IN_USE.get());
        drop(pair);
        prop_assert_eq!(IN_USE.get(), 0);
    }

    /// A reader that goes on from where it stopped gets each entry that stays once, whatever comes and
    /// goes, also when cookies start again from the lowest. New ones it gets in that case only.
    #[test]
    fn a_listing_is_complete(
        start in start(),
        count in 0..300usize,
        changes in prop::collection::vec((any::<bool>(), 0..100usize), 0..400),
        step in 1..9usize,
    ) {
        let mut pair = Pair::starting_at(start);
        (0..count).for_each(|_| drop(pair.append()));
        let at_start = pair.model.clone();
        let mut changes = changes.into_iter();
        let mut seen = Vec::new();
        let mut position = LAST;
        let mut started_again = false;
        loop {
            let rest = pair.listed(position, step + 1);
            seen.extend(rest.iter().copied().take(step));
            let Some((next, _)) = rest.get(step) else { break };
            prop_assert!(*next < position || position == LAST, "the listing ends");
            position = *next;
            for (add, percent) in changes.by_ref().take(3) {
                if add {
                    started_again |= pair.append().unwrap() < start;
                } else if let Some(number) = pair.nth(percent) {
                    pair.remove(number);
                }
            }
        }
        let mut distinct = seen.clone();
        distinct.dedup();
        prop_assert_eq!(distinct.len(), seen.len(), "an entry was seen twice");
        for (number, entry) in &at_start {
            if pair.model.get(number) == Some(entry) {
                prop_assert!(seen.contains(&(*number, *entry)), "an entry that stayed was not seen");
            }
        }
        let new = seen.iter().filter(|(number, entry)| at_start.get(number) != Some(entry));
        prop_assert!(started_again || new.count() == 0, "a new one was seen");
    }

    /// Where there is no memory, nothing changes.
    #[test]
    fn without_memory_nothing_changes(
        start in start(),
        steps in prop::collection::vec((step(), 0..4usize), 0..60),
    ) {
        let mut pair = Pair::starting_at(start);
        for (step, memory) in steps {
            MEMORY.set(Some(memory));
            if let Step::Append(count) = step {
                for _ in 0..count {
                    let (before, in_use) = (pair.model.len(), IN_USE.get());
                    if let Err(e) = pair.append() {
                        prop_assert_eq!(e, NoRoom::Memory(NoMemory));
                        prop_assert_eq!(pair.model.len(), before);
                        prop_assert!(in_use <= IN_USE.get());
                    }
                }
            } else {
                run(&mut pair, step);
            }
            MEMORY.set(None);
            pair.check();
        }
        prop_assert!(pair.append().is_ok(), "memory is back");
    }
}

#[test]
fn nothing_costs_nothing() {
    let mut pair = Pair::starting_at(FIRST);
    assert_eq!(IN_USE.get(), 0);
    pair.check();
    pair.append().unwrap();
    // 4 slots and a run.
    assert!(IN_USE.get() <= 32 + 48, "{}", IN_USE.get());
    (0..9).for_each(|_| drop(pair.append()));
    assert!(IN_USE.get() <= 128 + 48, "{}", IN_USE.get());
}

/// The names of a large directory, and what is left of it.
#[test]
fn what_goes_gives_memory_back() {
    const MANY: u64 = 300_000;
    for order in ["oldest first", "newest first", "scattered"] {
        let mut pair = Pair::starting_at(FIRST);
        for entry in 0..MANY {
            pair.index.reserve().unwrap().fill(entry as u32);
        }
        let full = IN_USE.get();
        assert!(full < MANY as usize * 10, "{full}");
        let numbers = (0..MANY).map(|n| match order {
            "oldest first" => n,
            "newest first" => MANY - 1 - n,
            // 7919 and the count have no common factor.
            _ => n * 7919 % MANY,
        });
        for (gone, number) in numbers.enumerate() {
            let (place, entry) = pair.index.find(cookie(FIRST + number)).unwrap();
            assert_eq!(entry, number as u32);
            pair.index.remove(place);
            let left = MANY as usize - 1 - gone;
            let bound = 1024 + BYTES * left;
            assert!(
                IN_USE.get() <= bound,
                "{order}: {} bytes for {left}",
                IN_USE.get()
            );
        }
        assert!(IN_USE.get() <= 512, "{order}: {}", IN_USE.get());
    }
}

/// Names that come and go beside ones that stay take memory for those only.
#[test]
fn churn_takes_no_memory() {
    let mut pair = Pair::starting_at(FIRST);
    (0..10).for_each(|_| drop(pair.append()));
    let mut most = 0;
    for _ in 0..10_000 {
        let number = pair.append().unwrap();
        pair.remove(number);
        most = most.max(IN_USE.get());
    }
    assert!(most <= 512, "{most}");
    pair.check();
}

/// Cookies end at 2^31 - 2, and then start again with those that are free.
#[test]
fn the_last_cookie_fits_32_bits() {
    let mut late = Pair::starting_at(LAST - 100);
    for _ in 0..101 {
        assert!(late.append().unwrap() <= LAST);
    }
    assert_eq!(late.append(), Ok(FIRST));
    for step in 0..1000 {
        let number = late.append().unwrap();
        assert!(number <= LAST);
        if step % 3 == 0 {
            late.remove(number);
        }
    }
    late.check();
}
