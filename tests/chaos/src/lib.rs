// SPDX-License-Identifier: GPL-2.0
//! What other random tests use, too.

pub mod faults;
