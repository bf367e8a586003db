// SPDX-License-Identifier: GPL-2.0
//! The tests. Each does its steps on one type and checks what it can by itself; what it puts down as a fact is
//! compared between the types.

mod accounting;
mod amounts;
mod beyond_the_end;
mod damage;
mod devices;
mod edges;
mod huge;
mod injected;
mod limits;
mod mappings;
mod pressure;
mod readers;
mod sizes_at_once;
mod swapoff;
mod swapoff_beside_reclaim;
mod unwritten;

use crate::mounted::Mounted;
use anyhow::{anyhow, Context, Result};
use std::fmt::Debug;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::thread::ScopedJoinHandle;

pub struct Case {
    pub name: &'static str,
    pub run: fn(&mut Scene) -> Result<()>,
}

pub fn all() -> Vec<Case> {
    [
        pressure::cases(),
        accounting::cases(),
        amounts::cases(),
        huge::cases(),
        limits::cases(),
        mappings::cases(),
        swapoff::cases(),
        swapoff_beside_reclaim::cases(),
        unwritten::cases(),
        beyond_the_end::cases(),
        damage::cases(),
        injected::cases(),
        edges::cases(),
        readers::cases(),
        sizes_at_once::cases(),
        // Among them is zswap, after which nothing comes back as a large folio until the next boot.
        devices::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// What a thread came to.
pub fn joined<T>(thread: ScopedJoinHandle<'_, T>) -> Result<T> {
    thread.join().map_err(|_| anyhow!("a thread panicked"))
}

/// What a test has to work with.
pub struct Scene {
    pub kind: String,
    pub facts: Vec<(String, String)>,
}

impl Scene {
    pub fn mount(&self, options: &str) -> Result<Mounted> {
        Mounted::new(&self.kind, options)
    }

    /// Something that must be the same on both types.
    pub fn fact(&mut self, name: &str, value: impl Debug) {
        let value = format!("{value:?}").replace(&self.kind, "TYPE");
        self.facts.push((name.to_owned(), value));
    }

    pub fn note(&self, text: &str) {
        stage::tap::note(&format!("{}: {text}", self.kind));
    }

    /// What can be seen of the space that a file takes.
    pub fn space(&mut self, when: &str, mount: &Mounted, file: &File) -> Result<()> {
        let meta = file.metadata().context("fstat")?;
        self.fact(&format!("{when}: size"), meta.size());
        self.fact(&format!("{when}: st_blocks"), meta.blocks());
        self.fact(&format!("{when}: blocks in use"), mount.used()?);
        Ok(())
    }
}
