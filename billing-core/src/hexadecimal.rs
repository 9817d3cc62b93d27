//! Bytes as hexadecimal text, in lower case only: one text for the same bytes.

use faster_hex::{hex_decode, hex_string};

pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    hex_string(bytes.as_ref())
}

pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = vec![0; text.len() / 2];
    decode_into(text.as_bytes(), &mut bytes).then_some(bytes)
}

/// Decodes text of exactly twice as many digits.
pub(crate) fn decode_array<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    decode_into(text, &mut bytes).then_some(bytes)
}

fn decode_into(text: &[u8], bytes: &mut [u8]) -> bool {
    // A loop that does not end early takes many digits at once.
    let upper_case = (text.iter()).fold(false, |any, digit| any | digit.is_ascii_uppercase());
    text.len() == 2 * bytes.len() && !upper_case && hex_decode(text, bytes).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_text_for_the_same_bytes() {
        assert_eq!(decode("00ff"), Some(vec![0, 255]));
        assert_eq!(encode([0, 255]), "00ff");
        assert_eq!(decode_array(b"00ff"), Some([0, 255]));
        for other in ["00FF", "0x00ff", "00f", "00fg", " 00ff", "00ff00"] {
            assert_eq!(decode_array::<2>(other.as_bytes()), None, "{other}");
        }
        for other in ["00FF", "0x00ff", "00f", "00fg", "00 f", "\u{e4}\u{e4}"] {
            assert_eq!(decode(other), None, "{other}");
        }
    }
}
