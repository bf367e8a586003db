//! The order of a directory against a map that does the same slowly.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::cookies::{find, is_sparse, last_entry, squeeze, up_to, Slot, FIRST_COOKIE};

/// What the module does with these functions: append, remove, squeeze when sparse.
struct Index {
    slots: Vec<Slot<u32>>,
    live: usize,
    next: u64,
}

impl Index {
    fn new() -> Index {
        Index {
            slots: Vec::new(),
            live: 0,
            next: FIRST_COOKIE,
        }
    }

    fn append(&mut self, entry: u32) -> u64 {
        let cookie = self.next;
        self.slots.push(Slot {
            cookie,
            entry: Some(entry),
        });
        self.next += 1;
        self.live += 1;
        cookie
    }

    fn remove(&mut self, cookie: u64) -> bool {
        let Some(at) = find(&self.slots, cookie) else {
            return false;
        };
        self.slots[at].entry = None;
        self.live -= 1;
        if is_sparse(self.slots.len(), self.live) {
            let live = squeeze(&mut self.slots);
            self.slots.truncate(live);
        }
        true
    }

    /// The entries from a position on, newest first.
    fn from(&self, cookie: u64) -> Vec<(u64, u32)> {
        let mut entries = Vec::new();
        let mut len = up_to(&self.slots, cookie);
        while let Some((at, cookie, entry)) = last_entry(&self.slots, len) {
            entries.push((cookie, entry));
            len = at;
        }
        entries
    }
}

#[derive(Clone, Debug)]
enum Step {
    Append,
    /// The entry at this place among those that are there, in percent.
    Remove(usize),
    RemoveMany(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => Just(Step::Append),
        3 => (0..100usize).prop_map(Step::Remove),
        1 => (2..20usize).prop_map(Step::RemoveMany),
    ]
}

fn nth(model: &BTreeMap<u64, u32>, percent: usize) -> Option<u64> {
    model.keys().nth(model.len() * percent / 100).copied()
}

proptest! {
    #[test]
    fn it_is_a_sorted_map(steps in prop::collection::vec(step(), 0..200), looks in prop::collection::vec(0..260u64, 5)) {
        let mut index = Index::new();
        let mut model = BTreeMap::new();
        for (n, step) in steps.into_iter().enumerate() {
            match step {
                Step::Append => {
                    let cookie = index.append(n as u32);
                    prop_assert!(model.keys().all(|c| *c < cookie), "cookies only grow");
                    model.insert(cookie, n as u32);
                }
                Step::Remove(percent) => {
                    if let Some(cookie) = nth(&model, percent) {
                        prop_assert!(index.remove(cookie));
                        prop_assert!(!index.remove(cookie), "removed twice");
                        model.remove(&cookie);
                    }
                }
                Step::RemoveMany(count) => {
                    for _ in 0..count {
                        if let Some(cookie) = nth(&model, 50) {
                            prop_assert!(index.remove(cookie));
                            model.remove(&cookie);
                        }
                    }
                }
            }
            prop_assert_eq!(index.live, model.len());
            prop_assert!(index.slots.windows(2).all(|pair| pair[0].cookie < pair[1].cookie));
            prop_assert!(index.slots.len() - index.live <= 16.max(index.live + 1), "empty slots are the majority");
        }
        for (&cookie, &entry) in &model {
            let at = find(&index.slots, cookie);
            prop_assert_eq!(at.and_then(|at| index.slots[at].entry), Some(entry));
        }
        for look in looks.into_iter().chain([0, u64::MAX]) {
            let want: Vec<_> = model.range(..=look).rev().map(|(c, e)| (*c, *e)).collect();
            prop_assert_eq!(index.from(look), want);
            prop_assert_eq!(find(&index.slots, look).is_some(), model.contains_key(&look));
        }
    }

    /// A reader that goes on from where it stopped gets each entry that stays once, whatever comes and goes.
    #[test]
    fn a_listing_is_complete(count in 0..120u32, changes in prop::collection::vec((any::<bool>(), 0..100usize), 0..200), step in 1..9usize) {
        let mut index = Index::new();
        let mut model = BTreeMap::new();
        for n in 0..count {
            model.insert(index.append(n), n);
        }
        let at_start = model.clone();
        let mut changes = changes.into_iter();
        let mut seen = Vec::new();
        let mut position = u64::MAX;
        loop {
            let rest = index.from(position);
            seen.extend(rest.iter().take(step));
            let Some((next, _)) = rest.get(step) else { break };
            position = *next;
            for (add, percent) in changes.by_ref().take(3) {
                if add {
                    model.insert(index.append(u32::MAX), u32::MAX);
                } else if let Some(cookie) = nth(&model, percent) {
                    index.remove(cookie);
                    model.remove(&cookie);
                }
            }
        }
        let mut distinct = seen.clone();
        distinct.dedup();
        prop_assert_eq!(distinct.len(), seen.len(), "an entry was seen twice");
        for (cookie, entry) in at_start.iter().filter(|(cookie, _)| model.contains_key(cookie)) {
            prop_assert!(seen.contains(&(*cookie, *entry)), "an entry that stayed was not seen");
        }
        prop_assert!(seen.iter().all(|(cookie, _)| at_start.contains_key(cookie)), "a new one was seen");
    }

    #[test]
    fn squeezing_keeps_entries_and_order(kept in prop::collection::vec(any::<bool>(), 0..100)) {
        let mut slots: Vec<Slot<u32>> = kept.iter().enumerate()
            .map(|(n, kept)| Slot { cookie: FIRST_COOKIE + 2 * n as u64, entry: kept.then_some(n as u32) })
            .collect();
        let want: Vec<_> = slots.iter().copied().filter(|slot| slot.entry.is_some()).collect();
        let live = squeeze(&mut slots);
        prop_assert_eq!(&slots[..live], &want[..]);
    }
}
