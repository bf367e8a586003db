// SPDX-License-Identifier: GPL-2.0

//! What a file is measured in: positions and lengths in bytes, pages and ranges of pages, orders of
//! folios, and the numbers of inodes.
//!
//! They do not mix, and no operation of theirs overflows: it has a result for all values, which its
//! documentation states, or is an `Option`. A number that a user chooses, such as an offset of a
//! system call, becomes one of these types where C hands it over, and a number of C again where C takes
//! it; between the two it is nothing else. The rest of the crate may neither calculate with plain
//! operators nor cast (`clippy::arithmetic_side_effects` and the lints of casts are denied) nor shift
//! (`make lint`): what is missing belongs here, with its edge in the tests.
//!
//! - [`Pos`] is where a byte is in a file, [`Len`] how many bytes there are: `pos.saturating_add(len)`,
//!   `pos.distance_to(end)`.
//! - [`PageIndex`] is where a page is in a file, [`PageCount`] how many pages there are, [`PageRange`]
//!   which: `pos.page()`, `size.page_end()`, `index.start()`, `order.pages()`, `pages.bytes()`.
//! - [`PageIndex::END`] is behind all pages, and the end of a range that has none.
//!
//! A floor of its own: all floors above and the pure room of the file system use it, and of the kernel it needs the
//! size of a page only, so that user space tests this very file.

// The casts of the crate are here. Those between `usize` and `u64` lose nothing on 64 bits, and say
// what they do on 32; those that drop a sign follow a check or a mask.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss
)]
// Which of them is used depends on the configuration.
#![allow(dead_code)]

use crate::bindings;

/// The size of a page, in bytes.
pub(crate) const PAGE_SIZE: usize = 1 << PAGE_SHIFT;

/// The binary logarithm of [`PAGE_SIZE`].
pub(crate) const PAGE_SHIFT: u32 = bindings::PAGE_SHIFT;

const PAGE_BYTES: u64 = 1 << PAGE_SHIFT;

/// The value as a `usize`; `usize::MAX` where it does not fit, which is on 32 bits only.
#[inline(always)]
const fn to_usize(value: u64) -> usize {
    if value > usize::MAX as u64 {
        usize::MAX
    } else {
        value as usize
    }
}

/// The value as an `i64`; `i64::MAX` where it does not fit.
#[inline(always)]
const fn to_i64(value: u64) -> i64 {
    if value > i64::MAX as u64 {
        i64::MAX
    } else {
        value as i64
    }
}

/// What each number of something can do.
macro_rules! amount {
    ($name:ident) => {
        impl $name {
            /// Nothing.
            pub(crate) const ZERO: Self = Self(0);

            /// The number.
            #[inline(always)]
            pub(crate) const fn to_u64(self) -> u64 {
                self.0
            }

            /// Whether it is nothing.
            #[inline(always)]
            pub(crate) const fn is_zero(self) -> bool {
                self.0 == 0
            }

            /// The sum; `u64::MAX` where it is more.
            #[inline(always)]
            pub(crate) const fn saturating_add(self, other: Self) -> Self {
                Self(self.0.saturating_add(other.0))
            }

            /// The difference; nothing where `other` is more.
            #[inline(always)]
            pub(crate) const fn saturating_sub(self, other: Self) -> Self {
                Self(self.0.saturating_sub(other.0))
            }
        }
    };
}

amount!(Len);
amount!(PageCount);

/// A number of bytes: the length of a transfer, the size of a folio, what a user takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[repr(transparent)]
pub(crate) struct Len(u64);

impl Len {
    /// A page.
    pub(crate) const PAGE: Self = Self(PAGE_BYTES);

    /// As many bytes as memory can have.
    #[inline(always)]
    pub(crate) const fn new(bytes: usize) -> Self {
        Self(bytes as u64)
    }

    /// As many bytes as a counter says.
    #[inline(always)]
    pub(crate) const fn from_u64(bytes: u64) -> Self {
        Self(bytes)
    }

