// SPDX-License-Identifier: GPL-2.0

//! Quota in a kernel without `CONFIG_TMPFS_QUOTA`: no mount has any.

use super::Tmpfs;
use crate::units::Len;
use crate::vfs::attr::SetAttr;
use crate::vfs::{BareSuperBlock, InodeCore, NewInode};
use core::convert::Infallible;
use core::marker::PhantomData;
use kernel::prelude::*;

/// Whether a mount may have quota.
pub(in crate::tmpfs) const IS_BUILT_IN: bool = false;

/// The quota options of a mount: there are none.
#[derive(Clone, Copy, Default)]
pub(in crate::tmpfs) struct QuotaOptions(());

/// The quota of a mount: a type without values.
pub(in crate::tmpfs) struct Quota(Infallible);

impl Quota {
    /// The quota of a new mount, which has none.
    pub(in crate::tmpfs) fn new(_options: &QuotaOptions) -> Result<Option<Pin<KBox<Self>>>> {
        Ok(None)
    }

    /// Switches on what the options of a new mount ask for.
    pub(in crate::tmpfs) fn enable(&self, _sb: &BareSuperBlock<'_, Tmpfs>) -> Result {
        match self.0 {}
    }

    /// Counts a new inode against its owners.
    pub(in crate::tmpfs) fn charge_inode(&self, _inode: &mut NewInode<'_, Tmpfs>) -> Result {
        match self.0 {}
    }

    /// Adds bytes to `i_blocks`, and counts them against the owners of the inode.
    pub(in crate::tmpfs) fn charge_space<'a>(
        &self,
        _inode: &'a InodeCore<Tmpfs>,
        _bytes: Len,
    ) -> Result<SpaceCharge<'a>> {
        match self.0 {}
    }

    /// Takes bytes that were charged from `i_blocks`, and from what the owners of the inode have.
    pub(in crate::tmpfs) fn uncharge_space(&self, _inode: &InodeCore<Tmpfs>, _bytes: Len) {
        match self.0 {}
    }
}

/// Counts an inode against the owners that it is about to get, where its mount has quota.
#[inline(always)]
pub(in crate::tmpfs) fn transfer(_request: &mut SetAttr<'_, Tmpfs>) -> Result {
    Ok(())
}

/// Bytes of an inode that count against its owners: a type without values.
pub(in crate::tmpfs) struct SpaceCharge<'a>(Infallible, PhantomData<&'a InodeCore<Tmpfs>>);

impl SpaceCharge<'_> {
    /// The bytes are used.
    pub(in crate::tmpfs) fn commit(self) {
        match self.0 {}
    }
}
