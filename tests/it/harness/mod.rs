//! Runs of the real program, as a child process, against the fakes.
//!
//! ```ignore
//! let stage = Setting::new(Dialect::Mgmt).repos(&["acme/app", "acme/api"]).with_current_key().stage();
//! stage.world.fault("github:PUT:1:drop-after");
//! let before = stage.snapshot();
//! let ran = stage.run();
//! stage.check_truthful(&before, &ran).unwrap();
//! assert_eq!(stage.run().status(), 0);
//! stage.check_healed().unwrap();
//! ```
//!
//! Whatever is run, all that it shows or leaves is searched at once for every secret in play. A step of a workflow runs
//! with debug logging on, which shows most. No other test starts the program.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

mod files;
mod invocation;
mod ran;
mod setting;
mod stage;
mod terminal;
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{PipeWriter, Read, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use keyrotor::cli::INPUTS;
use keyrotor_fake::{
    Access, Answered, App, AppCredentials, Behaviour, Dialect, Fakes, Key, Place, Request, Server, State, World,
};
use keyrotor_properties::leak::Searcher;

use crate::peers::programs;

use self::files::*;
pub(crate) use self::invocation::*;
pub(crate) use self::ran::*;
pub(crate) use self::setting::*;
pub(crate) use self::stage::*;
use self::terminal::Terminal;

/// The secret's name in every target.
pub(crate) const SECRET: &str = "AROUTER_API_KEY";
/// The family that is rotated.
pub(crate) const FAMILY: &str = "production";
/// The name of the key that is deployed at first.
pub(crate) const FIRST_NAME: &str = "production-2026-10-22-aaaaaa";
/// What may write secrets.
pub(crate) const TOKEN: &str = "github_pat_11A7Qx0dYwZ3nKf8Lr2TbVs5Hj";

/// What may read and write secrets in Vault.
pub(crate) const VAULT_TOKEN: &str = "hvs.CAESIBq7Yx2LwKf0ZtRn8VdJpQmUe4";

/// What signs for AWS: its documentation's example.
pub(crate) const AWS_SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

/// An account of a cluster that may do everything there.
pub(crate) const CLUSTER_TOKEN: &str = "eyJhbGciOiJSUzI1NiIsImtpZCI6Ik9sZCJ9eyJzdWIiOiJjaSJ9c2ln";

/// What is wrong, in a sentence that a person can work with.
pub(crate) type Check = Result<(), String>;

/// How long ago the key that is deployed at first was made.
const DEPLOYED_FOR: Duration = Duration::from_secs(40 * 24 * 3600);
/// A run that takes longer than this hangs.
const PATIENCE: Duration = Duration::from_secs(90);
/// A run that is told to stop ends within this time.
const TIME_TO_STOP: Duration = Duration::from_secs(7);
