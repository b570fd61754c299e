//! From BER to DER. EC2 writes its `SignedData` with indefinite lengths and strings in pieces, as BER allows; every
//! parser worth trusting reads DER. Values are kept; only their framing is made definite.

/// Deeper nesting than any `SignedData` has; bounds the recursion.
const DEEPEST: usize = 24;
const CONSTRUCTED: u8 = 0x20;
const OCTET_STRING: u8 = 0x04;
/// The low five bits that announce a tag of several bytes, which `SignedData` has none of.
const LONG_TAG: u8 = 0x1f;

/// Bytes that are not one whole BER value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not one well-formed BER value")]
pub(crate) struct NotBer;

/// The one value that `bytes` hold, as DER.
pub(crate) fn to_der(bytes: &[u8]) -> Result<Vec<u8>, NotBer> {
    let mut input = Input(bytes);
    let mut out = Vec::with_capacity(bytes.len());
    input.value(&mut out, 0)?;
    if input.0.is_empty() { Ok(out) } else { Err(NotBer) }
}

struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn byte(&mut self) -> Result<u8, NotBer> {
        let (first, rest) = self.0.split_first().ok_or(NotBer)?;
        self.0 = rest;
        Ok(*first)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], NotBer> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(NotBer)?;
        self.0 = rest;
        Ok(taken)
    }

    /// A length; none means that the value ends at a marker.
    fn length(&mut self) -> Result<Option<usize>, NotBer> {
        let first = self.byte()?;
        match first {
            0x80 => Ok(None),
            0..0x80 => Ok(Some(usize::from(first))),
            _ => {
                let bytes = self.take(usize::from(first & 0x7f))?;
                if bytes.len() > 4 {
                    return Err(NotBer);
                }
                Ok(Some(bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte))))
            }
        }
    }

    fn at_end_marker(&mut self) -> bool {
        if let Some(rest) = self.0.strip_prefix(&[0, 0]) {
            self.0 = rest;
            return true;
        }
        false
    }

    /// Reads one value and writes it as DER.
    fn value(&mut self, out: &mut Vec<u8>, depth: usize) -> Result<(), NotBer> {
        let tag = self.byte()?;
        if depth > DEEPEST || tag & LONG_TAG == LONG_TAG || tag == 0 {
            return Err(NotBer);
        }
        let length = self.length()?;
        if tag & CONSTRUCTED == 0 {
            let content = self.take(length.ok_or(NotBer)?)?;
            write(out, tag, content);
        } else if tag == OCTET_STRING | CONSTRUCTED {
            let pieces = self.children(length, depth)?;
            write(out, OCTET_STRING, &joined(&pieces)?);
        } else {
            let children = self.children(length, depth)?;
            write(out, tag, &children);
        }
        Ok(())
    }

    /// The values inside a constructed one, as DER one after another.
    fn children(&mut self, length: Option<usize>, depth: usize) -> Result<Vec<u8>, NotBer> {
        let mut out = Vec::new();
        if let Some(length) = length {
            let mut inside = Input(self.take(length)?);
            while !inside.0.is_empty() {
                inside.value(&mut out, depth + 1)?;
            }
        } else {
            while !self.at_end_marker() {
                self.value(&mut out, depth + 1)?;
            }
        }
        Ok(out)
    }
}

/// The octet strings in `pieces`, which are DER already, as one.
fn joined(pieces: &[u8]) -> Result<Vec<u8>, NotBer> {
    let mut input = Input(pieces);
    let mut whole = Vec::with_capacity(pieces.len());
    while !input.0.is_empty() {
        if input.byte()? != OCTET_STRING {
            return Err(NotBer);
        }
        let length = input.length()?.ok_or(NotBer)?;
        whole.extend_from_slice(input.take(length)?);
    }
    Ok(whole)
}

fn write(out: &mut Vec<u8>, tag: u8, content: &[u8]) {
    out.push(tag);
    let length = content.len();
    if let Ok(short @ 0..0x80) = u8::try_from(length) {
        out.push(short);
    } else {
        let bytes = length.to_be_bytes();
        let significant = &bytes[bytes.iter().take_while(|byte| **byte == 0).count()..];
        // At most eight bytes, so the count fits.
        out.push(0x80 | significant.len() as u8);
        out.extend_from_slice(significant);
    }
    out.extend_from_slice(content);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn der_stays_as_it_is() {
        let mut long = vec![0x04, 0x82, 0x01, 0x00];
        long.extend([7; 256]);
        for der in [&[0x30, 0x03, 0x02, 0x01, 0x05][..], &[0x05, 0x00], &long] {
            assert_eq!(to_der(der).as_deref(), Ok(der));
        }
    }

    #[test]
    fn indefinite_lengths_and_pieces_become_definite() {
        let sequence = [0x30, 0x80, 0x02, 0x01, 0x05, 0x00, 0x00];
        assert_eq!(to_der(&sequence).as_deref(), Ok(&[0x30, 0x03, 0x02, 0x01, 0x05][..]));
        let pieces = [0x24, 0x80, 0x04, 0x01, b'a', 0x24, 0x03, 0x04, 0x01, b'b', 0x00, 0x00];
        assert_eq!(to_der(&pieces).as_deref(), Ok(&[0x04, 0x02, b'a', b'b'][..]));
        let padded_length = [0x04, 0x83, 0x00, 0x00, 0x01, b'a'];
        assert_eq!(to_der(&padded_length).as_deref(), Ok(&[0x04, 0x01, b'a'][..]));
    }

    #[test]
    fn what_is_not_one_value_is_refused() {
        let deep = [0x30, 0x80].repeat(5000);
        for wrong in [
            &[][..],
            &[0x30],
            &[0x30, 0x05, 0x02],
            &[0x02, 0x01, 0x05, 0x00],
            &[0x04, 0x80, 0x00, 0x00],
            &[0x30, 0x80, 0x02, 0x01, 0x05],
            &[0x24, 0x03, 0x02, 0x01, 0x05],
            &[0x04, 0x85, 0xff, 0xff, 0xff, 0xff, 0xff],
            &[0x1f, 0x81, 0x00, 0x00],
            &deep,
        ] {
            assert_eq!(to_der(wrong), Err(NotBer), "{:x?}", &wrong[..wrong.len().min(12)]);
        }
    }

    proptest! {
        #[test]
        fn what_comes_out_is_stable(bytes: Vec<u8>) {
            if let Ok(der) = to_der(&bytes) {
                prop_assert_eq!(to_der(&der), Ok(der));
            }
        }
    }
}
