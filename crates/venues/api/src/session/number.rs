//! Numbers from their text, exactly. The text matters: `0.00005100` carries the digits the checksum covers, and
//! the instrument channel writes steps as `1E-8`.

use super::error::{FrameError, excerpt};
use std::borrow::Cow;

/// The largest shift of an exponent; steps of venues need 18.
const EXPONENT_MAX: i32 = 30;

const PLAIN: &str = "a plain number of zero or more, without exponent";
const FITTING: &str = "a number whose steps fit 63 bits";
const DECIMAL: &str = "a decimal number, an exponent between -30 and 30 allowed";

/// Reads a plain number of zero or more as a whole number of steps of `10^-decimals`.
///
/// # Errors
/// Refuses other text, more decimals, and what does not fit.
pub fn steps(field: &'static str, text: &str, decimals: u32) -> Result<i64, FrameError> {
    let range = || FrameError::field(field, text, FITTING);
    let mut value: i64 = 0;
    let mut fraction: Option<u32> = None;
    let mut digits: usize = 0;
    for byte in text.bytes() {
        match (byte, fraction) {
            (b'0'..=b'9', _) => {
                let digit = i64::from(byte - b'0');
                value = value
                    .checked_mul(10)
                    .and_then(|shifted| shifted.checked_add(digit))
                    .ok_or_else(range)?;
                digits += 1;
                fraction = fraction.map(|count| count + 1);
                if fraction.is_some_and(|count| count > decimals) {
                    return Err(FrameError::Decimals { field, excerpt: excerpt(text), decimals });
                }
            }
            (b'.', None) if digits > 0 => fraction = Some(0),
            (_, _) => return Err(FrameError::field(field, text, PLAIN)),
        }
    }
    if digits == 0 || fraction == Some(0) {
        return Err(FrameError::field(field, text, PLAIN));
    }
    let missing = decimals.saturating_sub(fraction.unwrap_or(0));
    let scale = 10_i64.checked_pow(missing).ok_or_else(range)?;
    value.checked_mul(scale).ok_or_else(range)
}

/// Counts the decimals a number is written with; what is no number is refused when it is read.
#[must_use]
pub fn decimals(text: &str) -> u32 {
    let fraction = text.split_once('.').map_or("", |(_, fraction)| fraction);
    u32::try_from(fraction.len()).unwrap_or(u32::MAX)
}

/// Cuts the zeros behind the last other decimal, and a point with nothing behind it: `438.50` becomes `438.5`, `5.0` becomes
/// `5`. For venues that write every number as a float, whatever steps it has.
#[must_use]
pub fn trimmed(text: &str) -> &str {
    if !text.contains('.') {
        return text;
    }
    let cut = text.trim_end_matches('0');
    cut.strip_suffix('.').unwrap_or(cut)
}

/// Rewrites a number, or a number in quotes, without exponent: `1E-8` becomes `0.00000001`.
///
/// # Errors
/// Refuses exponents beyond 30 and what is no number with one.
pub fn plain<'a>(field: &'static str, text: &'a str) -> Result<Cow<'a, str>, FrameError> {
    let wrong = || FrameError::field(field, text, DECIMAL);
    let quoted = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let number = quoted.unwrap_or(text);
    let Some((mantissa, exponent)) = number.split_once(['e', 'E']) else {
        return Ok(Cow::Borrowed(number));
    };
    let exponent: i32 = exponent.parse().map_err(|_| wrong())?;
    if exponent.abs() > EXPONENT_MAX {
        return Err(wrong());
    }
    let (sign, digits) = mantissa.strip_prefix('-').map_or(("", mantissa), |digits| ("-", digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all = [whole, fraction].concat();
    if all.is_empty() || all.len() > 40 || !all.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    let point = i32::try_from(whole.len()).map_err(|_| wrong())?.saturating_add(exponent);
    Ok(Cow::Owned(shift(sign, &all, point)))
}

/// Puts the decimal point behind the first `point` digits, filling with zeros on either side.
fn shift(sign: &str, digits: &str, point: i32) -> String {
    let Ok(before) = usize::try_from(point) else {
        let zeros = usize::try_from(point.unsigned_abs()).unwrap_or(0);
        return format!("{sign}0.{}{digits}", "0".repeat(zeros));
    };
    match digits.split_at_checked(before) {
        Some((whole, "")) => format!("{sign}{whole}"),
        Some(("", fraction)) => format!("{sign}0.{fraction}"),
        Some((whole, fraction)) => format!("{sign}{whole}.{fraction}"),
        None => format!("{sign}{digits}{}", "0".repeat(before.saturating_sub(digits.len()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_text_becomes_whole_steps() {
        for (text, decimals, want) in [
            ("0.00005100", 8, 5100),
            ("64525.0", 1, 645_250),
            ("64525", 1, 645_250),
            ("78306", 0, 78306),
            ("0.00000000", 8, 0),
            ("9223372036854775807", 0, i64::MAX),
        ] {
            assert_eq!(steps("price", text, decimals).unwrap(), want, "{text}");
        }
    }

    #[test]
    fn a_number_that_is_not_plain_exact_and_fitting_is_refused() {
        for text in ["", ".", "1.", ".5", "-1", "1e3", "1E-8", "\"1\"", "1.2.3", "null", "0x1", "٣"]
        {
            assert!(matches!(steps("qty", text, 8), Err(FrameError::Field { .. })), "{text:?}");
        }
        assert!(matches!(steps("qty", "1.25", 1), Err(FrameError::Decimals { decimals: 1, .. })));
        assert!(steps("qty", "9223372036854775808", 0).is_err());
        assert!(steps("qty", "92233720368547758.07", 4).is_err());
        assert!(steps("qty", "1", 40).is_err());
    }

    #[test]
    fn an_exponent_is_written_out() {
        for (text, want) in [
            ("1E-8", "0.00000001"),
            ("1e-08", "0.00000001"),
            ("2.5e-1", "0.25"),
            ("12.50e1", "125.0"),
            ("1e2", "100"),
            ("-1.5e1", "-15"),
            ("\"0.50\"", "0.50"),
            ("1", "1"),
        ] {
            assert_eq!(plain("tick", text).unwrap(), want, "{text}");
        }
        for text in ["1e99", "e5", "1e", "1.2.3e4", "1e-999999999999"] {
            assert!(plain("tick", text).is_err(), "{text}");
        }
    }

    #[test]
    fn zeros_that_say_nothing_are_cut() {
        for (text, want) in
            [("438.50", "438.5"), ("5.0", "5"), ("500", "500"), ("0.0", "0"), ("10.01", "10.01")]
        {
            assert_eq!(trimmed(text), want);
        }
    }

    proptest! {
        #[test]
        fn any_text_gives_steps_or_an_error(text in "\\PC{0,40}", decimals in 0u32..40) {
            let _ = steps("price", &text, decimals);
            let _ = plain("price", &text);
        }

        #[test]
        fn steps_are_the_digits_without_the_point(whole in 0u32..1_000_000, fraction in 0u32..100_000_000) {
            let text = format!("{whole}.{fraction:08}");
            let want: i64 = text.replace('.', "").parse().unwrap();
            prop_assert_eq!(steps("qty", &text, 8).unwrap(), want);
        }
    }
}
