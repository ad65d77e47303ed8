//! Reading an answer's body without trusting its length.

/// Why a body could not be read to its end.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// It went on past the cap; what came before is dropped.
    #[error("the answer is longer than {cap} bytes")]
    TooLarge {
        /// The cap, in bytes.
        cap: usize,
    },
    /// The connection broke, or the time was up.
    #[error(transparent)]
    Broken(#[from] reqwest::Error),
}

/// Reads a body piece by piece, never keeping more than `cap` bytes.
///
/// # Errors
/// A body that is larger, or that does not come to its end.
pub async fn body(mut answer: reqwest::Response, cap: usize) -> Result<Vec<u8>, BodyError> {
    let mut bytes = Vec::new();
    while let Some(piece) = answer.chunk().await? {
        if bytes.len() + piece.len() > cap {
            return Err(BodyError::TooLarge { cap });
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}
