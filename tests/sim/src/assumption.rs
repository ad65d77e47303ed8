//! The assumptions of the protocol (`docs/protocol.md`), each of which can be broken to see what is lost then.

use std::fmt;
use std::str::FromStr;

/// An assumption that does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Assumption {
    /// A write takes effect within `request-timeout` of being sent, or never.
    A1,
    /// The key list shows what was made, renamed or deleted before it was asked for.
    A2,
    /// Two servers' clocks, compared through `Date`, are less than 5 minutes apart.
    A3,
}

impl Assumption {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::A1, Self::A2, Self::A3];
}

impl fmt::Display for Assumption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::A1 => "A1",
            Self::A2 => "A2",
            Self::A3 => "A3",
        })
    }
}

impl FromStr for Assumption {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|it| it.to_string().eq_ignore_ascii_case(text))
            .ok_or_else(|| format!("there is no assumption {text:?}: A1, A2 or A3"))
    }
}
