//! A program that supplies a credential. It gets no input, its output and its time are bounded. It and the processes that
//! it started end with the run.

use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncReadExt as _;
use tokio::process::Command;
use zeroize::Zeroizing;

/// Why a program has said nothing of use. What it says of that itself could be a credential, so it is not asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unsaid {
    /// It can't be started, or it failed.
    Failed,
    /// It says more than it may.
    TooMuch,
}

/// What a program says on stdout, at most so many bytes of it. Whoever stops waiting for it ends it.
pub(crate) async fn ask(command: &mut Command, most: u64) -> Result<Zeroizing<Vec<u8>>, Unsaid> {
    let streams = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = streams.process_group(0).kill_on_drop(true).spawn().map_err(|_| Unsaid::Failed)?;
    let _group = Group(child.id().and_then(|id| Pid::from_raw(id.cast_signed())));
    let mut text = Zeroizing::new(Vec::new());
    if let Some(said) = child.stdout.take() {
        said.take(most + 1).read_to_end(&mut text).await.map_err(|_| Unsaid::Failed)?;
    }
    if u64::try_from(text.len()).is_ok_and(|length| length > most) {
        return Err(Unsaid::TooMuch);
    }
    let ended = child.wait().await.map_err(|_| Unsaid::Failed)?;
    if ended.success() { Ok(text) } else { Err(Unsaid::Failed) }
}

/// What concerns keyrotor alone, its credentials above all, is not handed on.
#[cfg(any(feature = "aws", feature = "kubernetes"))]
pub(crate) fn is_ours(variable: &str) -> bool {
    ["INPUT_", "KEYROTOR_"].iter().any(|begin| variable.starts_with(begin))
}

/// A program and those that it has started in turn.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            kill_process_group(group, Signal::KILL).ok();
        }
    }
}