    /// The number, for memory (`size_t`); on 32 bits `usize::MAX` where it is more.
    #[inline(always)]
    pub(crate) const fn to_usize(self) -> usize {
        to_usize(self.0)
    }

    /// How many whole pages it has.
    #[inline(always)]
    pub(crate) const fn pages(self) -> PageCount {
        PageCount(self.0 >> PAGE_SHIFT)
    }

    /// How many whole blocks of 512 bytes it has, as `st_blocks` counts them.
    #[inline(always)]
    pub(crate) const fn sectors(self) -> u64 {
        self.0 >> 9
    }

    /// How many pages it needs, the last one perhaps in part.
    #[inline(always)]
    pub(crate) const fn pages_needed(self) -> PageCount {
        PageCount(self.0.saturating_add(PAGE_BYTES - 1) >> PAGE_SHIFT)
    }

    /// The order of the smallest folio that has as many bytes; [`Order::MAX`] where none has.
    #[inline(always)]
    pub(crate) const fn order(self) -> Order {
        let pages = self.0.div_ceil(PAGE_BYTES);
        match pages.saturating_sub(1).checked_ilog2() {
            None => Order::ZERO,
            // INVARIANT: Less than the maximum, and one more.
            Some(below) if below < Order::MAX.0 => Order(below.wrapping_add(1)),
            Some(_) => Order::MAX,
        }
    }

    /// The number, for a part of a page (`unsigned int`); `u32::MAX` where it is more.
    #[inline(always)]
    pub(crate) const fn to_uint(self) -> u32 {
        if self.0 > u32::MAX as u64 {
            u32::MAX
        } else {
            self.0 as u32
        }
    }

    /// The number, for a difference of positions (`loff_t`, `qsize_t`); `i64::MAX` where it is more.
    #[inline(always)]
    pub(crate) const fn to_loff(self) -> i64 {
        to_i64(self.0)
    }

    /// The number, for what a system call has done (`ssize_t`); `isize::MAX` where it is more.
    #[inline(always)]
    pub(crate) const fn to_ssize(self) -> isize {
        if self.0 > isize::MAX as u64 {
            isize::MAX
        } else {
            self.0 as isize
        }
    }
}

/// A position in a file, in bytes from its start; the size of a file is one, too.
///
/// # Invariants
///
/// At most [`Pos::MAX`]: C has it as a signed number (`loff_t`) that is not negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[repr(transparent)]
pub(crate) struct Pos(u64);

impl Pos {
    /// The start.
    pub(crate) const ZERO: Self = Self(0);
    /// The end of all files.
    pub(crate) const MAX: Self = Self(i64::MAX as u64);

    /// The position that a user or C says; `None` where it is negative.
    #[inline(always)]
    pub(crate) const fn new(raw: i64) -> Option<Self> {
        if raw < 0 {
            return None;
        }
        // INVARIANT: Just checked.
        Some(Self(raw as u64))
    }

    /// A position that C has checked: it is not negative, and its sign is not looked at.
    #[inline(always)]
    pub(crate) const fn from_loff(raw: i64) -> Self {
        // INVARIANT: What the mask lets through is at most the maximum.
        Self(raw as u64 & i64::MAX as u64)
    }

    /// The position for C.
    #[inline(always)]
    pub(crate) const fn to_loff(self) -> i64 {
        self.0 as i64
    }

    /// The position `len` further; [`Pos::MAX`] where that would be beyond it.
    #[inline(always)]
    pub(crate) const fn saturating_add(self, len: Len) -> Self {
        // By the invariants the sum of this and another number of 63 bits has 64.
        let sum = self.0.wrapping_add(len.0);
        if sum | len.0 > Self::MAX.0 {
            return Self::MAX;
        }
        // INVARIANT: Just checked.
        Self(sum)
    }

    /// The position `len` further; `None` where that would be beyond [`Pos::MAX`].
    #[inline(always)]
    pub(crate) const fn checked_add(self, len: Len) -> Option<Self> {
        match self.0.checked_add(len.0) {
            // INVARIANT: Just checked.
            Some(sum) if sum <= Self::MAX.0 => Some(Self(sum)),
            _ => None,
        }
    }

