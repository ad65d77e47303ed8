//! The steps of a rotation, and the pivot between undoing and going on.

/// One step of a run, in the order in which they come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// Reads only: every page of the key list, every target, the key in hand.
    Observe,
    /// Keys whose grace is over are retired.
    Settle,
    /// A hand-made key is renamed into the family.
    Adopt,
    /// The new key is made.
    Create,
    /// The new key is shown to work, and a never-issued one not to.
    Prove,
    /// Every target is written.
    Distribute,
    /// Whoever uses a target takes the new key up, where a target says that this is to be seen to.
    Rollout,
    /// The new key is proved again, the targets looked at again.
    Confirm,
    /// The new key gets its final name.
    Commit,
    /// Replaced keys are deleted.
    Retire,
    /// After a failure: back to how it was, or as near as is safe.
    Undo,
}

impl Step {
    /// The word for logs and tables.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Observe => "observe",
            Self::Settle => "settle",
            Self::Adopt => "adopt",
            Self::Create => "create",
            Self::Prove => "prove",
            Self::Distribute => "distribute",
            Self::Rollout => "uptake",
            Self::Confirm => "confirm",
            Self::Commit => "commit",
            Self::Retire => "retire",
            Self::Undo => "undo",
        }
    }
}
