// SPDX-License-Identifier: GPL-2.0
//! The functions of the machine that ran.

use std::fs;
use std::path::Path;

use anyhow::{bail, Context, Result};

/// What stands for all functions of user space.
pub const USER_SPACE: &str = "(user space)";

/// Functions by address, in ascending order.
pub struct Symbols(Vec<(u64, String)>);

impl Symbols {
    pub fn load(path: &Path) -> Result<Self> {
        let mut symbols = Vec::new();
        for line in read(path)?.lines() {
            let mut words = line.split_whitespace();
            let (Some(address), Some(kind), Some(name)) =
                (words.next(), words.next(), words.next())
            else {
                bail!("{}: bad line '{line}'", path.display());
            };
            if !matches!(kind, "t" | "T" | "w" | "W") {
                continue;
            }
            let address = u64::from_str_radix(address, 16)
                .with_context(|| format!("{}: bad line '{line}'", path.display()))?;
            symbols.push((address, name.to_owned()));
        }
        symbols.sort();
        if symbols.iter().all(|(address, _)| *address == 0) {
            bail!(
                "{} holds no addresses (it was not read as root)",
                path.display()
            );
        }
        Ok(Self(symbols))
    }

    /// The function that holds `address`, and whether it starts there.
    pub fn find(&self, address: u64) -> (&str, bool) {
        if address < 1 << 63 {
            return (USER_SPACE, false);
        }
        let after = self.0.partition_point(|(start, _)| *start <= address);
        match after.checked_sub(1) {
            Some(index) => (&self.0[index].1, self.0[index].0 == address),
            None => ("(below all symbols)", false),
        }
    }
}

pub fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}
