//! Whether a run has to see what a person writes while it is at work.

use super::*;

/// A request arrives within it or never.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// Two writes of one secret that lie closer together can't be told apart by their dates.
const STAMPS_WITHIN: Duration = Duration::from_secs(4);

/// A write so soon behind a commit passes for the run's own: three seconds, and two that were cut off from whole seconds.
const COMMIT_WITHIN: Duration = Duration::from_secs(6);

/// Whether a run, or the one after it, has to see what a person wrote into a target while it was at work. It can't tell that
/// write from its own in the same second, nor see it between its last look and its commit, nor is one told from its own that
/// follows the commit at once. After its own write, and after each commit that failed, it owes a look.
pub(super) fn is_seen(script: &Script, target: usize, at: Instant, schedule: &Schedule) -> bool {
    let made = script.made();
    let writes = |made: &&Made| [Call::Write(target), Call::Remove(target)].contains(&made.call);
    let ends = |made: &&Made| matches!(made.call, Call::Delete | Call::Disable);
    let faulty = |which: &dyn Fn(&&Made) -> bool| made.iter().filter(which).any(|made| made.faulty);
    if overtakes_a_look(script, target, at) || faulty(&writes) || faulty(&ends) {
        return false;
    }
    let commits = script.committed_at();
    let Some(write) = made.iter().rfind(writes).map(|write| write.sent) else { return commits.is_empty() };
    if at < write {
        return !commits.iter().any(|commit| *commit < write);
    }
    let told_apart = at >= write + STAMPS_WITHIN;
    let last = commits.iter().rfind(|commit| **commit <= at);
    let Some(commit) = commits.iter().find(|commit| **commit > at) else {
        let dated = schedule.records_commits() && !faulty(&|made| made.call == Call::Rename);
        return told_apart && dated && last.is_some_and(|last| at >= *last + COMMIT_WITHIN + schedule.latency);
    };
    let since = last.map_or(write, |last| write.max(*last));
    let looks = |made: &&Made| made.call == Call::LastWrite(target) && made.sent > since && made.sent < *commit;
    let in_view = made.iter().rfind(looks).is_none_or(|look| look.sent > at);
    in_view && told_apart && at + STAMPS_WITHIN <= *commit
}

/// Whether a person's write came between the look at a target without the secret, right before its first write, and the
/// arrival of that.
pub(super) fn overtakes_a_look(script: &Script, target: usize, at: Instant) -> bool {
    let made = script.made();
    let Some(first) = made.iter().find(|made| made.call == Call::Write(target)) else { return false };
    let look = made.iter().rfind(|made| made.call == Call::LastWrite(target) && made.sent <= first.sent);
    look.is_some_and(|look| look.sent <= at && at <= first.sent + REQUEST_TIMEOUT)
}
