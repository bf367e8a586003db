//! A limit against a ledger, and in all interleavings.

use proptest::prelude::*;

use crate::pure::limits::tests::Plain;
use crate::pure::limits::{Limit, LimitError};

#[derive(Clone, Debug)]
enum Step {
    Keep(u64),
    Drop(u64),
    Release(u64),
    Change(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let amount = prop_oneof![0..20u64, Just(1), Just(u64::MAX), any::<u64>()];
    prop_oneof![
        amount.clone().prop_map(Step::Keep),
        amount.prop_map(Step::Drop),
        (0..20u64).prop_map(Step::Release),
        prop_oneof![0..100u64, any::<u64>()].prop_map(Step::Change),
    ]
}

/// More than this is never granted.
const LARGEST: u64 = i64::MAX as u64;

proptest! {
    #[test]
    fn it_is_a_ledger(max in prop_oneof![1..60u64, Just(0), any::<u64>()], steps in prop::collection::vec(step(), 0..60)) {
        let (limit, counter) = (Limit::new(max), Plain::new());
        let limit = limit.of(&counter);
        let mut max = max;
        let mut used = 0u64;
        for step in steps {
            let limited = max != 0;
            let fits = |amount: u64| !limited || used.saturating_add(amount) <= max.min(LARGEST);
            match step {
                Step::Keep(amount) => {
                    let granted = limit.reserve(amount);
                    prop_assert_eq!(granted.is_some(), fits(amount));
                    if let Some(granted) = granted {
                        granted.commit();
                        used += if limited { amount } else { 0 };
                    }
                }
                Step::Drop(amount) => {
                    let granted = limit.reserve(amount);
                    prop_assert_eq!(granted.is_some(), fits(amount));
                    if granted.is_some() && limited {
                        prop_assert_eq!(limit.used(), used + amount);
                    }
                }
                Step::Release(amount) => {
                    let amount = amount.min(used);
                    if limited {
                        limit.release(amount);
                        used -= amount;
                    }
                }
                Step::Change(to) => {
                    let want = if to == 0 {
                        Ok(())
                    } else if !limited {
                        Err(LimitError::WasUnlimited)
                    } else if used > to {
                        Err(LimitError::InUse)
                    } else {
                        Ok(())
                    };
                    prop_assert_eq!(limit.check_max(to), want);
                    if want.is_ok() {
                        limit.set_max(to);
                        max = to;
                    }
                }
            }
            prop_assert_eq!(limit.max(), max);
            let shown = if max != 0 { used } else { 0 };
            prop_assert_eq!(limit.used(), shown);
            prop_assert_eq!(limit.free(), max - shown);
        }
    }

    #[test]
    fn without_limit_all_is_granted(amounts in prop::collection::vec(any::<u64>(), 0..20)) {
        let (limit, counter) = (Limit::new(0), Plain::new());
        let limit = limit.of(&counter);
        for amount in amounts {
            let granted = limit.reserve(amount);
            prop_assert!(granted.is_some());
            granted.into_iter().for_each(|g| g.commit());
        }
        prop_assert_eq!((limit.max(), limit.used(), limit.free()), (0, 0, 0));
    }

    #[test]
    fn exactly_the_limit_fits(max in 1..=LARGEST) {
        let (limit, counter) = (Limit::new(max), Plain::new());
        let limit = limit.of(&counter);
        prop_assert!(limit.reserve(max).is_some());
        prop_assert_eq!(limit.used(), 0);
        limit.reserve(max).into_iter().for_each(|g| g.commit());
        prop_assert_eq!(limit.free(), 0);
        prop_assert!(limit.reserve(1).is_none());
        prop_assert!(limit.reserve(0).is_some());
        limit.release(1);
        prop_assert!(limit.reserve(1).is_some());
        prop_assert!(limit.reserve(2).is_none());
    }
}

#[test]
fn reservations_in_all_interleavings() {
    logic_loom::reservations();
}

#[test]
fn last_one_in_all_interleavings() {
    logic_loom::last_one();
}

#[test]
fn changed_limit_in_all_interleavings() {
    logic_loom::changed_limit();
}
