// SPDX-License-Identifier: GPL-2.0

//! Numbers and sizes in mount options.
//!
//! The grammar is that of the kernel's `memparse()`: digits, which are octal after a leading `0`, hexadecimal
//! after a leading `0x`, and else decimal; then at most one of the suffixes k, m, g, t, p and e. A text
//! without digits is 0, and has no suffix. Unlike `memparse()`, this refuses a number that does not fit.

use crate::units::PageCount;

/// Reads a number off the front of `text`; returns it and the rest, or `None` where it does not
/// fit.
fn parse_number(text: &[u8]) -> Option<(u64, &[u8])> {
    let (base, mut rest) = match text {
        [b'0', b'x' | b'X', digit, ..] if digit.is_ascii_hexdigit() => (16, &text[2..]),
        [b'0', ..] => (8, text),
        _ => (10, text),
    };
    let digits = rest;
    let mut number: u64 = 0;
    while let [first, tail @ ..] = rest {
        let Some(digit) = (*first as char).to_digit(base) else {
            break;
        };
        number = number
            .checked_mul(u64::from(base))?
            .checked_add(u64::from(digit))?;
        rest = tail;
    }

    if rest.len() == digits.len() {
        return Some((0, rest));
    }
    let power = match rest.first().map(u8::to_ascii_lowercase) {
        Some(b'k') => 1,
        Some(b'm') => 2,
        Some(b'g') => 3,
        Some(b't') => 4,
        Some(b'p') => 5,
        Some(b'e') => 6,
        _ => return Some((number, rest)),
    };
    let unit = 1024u64.checked_pow(power)?;
    Some((number.checked_mul(unit)?, &rest[1..]))
}

/// Parses a count of at most `max`.
pub(crate) fn parse_count(text: &[u8], max: u64) -> Option<u64> {
    match parse_number(text)? {
        (number, []) if number <= max => Some(number),
        _ => None,
    }
}

/// Parses a size in bytes, or with `%` in hundredths of `total`; returns pages of 2^`page_shift`
/// bytes, rounded up. `None` where there is no such size.
pub(crate) fn parse_pages(text: &[u8], page_shift: u32, total: PageCount) -> Option<PageCount> {
    let page = 2u64.checked_pow(page_shift)?;
    let bytes = match parse_number(text)? {
        (bytes, []) => bytes,
        (percent, [b'%']) => {
            let hundredths = percent.checked_mul(page)?.checked_mul(total.to_u64())?;
            hundredths / 100
        }
        _ => return None,
    };
    Some(PageCount::new(bytes.div_ceil(page)))
}

#[cfg(any(test, CONFIG_KUNIT))]
#[cfg_attr(CONFIG_KUNIT, kernel::prelude::kunit_tests(rtmpfs_option_number))]
mod tests {
    use super::*;

    fn pages(text: &[u8], page_shift: u32, total: u64) -> Option<u64> {
        parse_pages(text, page_shift, PageCount::new(total)).map(PageCount::to_u64)
    }

    #[test]
    fn counts_have_bases_and_suffixes() {
        assert_eq!(parse_count(b"123", 1000), Some(123));
        assert_eq!(parse_count(b"0x10", 1000), Some(16));
        assert_eq!(parse_count(b"010", 1000), Some(8));
        assert_eq!(parse_count(b"2k", 4096), Some(2048));
        assert_eq!(parse_count(b"1M", 1 << 20), Some(1 << 20));
    }

    #[test]
    fn counts_refuse_rests_and_excess() {
        assert_eq!(parse_count(b"12x", 1000), None);
        assert_eq!(parse_count(b"1001", 1000), None);
        assert_eq!(parse_count(b"-1", 1000), None);
        assert_eq!(parse_count(b" 1", 1000), None);
        assert_eq!(
            parse_count(b"18446744073709551615", u64::MAX),
            Some(u64::MAX)
        );
        assert_eq!(parse_count(b"18446744073709551616", u64::MAX), None);
        assert_eq!(parse_count(b"99999999999999999999", u64::MAX), None);
        assert_eq!(parse_count(b"15e", u64::MAX), Some(15 << 60));
        assert_eq!(parse_count(b"16e", u64::MAX), None);
    }

    #[test]
    fn nothing_is_zero() {
        assert_eq!(parse_count(b"", 1000), Some(0));
        assert_eq!(parse_count(b"k", 1000), None);
        assert_eq!(parse_count(b"0", 1000), Some(0));
        assert_eq!(parse_count(b"0x", 1000), None);
        assert_eq!(parse_count(b"08", 1000), None);
        assert_eq!(parse_count(b"0k", 1000), Some(0));
        assert_eq!(parse_count(b"0xe", 1000), Some(14));
    }

    #[test]
    fn pages_are_rounded_up() {
        assert_eq!(pages(b"1", 12, 100), Some(1));
        assert_eq!(pages(b"4096", 12, 100), Some(1));
        assert_eq!(pages(b"4097", 12, 100), Some(2));
        assert_eq!(pages(b"50%", 12, 100), Some(50));
        assert_eq!(pages(b"%", 12, 1000), Some(0));
        assert_eq!(pages(b"50%%", 12, 100), None);
        assert_eq!(pages(b"18446744073709551615", 12, 1), Some(1 << 52));
    }
}