    /// The position `len` before; the start where that is nearer.
    #[inline(always)]
    pub(crate) const fn saturating_sub(self, len: Len) -> Self {
        // INVARIANT: No more than it was.
        Self(self.0.saturating_sub(len.0))
    }

    /// The position of the byte before; `None` at the start.
    #[inline(always)]
    pub(crate) const fn before(self) -> Option<Self> {
        match self.0.checked_sub(1) {
            // INVARIANT: No more than it was.
            Some(before) => Some(Self(before)),
            None => None,
        }
    }

    /// How many bytes there are from here to before `end`; none where that is not behind.
    #[inline(always)]
    pub(crate) const fn distance_to(self, end: Self) -> Len {
        Len(end.0.saturating_sub(self.0))
    }

    /// The page that the byte is in.
    #[inline(always)]
    pub(crate) const fn page(self) -> PageIndex {
        PageIndex(self.0 >> PAGE_SHIFT)
    }

    /// Behind the last page that has a byte before this position: where the pages of a file of this size
    /// end.
    #[inline(always)]
    pub(crate) const fn page_end(self) -> PageIndex {
        // By the invariants there is no overflow.
        PageIndex(self.0.wrapping_add(PAGE_BYTES - 1) >> PAGE_SHIFT)
    }

    /// How far the byte is from the start of the folio of `order` that it is in, or would be in.
    #[inline(always)]
    pub(crate) const fn offset_in(self, order: Order) -> Len {
        Len(self.0 & !order.outside())
    }

    /// How many bytes there are from here to the end of the folio of `order` that it is in, or would be
    /// in. At least one.
    #[inline(always)]
    pub(crate) const fn left_in(self, order: Order) -> Len {
        // The bits outside of it count as -1 of its size, so that this is what the offset lacks.
        Len((self.0 | order.outside()).wrapping_neg())
    }
}

/// A page of a file, counted from its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[repr(transparent)]
pub(crate) struct PageIndex(u64);

impl PageIndex {
    /// The first page.
    pub(crate) const ZERO: Self = Self(0);
    /// Behind all pages: no file has one there.
    pub(crate) const END: Self = Self(u64::MAX);

    /// The page that a counter says.
    #[inline(always)]
    pub(crate) const fn new(index: u64) -> Self {
        Self(index)
    }

    /// The page that C says (`pgoff_t`).
    #[inline(always)]
    pub(crate) const fn from_pgoff(raw: usize) -> Self {
        Self(raw as u64)
    }

    /// The page for C; on 32 bits the last that C knows where it is behind that.
    #[inline(always)]
    pub(crate) const fn to_pgoff(self) -> usize {
        to_usize(self.0)
    }

    /// The number.
    #[inline(always)]
    pub(crate) const fn to_u64(self) -> u64 {
        self.0
    }

    /// Where the page starts; `None` where that is behind [`Pos::MAX`].
    #[inline(always)]
    pub(crate) const fn start(self) -> Option<Pos> {
        if self.0 > Pos::MAX.0 >> PAGE_SHIFT {
            return None;
        }
        // INVARIANT: Just checked.
        Some(Pos(self.0 << PAGE_SHIFT))
    }

    /// Where the page starts; [`Pos::MAX`] where that is behind the end of all files.
    #[inline(always)]
    pub(crate) const fn start_or_max(self) -> Pos {
        match self.start() {
            Some(start) => start,
            None => Pos::MAX,
        }
    }

    /// The page after this; [`PageIndex::END`] has none but itself.
    #[inline(always)]
    pub(crate) const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The page before this; `None` at the first.
    #[inline(always)]
    pub(crate) const fn before(self) -> Option<Self> {
        match self.0.checked_sub(1) {
            Some(before) => Some(Self(before)),
            None => None,
        }
    }

