//! What to do when a run can't go on: a pure decision over the ledger.

use crate::rotation::ledger::Ledger;

/// Why the run can't go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Something failed, or the run was told to stop.
    Failed,
    /// Another run, or a lost lease: this run has no say any more.
    GiveWay,
    /// Someone else wrote to a target: what it holds is not known.
    Hold,
}

/// What to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recovery {
    /// No key was made.
    Nothing,
    /// No target was touched: delete the new key.
    RevokeNew,
    /// Write the old value back to these targets, then delete the new key.
    PutBackThenRevokeNew,
    /// Leave both keys alive; the next run goes forward.
    HoldBoth,
    /// Write, undo and retire nothing.
    GiveWay,
}

/// Decides. `can_put_back`: the old value is provably the current key's and every touched target held it.
#[must_use]
pub fn decide(ledger: &Ledger, trouble: Trouble, can_put_back: bool) -> Recovery {
    if !ledger.key_may_exist() {
        return Recovery::Nothing;
    }
    if ledger.targets_touched().is_empty() {
        return Recovery::RevokeNew;
    }
    match trouble {
        Trouble::GiveWay => Recovery::GiveWay,
        Trouble::Hold => Recovery::HoldBoth,
        Trouble::Failed if can_put_back => Recovery::PutBackThenRevokeNew,
        Trouble::Failed => Recovery::HoldBoth,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rotation::clock::Clock;
    use crate::rotation::ledger::{Act, Effect};
    use jiff::Timestamp;

    fn ledger(acts: &[(Act, Effect)]) -> Ledger {
        let clock = Clock::starting_at(Timestamp::UNIX_EPOCH);
        let mut ledger = Ledger::default();
        for (act, effect) in acts {
            let entry = ledger.begin(act.clone(), clock.now());
            ledger.answer(entry, *effect);
        }
        ledger
    }

    #[tokio::test]
    async fn every_row_of_the_table() {
        let create = |effect| (Act::Create { name: "n".into() }, effect);
        let write = |effect| (Act::Write { target: 0 }, effect);
        use Effect::{Absent, Applied, Unknown};
        use Recovery::{GiveWay, HoldBoth, Nothing, PutBackThenRevokeNew, RevokeNew};
        for (acts, trouble, can_put_back, expected) in [
            (vec![], Trouble::Failed, true, Nothing),
            (vec![create(Absent)], Trouble::GiveWay, true, Nothing),
            (vec![create(Unknown)], Trouble::Failed, true, RevokeNew),
            (vec![create(Applied)], Trouble::GiveWay, false, RevokeNew),
            (vec![create(Applied), write(Absent)], Trouble::Failed, false, RevokeNew),
            (vec![create(Applied), write(Absent)], Trouble::GiveWay, false, RevokeNew),
            (vec![create(Applied), write(Applied)], Trouble::Failed, true, PutBackThenRevokeNew),
            (vec![create(Applied), write(Unknown)], Trouble::Failed, true, PutBackThenRevokeNew),
            (vec![create(Applied), write(Unknown)], Trouble::Failed, false, HoldBoth),
            (vec![create(Applied), write(Unknown), write(Absent)], Trouble::GiveWay, true, GiveWay),
            (vec![create(Applied), write(Applied)], Trouble::Hold, true, HoldBoth),
        ] {
            assert_eq!(decide(&ledger(&acts), trouble, can_put_back), expected, "{acts:?} {trouble:?} {can_put_back}");
        }
    }
}
