//! Option values against a parser that counts in 128 bits.

use proptest::prelude::*;

use crate::pure::option_number::{self, parse_count};
use crate::units::PageCount;

fn parse_pages(text: &[u8], page_shift: u32, total: u64) -> Option<u64> {
    option_number::parse_pages(text, page_shift, PageCount::new(total)).map(PageCount::to_u64)
}

const SUFFIXES: &[(&str, u32)] = &[
    ("", 0),
    ("k", 10),
    ("K", 10),
    ("m", 20),
    ("M", 20),
    ("g", 30),
    ("G", 30),
    ("t", 40),
    ("T", 40),
    ("p", 50),
    ("P", 50),
    ("e", 60),
    ("E", 60),
];

fn suffix() -> impl Strategy<Value = (&'static str, u32)> {
    prop::sample::select(SUFFIXES)
}

fn written(number: u64, base: u32) -> String {
    match base {
        16 => format!("{number:#x}"),
        8 => format!("0{number:o}"),
        _ => number.to_string(),
    }
}

/// What a text means, without any limit: the number, and whether `%` follows.
fn meaning(text: &str) -> Option<(u128, bool)> {
    let (text, percent) = match text.strip_suffix('%') {
        Some(text) => (text, true),
        None => (text, false),
    };
    if text.is_empty() {
        return Some((0, percent));
    }
    let letter = text.chars().next_back()?.to_ascii_lowercase();
    let hexadecimal = text.get(..2).is_some_and(|t| t.eq_ignore_ascii_case("0x"));
    // In a hexadecimal number an e is a digit.
    let shift = match "kmgtpe".find(letter) {
        Some(_) if hexadecimal && letter == 'e' => 0,
        Some(at) => 10 * (at as u32 + 1),
        None => 0,
    };
    let digits = if shift > 0 {
        &text[..text.len() - 1]
    } else {
        text
    };
    let (digits, base) = match digits {
        d if hexadecimal && d.len() > 2 => (&d[2..], 16),
        d if d.starts_with('0') => (d, 8),
        d => (d, 10),
    };
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(base)) {
        return None;
    }
    let number = digits.chars().try_fold(0u128, |n, c| {
        n.checked_mul(base.into())?
            .checked_add(c.to_digit(base)?.into())
    });
    // Too large for 128 bits is too large.
    let number = number.unwrap_or(u128::MAX);
    Some((number.checked_mul(1 << shift).unwrap_or(u128::MAX), percent))
}

fn fits(number: u128) -> Option<u64> {
    u64::try_from(number).ok()
}

proptest! {
    #[test]
    fn a_count_is_the_number_times_its_suffix(
        number in prop_oneof![any::<u64>(), 0..1u64 << 20],
        base in prop::sample::select(&[8u32, 10, 16][..]),
        suffix in suffix(),
        max in any::<u64>(),
    ) {
        // In hexadecimal an e is a digit and no suffix.
        prop_assume!(base != 16 || suffix.1 != 60);
        let text = written(number, base) + suffix.0;
        let want = fits(u128::from(number) << suffix.1);
        prop_assert_eq!(parse_count(text.as_bytes(), u64::MAX), want);
        prop_assert_eq!(parse_count(text.as_bytes(), max), want.filter(|n| *n <= max));
    }

    #[test]
    fn bytes_are_rounded_up_to_pages(
        number in any::<u64>(), suffix in suffix(), page_shift in 12u32..17, total in any::<u64>(),
    ) {
        let text = format!("{number}{}", suffix.0);
        let want = fits(u128::from(number) << suffix.1).map(|bytes| bytes.div_ceil(1 << page_shift));
        prop_assert_eq!(parse_pages(text.as_bytes(), page_shift, total), want);
    }

    #[test]
    fn a_percentage_is_of_all_pages(percent in 0..1u64 << 20, page_shift in 12u32..17, total in 0..1u64 << 40) {
        let text = format!("{percent}%");
        let bytes = (u128::from(percent) << page_shift) * u128::from(total);
        let want = fits(bytes).map(|bytes| (bytes / 100).div_ceil(1 << page_shift));
        prop_assert_eq!(parse_pages(text.as_bytes(), page_shift, total), want);
    }

    #[test]
    fn half_of_the_memory_is_half_of_the_pages(total in 0..1u64 << 40) {
        prop_assert_eq!(parse_pages(b"50%", 12, total), Some(total.div_ceil(2)));
        prop_assert_eq!(parse_pages(b"100%", 12, total), Some(total));
    }

    #[test]
    fn any_text_means_one_thing(text in "(0|0[xX])?[0-9a-fA-F]{0,24}[kKmMgGtTpPeE]?%?") {
        let want = meaning(&text);
        let count = want.filter(|(_, percent)| !percent).and_then(|(number, _)| fits(number));
        prop_assert_eq!(parse_count(text.as_bytes(), u64::MAX), count, "{}", text);
        if let Some((number, true)) = want {
            let bytes = number.checked_mul(4096).and_then(|n| n.checked_mul(1000)).and_then(fits);
            let pages = bytes.map(|bytes| (bytes / 100).div_ceil(4096));
            prop_assert_eq!(parse_pages(text.as_bytes(), 12, 1000), pages.filter(|_| fits(number).is_some()));
        }
    }

    #[test]
    fn what_follows_a_number_is_an_error(
        number in any::<u32>(), suffix in suffix(), rest in "[ .,+a-zA-Z%-]{1,3}",
    ) {
        let text = format!("{number}{}{rest}", suffix.0);
        // A suffix of its own, or a percent sign, may follow a bare number.
        let is_suffix = suffix.0.is_empty() && SUFFIXES.iter().any(|(s, _)| *s == rest);
        let is_hexadecimal = number == 0 && rest.starts_with(['x', 'X']);
        prop_assume!(!is_suffix && !is_hexadecimal);
        prop_assert_eq!(parse_count(text.as_bytes(), u64::MAX), None, "{}", text);
    }

    #[test]
    fn no_bytes_can_do_harm(text in prop::collection::vec(any::<u8>(), 0..40), shift in 12u32..17, total: u64) {
        let _ = parse_count(&text, u64::MAX);
        let _ = parse_pages(&text, shift, total);
    }
}
