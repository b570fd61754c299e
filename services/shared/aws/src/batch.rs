//! Batches as SQS and SNS take them: a few entries of bounded size, each of which may be refused alone.

use std::ops::Range;

use crate::AwsError;

/// Entries in one call at most.
pub(crate) const ENTRIES: usize = 10;
/// Bytes in one call at most; below what the services take, for the attributes around a message.
const BYTES: usize = 250_000;

/// An entry that the service did not take; the others of its batch are not affected.
#[derive(Debug)]
pub struct Refused {
    /// Which one, counted from the first that was handed in.
    pub index: usize,
    /// Why.
    pub error: AwsError,
}

/// Cuts entries into batches, in order. An entry that is too large for any call is alone in its own.
pub(crate) fn batches<T>(entries: &[T], size: impl Fn(&T) -> usize) -> Vec<Range<usize>> {
    let mut batches: Vec<Range<usize>> = Vec::new();
    let mut bytes = 0;
    for (index, entry) in entries.iter().enumerate() {
        let size = size(entry);
        match batches.last_mut() {
            Some(batch) if batch.len() < ENTRIES && bytes + size <= BYTES => {
                batch.end = index + 1;
                bytes += size;
            }
            _ => {
                batches.push(index..index + 1);
                bytes = size;
            }
        }
    }
    batches
}

/// An entry's failure as the service tells it; entries are named by their index.
pub(crate) fn refused(
    operation: &'static str,
    id: &str,
    code: &str,
    sender_fault: bool,
    message: Option<&str>,
) -> Result<Refused, AwsError> {
    let index = id.parse().map_err(|error| AwsError::unreadable(operation, error))?;
    let error = AwsError {
        operation,
        code: Some(code.to_owned()),
        retryable: !sender_fault,
        source: message.unwrap_or("the entry was not taken").into(),
    };
    Ok(Refused { index, error })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_have_bounded_entries_and_bytes_and_leave_nothing_out() {
        let cut = |sizes: &[usize]| batches(sizes, |size| *size);
        assert!(cut(&[]).is_empty());
        assert_eq!(cut(&[1; 12]), [0..10, 10..12]);
        assert_eq!(cut(&[BYTES - 1, 1, 1]), [0..2, 2..3]);
        assert_eq!(cut(&[1, BYTES * 2, 1]), [0..1, 1..2, 2..3]);
    }
}
