use std::io::{self, Read as _};

use flate2::Compression;
use flate2::read::{GzDecoder, GzEncoder};

/// Nothing that a machine could be given unpacks to more: stops a crafted input from filling the memory.
const UNPACKED_LIMIT: u64 = 4 * 1024 * 1024;

/// Gzip without a time in its header: the same text is the same bytes, as an EC2 client token demands.
pub(crate) fn gzip(text: &[u8]) -> io::Result<Vec<u8>> {
    let mut packed = Vec::new();
    GzEncoder::new(text, Compression::best()).read_to_end(&mut packed)?;
    Ok(packed)
}

/// Unpacks gzip; anything else is returned as it is.
pub(crate) fn gunzip(bytes: &[u8]) -> io::Result<Vec<u8>> {
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Ok(bytes.to_vec());
    }
    let mut text = Vec::new();
    GzDecoder::new(bytes).take(UNPACKED_LIMIT).read_to_end(&mut text)?;
    Ok(text)
}
