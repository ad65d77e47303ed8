//! The new key's own row, read before the key is written anywhere: it has to be the key that was asked for.

use crate::humanize::span;
use crate::rotation::exec::prove::{FIRST_WAIT, LONGEST_WAIT, failed};
use crate::rotation::exec::run::{Abort, NewKey, Restart, Run};
use crate::rotation::model::{About, INCLUDE_BYOK, KeyKind, KeyRow, Listing, Respell, Rights, ShownRights};
use crate::rotation::outcome::Event;
use crate::rotation::plan::Rotate;
use crate::rotation::plan::grant::compare;
use crate::rotation::plan::novelty::{Claim, is_anothers, was_in_hand};
use crate::rotation::plan::observation::Observation;
use crate::rotation::plan::rights::merged;
use crate::rotation::plan::unasked::Unasked;

/// Rights that only grant. Whatever else is known as a right restricts.
const GRANTS: [&str; 2] = ["permissions", "scopes"];

impl Run<'_> {
    /// Reads lists until one has the new key, for `verify-timeout` at the most, and holds its row against what was asked.
    pub(super) async fn read_own_row(
        &self,
        seen: &Observation,
        rotate: &Rotate,
        new: &NewKey,
    ) -> Result<Listing, Abort> {
        let until = self.clock().instant() + self.policy.verify_timeout;
        let mut wait = FIRST_WAIT;
        loop {
            let (listing, _) = self.list().await?;
            let new = self.only_one(seen, &listing, new.clone()).await?;
            self.intruders(seen, &listing, &new)?;
            if let Some(row) = listing.keys.iter().find(|row| row.id == new.id) {
                self.check_row(rotate, row, &new)?;
                return Ok(listing);
            }
            if self.clock().instant() + wait > until {
                let within = span(self.policy.verify_timeout);
                return Err(failed(
                    format!("the new key was not in the issuer's list within {within}, so its rights are not known"),
                    "run it again; raise verify-timeout if the issuer needs longer",
                ));
            }
            let (what, why) = ("find the new key in the issuer's list".to_owned(), "it is not there yet".to_owned());
            self.event(&Event::Retrying { what, why, wait });
            self.pause(wait).await?;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    fn check_row(&self, rotate: &Rotate, row: &KeyRow, new: &NewKey) -> Result<(), Abort> {
        let wrong = match (row.kind, row.disabled) {
            (KeyKind::Management, _) => Some("a management key"),
            (KeyKind::Regular, true) => Some("switched off"),
            (KeyKind::Regular, false) => None,
        };
        if let Some(is) = wrong {
            return Err(failed(
                format!("the issuer did not make the key that was asked for: it is {is}"),
                "ask the issuer",
            ));
        }
        let accepted = &self.policy.accept_unconfirmed;
        let (mut asked, mut shown) = (rotate.rights.clone(), merged(&row.rights, &new.rights));
        for name in asked.other.keys() {
            // The same list showed these for the old key: a row without one has it unset.
            shown.other.entry(name.clone()).or_insert(serde_json::Value::Null);
        }
        asked.other.retain(|name, _| !accepted.contains(name));
        shown.other.retain(|name, _| !accepted.contains(name));
        let mut unconfirmed = self.check_grant(&asked, &shown)?;
        let unasked = self.unasked(rotate, row, &asked, &shown);
        if !unasked.perhaps_rights.is_empty() {
            return Err(may_be_rights(&unasked.perhaps_rights));
        }
        unconfirmed.extend(quoted(&unasked.not_confirmed));
        unconfirmed.retain(|right| !accepted.contains(right));
        if !unconfirmed.is_empty() {
            self.notice(format!("not confirmed by the issuer: {}", unconfirmed.join(", ")));
        }
        Ok(())
    }

    /// What is not confirmed of the rights that were asked for.
    fn check_grant(&self, asked: &Rights, shown: &ShownRights) -> Result<Vec<String>, Abort> {
        let grant = compare(asked, shown);
        if grant.limit_missing {
            match self.issuer.respell_limit() {
                Respell::Changed => return Err(Abort::BeginAgain(Restart::WithOtherSpelling)),
                Respell::Exhausted => {
                    return Err(failed(
                        "the issuer did not take the spending limit under any name it is known by",
                        "state spending-limit: none if a key without a limit is acceptable",
                    ));
                }
                Respell::Certain => {}
            }
        }
        if !grant.wider.is_empty() {
            return Err(failed(
                format!("the issuer gave the new key more rights than asked: {}", grant.wider.join("; ")),
                "state the right in the inputs if the wider one is wanted, else ask the issuer",
            ));
        }
        if !grant.narrower.is_empty() {
            return Err(failed(
                format!("the issuer gave the new key fewer rights than asked: {}", grant.narrower.join("; ")),
                "state the right in the inputs as the issuer grants it, or name the field in accept-unconfirmed where no \
                 input states it; else ask the issuer",
            ));
        }
        Ok(grant.unconfirmed.into_iter().map(ToOwned::to_owned).collect())
    }

    /// What the row shows beyond what was asked, and the old key does not have.
    fn unasked(&self, rotate: &Rotate, row: &KeyRow, asked: &Rights, shown: &ShownRights) -> Unasked {
        let old = rotate.unknown.as_ref();
        let restricts = |name: &String| !GRANTS.contains(&name.as_str());
        // Without an old key nothing could be asked for these, and a restriction of everybody's widens nothing.
        let known = shown.other.iter().filter(|(name, _)| *name != INCLUDE_BYOK && (old.is_some() || !restricts(name)));
        let mut unasked = Unasked::default();
        unasked.weigh(&known.map(|(name, value)| (name.clone(), value.clone())).collect(), Some(&asked.other));
        unasked.weigh(&row.unknown, old);
        unasked.forget(|name| self.policy.accept_unconfirmed.contains(name));
        unasked
    }

    /// The value is the new key's, as far as anybody shows whose it is.
    pub(super) fn check_value(&self, listing: &Listing, said: &[About]) -> Result<(), Abort> {
        let Some(new) = self.new_key() else { return Ok(()) };
        let names = self.memory.borrow().own_names.clone();
        let claim = Claim { id: &new.id, names: &names, value: &new.value };
        if !said.iter().any(|about| is_anothers(claim, about, &listing.keys)) {
            return Ok(());
        }
        Err(failed(
            "the value in the issuer's answer to the new key's making is another key's",
            "ask the issuer, and look for a proxy that answers in its place",
        ))
    }

    /// A value that was in hand before is no new one, whatever the issuer says.
    pub(super) fn check_is_new(&self, seen: &Observation, new: &NewKey) -> Result<(), Abort> {
        if !was_in_hand(&new.value, seen, self.policy) {
            return Ok(());
        }
        Err(failed(
            "the value in the issuer's answer is not new: it was in hand before the key was made",
            "ask the issuer, and look for a proxy that answers in its place",
        ))
    }
}

fn quoted(names: &[String]) -> impl Iterator<Item = String> {
    names.iter().map(|name| format!("`{name}`"))
}

fn may_be_rights(names: &[String]) -> Abort {
    let all = quoted(names).collect::<Vec<_>>().join(", ");
    failed(
        format!("the new key has what nobody asked for and what may be rights: {all}"),
        format!("ask the issuer what that grants; if it may stay, set accept-unconfirmed to {}", names.join(",")),
    )
}