    /// The page `pages` further; [`PageIndex::END`] where that would be behind it.
    #[inline(always)]
    pub(crate) const fn saturating_add(self, pages: PageCount) -> Self {
        Self(self.0.saturating_add(pages.0))
    }

    /// How many pages there are from here to before `end`; none where that is not behind.
    #[inline(always)]
    pub(crate) const fn distance_to(self, end: Self) -> PageCount {
        PageCount(end.0.saturating_sub(self.0))
    }

    /// The first page of the folio of `order` that this is in, or would be in.
    #[inline(always)]
    pub(crate) const fn align_down(self, order: Order) -> Self {
        Self(self.0 & !order.mask())
    }

    /// Whether a folio of `order` could begin here.
    #[inline(always)]
    pub(crate) const fn is_aligned(self, order: Order) -> bool {
        self.0 & order.mask() == 0
    }

    /// How far it is from the first page of the folio of `order` that it is in, or would be in.
    #[inline(always)]
    pub(crate) const fn offset_in(self, order: Order) -> PageCount {
        PageCount(self.0 & order.mask())
    }

    /// The pages of the folio of `order` that this is in, or would be in. The last such range ends at
    /// [`PageIndex::END`] and is a page short.
    #[inline(always)]
    pub(crate) const fn folio(self, order: Order) -> PageRange {
        let start = self.align_down(order);
        PageRange {
            start,
            end: start.saturating_add(order.pages()),
        }
    }

    /// The order of the largest folio that could begin here.
    #[inline(always)]
    pub(crate) const fn largest_order(self) -> Order {
        let zeros = self.0.trailing_zeros();
        if zeros > Order::MAX.0 {
            return Order::MAX;
        }
        // INVARIANT: Just checked.
        Order(zeros)
    }

    /// The number of the folio of `order` that this is in, or would be in; on 32 bits the lower half.
    #[inline(always)]
    pub(crate) const fn folio_number(self, order: Order) -> usize {
        self.0.wrapping_shr(order.0) as usize
    }
}

/// A number of pages; a block of a mount is a page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[repr(transparent)]
pub(crate) struct PageCount(u64);

impl PageCount {
    /// A single page.
    pub(crate) const ONE: Self = Self(1);
    /// More than there can be.
    pub(crate) const MAX: Self = Self(u64::MAX);

    /// As many pages as a counter says.
    #[inline(always)]
    pub(crate) const fn new(pages: u64) -> Self {
        Self(pages)
    }

    /// As many pages as C says (`unsigned long`).
    #[inline(always)]
    pub(crate) const fn from_ulong(raw: usize) -> Self {
        Self(raw as u64)
    }

    /// As many pages as C says where it could say less than none (`long`), which is none.
    #[inline(always)]
    pub(crate) const fn from_long(raw: isize) -> Self {
        if raw < 0 {
            Self::ZERO
        } else {
            Self(raw as u64)
        }
    }

    /// The number for C (`unsigned long`); on 32 bits `usize::MAX` where it is more.
    #[inline(always)]
    pub(crate) const fn to_ulong(self) -> usize {
        to_usize(self.0)
    }

    /// The number for C (`long`), where its negative is wanted too; `isize::MAX` where it is more.
    #[inline(always)]
    pub(crate) const fn to_long(self) -> isize {
        if self.0 > isize::MAX as u64 {
            isize::MAX
        } else {
            self.0 as isize
        }
    }

    /// The number for C (`int`), where its negative is wanted too; `i32::MAX` where it is more, which is
    /// more than a folio has.
    #[inline(always)]
    pub(crate) const fn to_int(self) -> i32 {
        if self.0 > i32::MAX as u64 {
            i32::MAX
        } else {
            self.0 as i32
        }
    }

    /// The difference, 2^64 more where `other` is more: for counts that may be less than nothing for a
    /// moment.
    #[inline(always)]
    pub(crate) const fn wrapping_sub(self, other: Self) -> Self {
        Self(self.0.wrapping_sub(other.0))
    }

