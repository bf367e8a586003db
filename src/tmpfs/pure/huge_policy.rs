// SPDX-License-Identifier: GPL-2.0

//! What a mount says about large folios.

/// What a mount says about large folios (`huge=`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HugePolicy {
    /// None.
    Never = 0,
    /// Wherever possible, also for a file that is smaller.
    Always = 1,
    /// Such that end within the file, and where a mapping asks for them.
    WithinSize = 2,
    /// Where a mapping asks for them.
    Advise = 3,
    /// As large as what they are for, see [`mod@super::fitting`].
    Fit = 4,
}

impl HugePolicy {
    const ALL: [(Self, &'static str); 5] = [
        (Self::Never, "never"),
        (Self::Always, "always"),
        (Self::WithinSize, "within_size"),
        (Self::Advise, "advise"),
        (Self::Fit, "fit"),
    ];

    /// The policy with a name.
    pub(crate) fn parse(name: &[u8]) -> Option<Self> {
        let known = Self::ALL.iter().find(|(_, n)| n.as_bytes() == name)?;
        Some(known.0)
    }

    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        Self::ALL[self.as_number() as usize].1
    }

    /// Its number: that of the kernel (`SHMEM_HUGE_*`), which has none for [`HugePolicy::Fit`].
    pub(crate) fn as_number(self) -> u32 {
        self as u32
    }

    /// The policy with a number; [`HugePolicy::Never`] for any other.
    pub(crate) const fn from_number(number: u32) -> Self {
        // No look at a table: each new page asks.
        match number {
            1 => Self::Always,
            2 => Self::WithinSize,
            3 => Self::Advise,
            4 => Self::Fit,
            _ => Self::Never,
        }
    }
}

#[cfg(any(test, CONFIG_KUNIT))]
#[cfg_attr(CONFIG_KUNIT, kernel::prelude::kunit_tests(rtmpfs_huge_policy))]
mod tests {
    use super::*;

    #[test]
    fn policies_have_names_and_numbers() {
        for (number, (policy, name)) in (0..).zip(HugePolicy::ALL) {
            assert_eq!((policy.as_number(), policy.name()), (number, name));
            assert_eq!(HugePolicy::from_number(number), policy);
            assert_eq!(HugePolicy::parse(name.as_bytes()), Some(policy));
        }
        assert_eq!(HugePolicy::from_number(5), HugePolicy::Never);
        assert_eq!(HugePolicy::from_number(u32::MAX), HugePolicy::Never);
    }

    #[test]
    fn other_names_are_none() {
        for bad in [
            "",
            "deny",
            "force",
            "Never",
            "never ",
            "within-size",
            "neve",
        ] {
            assert_eq!(HugePolicy::parse(bad.as_bytes()), None);
        }
    }
}