    /// The order of the largest folio that has no more pages; `None` where there is none.
    #[inline(always)]
    pub(crate) const fn largest_order(self) -> Option<Order> {
        match self.0.checked_ilog2() {
            Some(order) if order > Order::MAX.0 => Some(Order::MAX),
            // INVARIANT: Just checked.
            Some(order) => Some(Order(order)),
            None => None,
        }
    }

    /// How far each of them is from the first.
    #[inline(always)]
    pub(crate) fn each(self) -> impl Iterator<Item = Self> {
        (0..self.0).map(Self)
    }

    /// Half of them, rounded down.
    #[inline(always)]
    pub(crate) const fn half(self) -> Self {
        Self(self.0 / 2)
    }

    /// An eighth of them, rounded down.
    #[inline(always)]
    pub(crate) const fn eighth(self) -> Self {
        Self(self.0 / 8)
    }

    /// How many KiB they have, as the kernel shows it: of more than fits, the lower 64 bits.
    #[inline(always)]
    pub(crate) const fn shown_kib(self) -> u64 {
        self.0 << (PAGE_SHIFT - 10)
    }

    /// How many bytes they have; `u64::MAX` where it is more.
    #[inline(always)]
    pub(crate) const fn bytes(self) -> Len {
        if self.0 > u64::MAX >> PAGE_SHIFT {
            Len(u64::MAX)
        } else {
            Len(self.0 << PAGE_SHIFT)
        }
    }
}

/// Pages of a file, from `start` to before `end`; none where that is not behind.
///
/// # Examples
///
/// ```
/// use crate::units::{Len, PageCount, PageRange, Pos};
///
/// // The pages that bytes of a file are in. No sum overflows: what would be beyond the last position ends there.
/// fn pages_of(pos: Pos, bytes: Len) -> PageCount {
///     PageRange::new(pos.page(), pos.saturating_add(bytes).page_end()).len()
/// }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PageRange {
    /// The first page.
    pub(crate) start: PageIndex,
    /// Behind the last page; [`PageIndex::END`] where the range has no end.
    pub(crate) end: PageIndex,
}

/// How many bits of [`PageRange::to_bits`] say how many pages there are: those of the largest folio fit, and with the rest of
/// the bits all pages that a file can have, if they have 4 KiB.
const LEN_BITS: u32 = 12;
const LEN_MASK: u64 = (1 << LEN_BITS) - 1;

impl PageRange {
    /// All pages that a file can have.
    pub(crate) const ALL: Self = Self::new(PageIndex::ZERO, PageIndex::END);

    /// The pages from `start` to before `end`.
    #[inline(always)]
    pub(crate) const fn new(start: PageIndex, end: PageIndex) -> Self {
        Self { start, end }
    }

    /// Whether there is none.
    #[inline(always)]
    pub(crate) const fn is_empty(&self) -> bool {
        self.end.0 <= self.start.0
    }

    /// How many there are.
    #[inline(always)]
    pub(crate) const fn len(&self) -> PageCount {
        self.start.distance_to(self.end)
    }

    /// The last of them; `None` where there is none.
    #[inline(always)]
    pub(crate) const fn last(&self) -> Option<PageIndex> {
        if self.is_empty() {
            None
        } else {
            self.end.before()
        }
    }

    /// Whether `index` is one of them.
    #[inline(always)]
    pub(crate) const fn contains(&self, index: PageIndex) -> bool {
        self.start.0 <= index.0 && index.0 < self.end.0
    }

    /// Whether all of `other` are among them, and `other` is between their start and their end even
    /// where it has none.
    #[inline(always)]
    pub(crate) const fn contains_all(&self, other: &Self) -> bool {
        self.start.0 <= other.start.0 && other.end.0 <= self.end.0
    }

    /// Those that are in both.
    #[inline(always)]
    pub(crate) fn clip(&self, other: &Self) -> Self {
        let start = self.start.max(other.start);
        Self {
            start,
            end: self.end.min(other.end).max(start),
        }
    }

    /// Both ends in one number, which an atomic can hold: 0 where there is no page. `None` where there are more than a
    /// folio has, or than a file can have before them.
    #[inline(always)]
    pub(crate) const fn to_bits(self) -> Option<u64> {
        let len = self.len().0;
        if len == 0 {
            Some(0)
        } else if len > LEN_MASK || self.start.0 > u64::MAX >> LEN_BITS {
            None
        } else {
            Some((self.start.0 << LEN_BITS) | len)
        }
    }

    /// The pages of a number that [`PageRange::to_bits`] gave.
    #[inline(always)]
    pub(crate) const fn from_bits(bits: u64) -> Self {
        let start = PageIndex(bits >> LEN_BITS);
        // As many bits as there are hold both.
        Self::new(start, PageIndex(start.0.wrapping_add(bits & LEN_MASK)))
    }
}

/// The size of a folio, as the binary logarithm of its pages.
///
/// # Invariants
///
/// At most [`Order::MAX`], which is far more than the kernel has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[repr(transparent)]
pub(crate) struct Order(u32);

impl Order {
    /// A single page.
    pub(crate) const ZERO: Self = Self(0);
    /// The largest.
    pub(crate) const MAX: Self = Self(31);

    /// The order of a bitmap or a setting; `None` where it is more than [`Order::MAX`].
    #[inline(always)]
    pub(crate) const fn new(raw: u32) -> Option<Self> {
        if raw > Self::MAX.0 {
            return None;
        }
        // INVARIANT: Just checked.
        Some(Self(raw))
    }

    /// An order that C has from a folio, or a slot: it is at most [`Order::MAX`], and the bits above
    /// that are not looked at.
    #[inline(always)]
    pub(crate) const fn from_uint(raw: u32) -> Self {
        // INVARIANT: What the mask lets through is at most the maximum.
        Self(raw & Self::MAX.0)
    }

    /// The same where C has it as an `int`.
    #[inline(always)]
    pub(crate) const fn from_int(raw: i32) -> Self {
        Self::from_uint(raw as u32)
    }

    /// The order for C.
    #[inline(always)]
    pub(crate) const fn to_uint(self) -> u32 {
        self.0
    }

    /// The same where C takes it as an `int`.
    #[inline(always)]
    pub(crate) const fn to_int(self) -> i32 {
        self.0 as i32
    }

    /// Whether it is that of a single page.
    #[inline(always)]
    pub(crate) const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// The next smaller; that of a single page has none but itself.
    #[inline(always)]
    pub(crate) const fn smaller(self) -> Self {
        // INVARIANT: No more than it was.
        Self(self.0.saturating_sub(1))
    }

    /// The next larger; [`Order::MAX`] has none but itself.
    #[inline(always)]
    pub(crate) const fn larger(self) -> Self {
        if self.0 < Self::MAX.0 {
            // INVARIANT: Just checked.
            Self(self.0.wrapping_add(1))
        } else {
            self
        }
    }

    /// How many pages a folio of it has.
    #[inline(always)]
    pub(crate) const fn pages(self) -> PageCount {
        // By the invariants nothing is shifted out.
        PageCount(1u32.wrapping_shl(self.0) as u64)
    }

    /// Its bit in a bitmap of orders.
    #[inline(always)]
    pub(crate) const fn bit(self) -> usize {
        1usize.wrapping_shl(self.0)
    }

    /// The size of a folio of it.
    #[inline(always)]
    pub(crate) const fn bytes(self) -> Len {
        // By the invariants at most 31 + 16 bits.
        Len(PAGE_BYTES.wrapping_shl(self.0))
    }

    /// The bits of a position that are those of the folio of it, and not of a place within.
    #[inline(always)]
    const fn outside(self) -> u64 {
        (u64::MAX << PAGE_SHIFT).wrapping_shl(self.0)
    }

    /// The bits of an index within a folio of it.
    #[inline(always)]
    const fn mask(self) -> u64 {
        // There is at least one page.
        self.pages().0.wrapping_sub(1)
    }

    /// The same of the number of a place in swap, of which a folio has as many.
    #[inline(always)]
    pub(crate) const fn swap_mask(self) -> usize {
        self.mask() as usize
    }
}

/// The number of an inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(transparent)]
pub(crate) struct Ino(u64);

impl Ino {
    /// The first that a mount gives out; 0 is none.
    pub(crate) const FIRST: Self = Self(1);

    /// The inode number that C says, or a client with a file handle.
    #[inline(always)]
    pub(crate) const fn new(raw: u64) -> Self {
        Self(raw)
    }

    /// The number for C.
    #[inline(always)]
    pub(crate) const fn to_u64(self) -> u64 {
        self.0
    }

    /// The number where C has it in an `unsigned long`: on 32 bits the lower half.
    #[inline(always)]
    pub(crate) const fn to_ulong(self) -> usize {
        self.0 as usize
    }

    /// What a program sees that has room for 32 bits.
    #[inline(always)]
    pub(crate) const fn low(self) -> u32 {
        self.0 as u32
    }

    /// The upper 32 bits.
    #[inline(always)]
    pub(crate) const fn high(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// The number of two halves.
    #[inline(always)]
    pub(crate) const fn from_halves(low: u32, high: u32) -> Self {
        Self(((high as u64) << 32) | low as u64)
    }

    /// The number after this, 0 after the last.
    #[inline(always)]
    pub(crate) const fn wrapping_next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }

    /// The first number after this that is a multiple of `count`, a power of two; 0 after the last.
    #[inline(always)]
    pub(crate) const fn wrapping_next_multiple(self, count: u64) -> Self {
        Self((self.0 | count.wrapping_sub(1)).wrapping_add(1))
    }

    /// Whether it has the upper 32 bits clear.
    #[inline(always)]
    pub(crate) const fn is_narrow(self) -> bool {
        self.high() == 0
    }
}

#[cfg(any(test, CONFIG_KUNIT))]
#[cfg_attr(CONFIG_KUNIT, kernel::prelude::kunit_tests(mm_units))]
mod tests {
    use super::*;

    #[test]
    fn orders_have_sizes() {
        for raw in 0..=31 {
            let order = Order::from_uint(raw);
            assert_eq!(Order::new(raw), Some(order));
            assert_eq!(order.pages().to_u64(), 1 << raw);
            assert_eq!(order.bytes().to_u64(), PAGE_BYTES << raw);
            assert_eq!(order.bit(), 1 << raw);
            assert_eq!(order.smaller().to_uint(), raw.saturating_sub(1));
            assert_eq!(order.swap_mask(), order.bit().wrapping_sub(1));
            assert_eq!(order.is_zero(), raw == 0);
        }
        assert_eq!(Order::new(32), None);
    }

    /// The last page of the largest file is where a position plus a page once did not fit.
    #[test]
    fn the_last_page_is_in_the_last_file() {
        let last = Pos::MAX.page();
        let start = last.start_or_max();
        assert_eq!(last.start(), Some(start));
        assert_eq!(start.saturating_add(Len::PAGE), Pos::MAX);
        assert_eq!(start.checked_add(Len::PAGE), None);
        assert_eq!(last.next(), Pos::MAX.page_end());
        assert_eq!(last.next().start(), None);
        assert_eq!(last.next().start_or_max(), Pos::MAX);
        assert!(PageIndex::END > last && PageIndex::END.next() == PageIndex::END);
    }

    #[test]
    fn numbers_of_inodes_are_narrow_or_not() {
        assert!(Ino::new(0xffff_ffff).is_narrow());
        assert!(!Ino::new(1 << 32).is_narrow());
        let multiple = |raw| Ino::new(raw).wrapping_next_multiple(32).to_u64();
        assert_eq!([multiple(0), multiple(31), multiple(32)], [32, 32, 64]);
        assert_eq!(multiple(u64::MAX - 32), u64::MAX - 31);
        assert_eq!(multiple(u64::MAX - 3), 0);
        assert_eq!(Ino::from_halves(2, 1), Ino::new(0x1_0000_0002));
    }
}
