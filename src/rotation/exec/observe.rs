//! The first step: reads only, all at once.

use std::cell::Cell;
use std::time::Duration;

use futures_util::future::{join, join_all, try_join4};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;

use crate::http::Failure;
use crate::rotation::clock::{CLOCK_MARGIN, SAME_WRITE_MARGIN, ServerClock, earlier, later};
use crate::rotation::exec::never_issued::never_issued;
use crate::rotation::exec::run::{Abort, Run};
use crate::rotation::lease::{Naming, Watch};
use crate::rotation::model::{About, Endpoint, Entry, Held, KeyId, KeyProbe, KeyRow, Listing};
use crate::rotation::name::FamilyName;
use crate::rotation::outcome::Event;
use crate::rotation::plan::identity::provably;
use crate::rotation::plan::observation::{HeldKey, Observation, SeenTarget, SeenUse, commit, live};
use crate::rotation::plan::value::not_a_key;
use crate::rotation::ports::SecretStore;
use crate::secret::Secret;

/// How often the list is asked for while another run may be at work.
const POLL: Duration = Duration::from_millis(1_500);

/// An answer that took longer leaves two servers' clocks too far apart for the question who wrote a target last.
const TOO_SLOW_FOR_CLOCKS: Duration = Duration::from_secs(5);

/// So often it is asked in the hope of a quick answer. Behind it the run goes on and is careful.
const MAX_FOR_CLOCKS: usize = 3;

/// Near so many targets that hold nothing a run looks for what a person may have meant.
const MAX_ELSEWHERE: usize = 16;

/// What the one try of `current-key` said, before it is held against the list.
struct Tried {
    verdict: KeyProbe,
    at: Option<Endpoint>,
    /// Whether the same endpoint refused a key that was never issued, where that was asked beside it.
    refuses_others: Option<bool>,
}

/// Where a value comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// It was handed to the run, which may have waited since: the key may have been replaced meanwhile.
    Handed,
    /// A target held it just now, which was last written then at the latest, on the issuer's clock, where that shows.
    Target(Option<Timestamp>),
}

impl Run<'_> {
    /// Reads everything; where another run may be at work on the family, waits for it and reads everything again.
    pub(super) async fn observe(&self, fixed: bool) -> Result<(Observation, Naming), Abort> {
        let mut watch = Watch::default();
        loop {
            let seen = self.look(fixed).await?;
            let naming = if fixed || !seen.listing.may_rename { Naming::Immutable } else { Naming::Renaming };
            let Some(left) = self.lease_of_another(&seen.listing, naming, &mut watch) else {
                return Ok((seen, naming));
            };
            let what = "for another run that may be at work on this family".to_owned();
            self.event(&Event::Waiting { what, at_most: left });
            self.wait_for_another(left, naming, &mut watch).await?;
        }
    }

    async fn wait_for_another(&self, mut left: Duration, naming: Naming, watch: &mut Watch) -> Result<(), Abort> {
        loop {
            // Two runs that wait for the same one would begin at the same moment, and both give way.
            let apart = POLL.mul_f64(self.ctx.rng.borrow_mut().f64());
            self.pause(left.min(POLL) + apart).await?;
            let (listing, _) = self.list().await?;
            match self.lease_of_another(&listing, naming, watch) {
                Some(longer) => left = longer,
                None => return Ok(()),
            }
        }
    }

    /// One look, for a dry run: it does not wait for anybody. Where a key is to be retired once nothing is unfinished that
    /// may use it, that is asked, which may take long, and then everything is looked at again: only the list is not new
    /// then, in which nothing can be missing that began before.
    pub(super) async fn look(&self, fixed: bool) -> Result<Observation, Abort> {
        let seen = self.look_whole(fixed).await?;
        if fixed || !self.policy.drains() || seen.family(&self.policy.key_name).committed().count() < 2 {
            return Ok(seen);
        }
        let in_use = self.look_for_use().await?;
        let mut again = self.look_whole(fixed).await?;
        again.use_asked = Some(seen.now());
        for (target, in_use) in again.targets.iter_mut().zip(in_use) {
            target.in_use = Some(in_use);
        }
        Ok(again)
    }

    /// A place that does not say what is unfinished there keeps replaced keys alive, and stops nothing else.
    async fn look_for_use(&self) -> Result<Vec<SeenUse>, Abort> {
        let looks: Vec<_> = self
            .targets
            .iter()
            .map(async |store| {
                let what = format!("{}: what still uses an older key", store.name());
                match self.read(&what, async || store.unfinished().await).await {
                    Ok(unfinished) => Ok(Ok(unfinished)),
                    Err(Abort::Failed(problem)) => {
                        Ok(Err([Some(problem.what), problem.next].into_iter().flatten().collect::<Vec<_>>().join(". ")))
                    }
                    Err(abort) => Err(abort),
                }
            })
            .collect();
        stream::iter(looks).buffered(self.policy.parallel).try_collect().await
    }

    /// A machine that stood still in the middle of a look has seen the list and the targets at different times: then
    /// everything is looked at again.
    async fn look_whole(&self, fixed: bool) -> Result<Observation, Abort> {
        let mut looks = 1;
        loop {
            let seen = self.look_once(fixed).await?;
            let stood_still = |clock: &ServerClock| clock.took() > self.policy.request_timeout;
            let any = stood_still(&seen.clock) || seen.targets.iter().any(|target| stood_still(&target.clock));
            if looks == MAX_FOR_CLOCKS || !any {
                return Ok(seen);
            }
            looks += 1;
        }
    }

    /// Asks, and asks again where the answer took too long to tell the server's clock by it.
    async fn ask_quickly<T>(
        &self,
        what: &str,
        ask: impl AsyncFn() -> Result<(T, ServerClock), Failure>,
    ) -> Result<(T, ServerClock), Abort> {
        let mut asked = 1;
        loop {
            let (answer, clock) = self.read(what, &ask).await?;
            let slow = clock.took() > TOO_SLOW_FOR_CLOCKS && clock.took() <= self.policy.request_timeout;
            if asked == MAX_FOR_CLOCKS || !slow {
                return Ok((answer, clock));
            }
            asked += 1;
        }
    }

    async fn look_once(&self, fixed: bool) -> Result<Observation, Abort> {
        let began = self.clock().now();
        let list = self.ask_quickly("list the keys", async || self.dated_list().await);
        let looks = try_join4(list, self.look_at_guardrails(), self.look_at_targets(), self.try_held()).await?;
        let ((listing, clock), mut guardrails, mut targets, tried) = looks;
        let took = self.clock().at_most_since(began);
        if self.changed_lately(&listing, took) {
            guardrails = self.look_at_guardrails().await?;
        }
        if self.committed_since(&listing, took) {
            targets = self.look_at_targets().await?;
        }
        let held = match (&self.policy.current_key, tried) {
            (Some(value), Some(tried)) => Some(self.identify(&listing, value, tried, (fixed, Origin::Handed)).await),
            _ => None,
        };
        let mut seen = Vec::new();
        for (store, (held_there, own)) in self.targets.iter().zip(targets) {
            let (dated, mut value_is) = (store.shows_times(), None);
            let written = match held_there.since() {
                Some(_) if !dated => {
                    let at;
                    (at, value_is) = self.written_by_value(store.as_ref(), &listing, held.as_ref(), fixed).await?;
                    Some((at, at))
                }
                since => since.map(|at| (own.translate(at, &clock), own.translate_latest(at, &clock))),
            };
            let contents = store.contents();
            let looks_like_key =
                |entry: &&Entry| entry.value.as_ref().is_some_and(|value| self.issuer.may_have_made(&trimmed(value)));
            seen.push(SeenTarget {
                name: store.name(),
                held: held_there,
                last_write: written.map(|(at, _)| at),
                last_write_at_latest: written.map(|(_, latest)| latest),
                ended: contents.ended.map(|at| own.translate(at, &clock)),
                clock: own,
                in_use: None,
                rollout: store.rollout(),
                dated,
                look_like_keys: contents.others.iter().filter(looks_like_key).map(|it| it.target.clone()).collect(),
                contents,
                value_is,
                elsewhere: None,
            });
        }
        let (targets, ended) = (seen, self.clock().now());
        let mut seen = Observation { listing, guardrails, clock, targets, held, ended, use_asked: None };
        self.read_doubtful(&mut seen, fixed).await?;
        self.look_elsewhere(&mut seen).await?;
        Ok(Observation { ended: self.clock().now(), ..seen })
    }

    /// Whether a key of the family was made or committed so lately that its guardrails may have been read before it had them.
    fn changed_lately(&self, listing: &Listing, took: Duration) -> bool {
        let lease = 2 * self.policy.request_timeout + self.policy.verify_timeout;
        let since = earlier(listing.date, took.saturating_add(lease));
        let family = listing.keys.iter().filter(|row| FamilyName::parse(&self.policy.key_name, &row.name).is_some());
        family.into_iter().any(|row| row.created_at.max(row.updated_at).is_none_or(|at| at >= since))
    }

    /// Whether another run may have committed a key of the family after the targets were looked at and before the list was
    /// read: it may also have written where this run saw nothing.
    fn committed_since(&self, listing: &Listing, took: Duration) -> bool {
        let since = earlier(listing.date, took.saturating_add(SAME_WRITE_MARGIN));
        let lease = 2 * self.policy.request_timeout + self.policy.verify_timeout;
        let latest = |row: &KeyRow| row.updated_at.or_else(|| Some(later(row.created_at?, lease)));
        let committed =
            |row: &&KeyRow| FamilyName::parse(&self.policy.key_name, &row.name).is_some_and(|name| name.is_confirmed());
        listing.keys.iter().filter(committed).any(|row| latest(row).is_none_or(|at| at >= since))
    }

    /// A place may have one time for all that is in it. Where that time is not one at which the current key was deployed, and
    /// the place can be read, the key that it holds says more. What it holds may be a stranger's: only what looks like a key
    /// of this issuer is shown to it, where neither `current-key` nor a masked label tells whose it is.
    async fn read_doubtful(&self, seen: &mut Observation, fixed: bool) -> Result<(), Abort> {
        let family = seen.family(&self.policy.key_name);
        let made = family.current().and_then(|current| current.created_at);
        let (Some(made), Some(committed)) = (made, family.newest_commit()) else { return Ok(()) };
        let (from, to) = (earlier(made, SAME_WRITE_MARGIN), later(committed, SAME_WRITE_MARGIN));
        let mut found = Vec::new();
        for (nth, (store, target)) in self.targets.iter().zip(&seen.targets).enumerate() {
            let (Some(at), Some(latest)) = (target.last_write, target.last_write_at_latest) else { continue };
            if !target.dated || (from <= at && latest <= to) {
                continue;
            }
            let Some(value) = self.read(&store.name(), async || store.read_back().await).await? else { continue };
            let (value, how) = (trimmed(&value), (fixed, Origin::Target(Some(latest))));
            let Some(id) = self.whose(&value, &seen.listing, seen.held.as_ref(), how).await? else { continue };
            let row = family.committed().find(|row| row.id == id);
            found.push((nth, id, row.and_then(commit)));
        }
        for (nth, id, deployed) in found {
            let Some(target) = seen.targets.get_mut(nth) else { continue };
            target.value_is = Some(id);
            if deployed.is_some() {
                (target.last_write, target.last_write_at_latest) = (deployed, deployed);
            }
        }
        Ok(())
    }

    /// The listed key that a value is, if it can be told.
    async fn whose(
        &self,
        value: &Secret,
        listing: &Listing,
        in_hand: Option<&HeldKey>,
        how: (bool, Origin),
    ) -> Result<Option<KeyId>, Abort> {
        if let Some(held) = in_hand.filter(|_| self.policy.current_key.as_ref() == Some(value))
            && let Some(id) = self.certainly(held, value).await
        {
            return Ok(Some(id));
        }
        let by_label = provably(&listing.keys, &live(&listing.keys, listing.date), value, &About::default(), false);
        if by_label.is_some() || not_a_key(value.expose()).is_some() || !self.issuer.may_have_made(value) {
            return Ok(by_label);
        }
        let tried = self.try_value(value).await?;
        let known = self.identify(listing, value, tried, how).await;
        Ok(self.certainly(&known, value).await)
    }

    /// When a place that shows no time was written: when the key was deployed that it holds, if the issuer knows the value
    /// for that key's; else before all keys, so that it is written anew and nothing is concluded from it.
    async fn written_by_value(
        &self,
        store: &dyn SecretStore,
        listing: &Listing,
        in_hand: Option<&HeldKey>,
        fixed: bool,
    ) -> Result<(Timestamp, Option<KeyId>), Abort> {
        let value = self.read(&store.name(), async || store.read_back().await).await?;
        let value = value.map(|value| trimmed(&value)).filter(|value| !value.expose().is_empty());
        let id = match value {
            Some(value) => self.whose(&value, listing, in_hand, (fixed, Origin::Target(None))).await?,
            None => None,
        };
        let row = id.as_ref().and_then(|id| listing.keys.iter().find(|row| row.id == *id));
        let deployed = row.and_then(|row| match FamilyName::parse(&self.policy.key_name, &row.name) {
            Some(name) if name.is_confirmed() => commit(row),
            _ => row.created_at,
        });
        Ok((deployed.unwrap_or(Timestamp::UNIX_EPOCH), id))
    }

    /// What lies near targets that hold nothing: a person may have meant that. Where there is no key yet that could be
    /// retired, nobody asks.
    async fn look_elsewhere(&self, seen: &mut Observation) -> Result<(), Abort> {
        let is_held = seen.held.as_ref().is_some_and(|held| held.is.is_some());
        let replaces = self.policy.replace_key_id.is_some() || seen.family(&self.policy.key_name).current().is_some();
        if !is_held && !replaces {
            return Ok(());
        }
        let empty =
            seen.targets.iter().enumerate().filter(|(_, target)| target.held == Held::Nothing).map(|(nth, _)| nth);
        let empty: Vec<_> = empty.take(MAX_ELSEWHERE).collect();
        let looks = empty.iter().filter_map(|nth| self.targets.get(*nth)).map(async |store| {
            let what = format!("{}: what is near it", store.name());
            match self.read(&what, async || store.elsewhere().await).await {
                Ok(entries) => Ok(Ok(entries)),
                Err(Abort::Failed(problem)) => Ok(Err(problem.what)),
                Err(abort) => Err(abort),
            }
        });
        let looks: Vec<_> = looks.collect();
        let looks: Vec<_> = stream::iter(looks).buffered(self.policy.parallel).try_collect().await?;
        for (nth, entries) in empty.into_iter().zip(looks) {
            if let Some(target) = seen.targets.get_mut(nth) {
                target.elsewhere = Some(entries);
            }
        }
        Ok(())
    }

    /// The key that a value is, the only live one only where others are refused.
    async fn certainly(&self, known: &HeldKey, value: &Secret) -> Option<KeyId> {
        match (&known.is, &known.perhaps, known.at) {
            (None, Some(only), Some(at)) => self.refuses_others(value, at).await.then(|| only.clone()),
            (is, ..) => is.clone(),
        }
    }

    fn lease_of_another(&self, listing: &Listing, naming: Naming, watch: &mut Watch) -> Option<Duration> {
        let live = live(&listing.keys, listing.date);
        let keys: Vec<_> = live
            .into_iter()
            .filter(|row| {
                FamilyName::parse(&self.policy.key_name, &row.name)
                    .is_some_and(|name| naming == Naming::Immutable || !name.is_confirmed())
            })
            .collect();
        watch.wait_for(&keys, listing.date, naming, self.policy, self.clock())
    }

    /// Every page of the key list, and the issuer's clock.
    pub(super) async fn list(&self) -> Result<(Listing, ServerClock), Abort> {
        self.read("list the keys", async || self.dated_list().await).await
    }

    async fn dated_list(&self) -> Result<(Listing, ServerClock), Failure> {
        let asked = self.clock().now();
        let listing = self.issuer.list().await?;
        let clock = ServerClock::new(listing.date, asked, listing.dated_within);
        Ok((listing, clock))
    }

    async fn look_at_targets(&self) -> Result<Vec<(Held, ServerClock)>, Abort> {
        let done = Cell::new(0);
        let looks = self.targets.iter().map(|store| self.looking(&done, self.look_at(store.as_ref())));
        let looks: Vec<_> = looks.collect();
        stream::iter(looks).buffered(self.policy.looks(2)).try_collect().await
    }

    async fn look_at(&self, store: &dyn SecretStore) -> Result<(Held, ServerClock), Abort> {
        let ask = async || {
            store.wait_for_capacity().await?;
            let asked = self.clock().now();
            let sighting = store.observe().await?;
            let took = self.clock().at_least_since(asked);
            Ok((sighting.held, ServerClock::new(sighting.date, asked, took)))
        };
        self.ask_quickly(&store.name(), ask).await
    }

    /// Tries the value in hand once, where the issuer would say whose it is.
    async fn try_held(&self) -> Result<Option<Tried>, Abort> {
        match &self.policy.current_key {
            Some(value) => self.try_value(value).await.map(Some),
            None => Ok(None),
        }
    }

    async fn try_value(&self, value: &Secret) -> Result<Tried, Abort> {
        if self.issuer.manages_itself()
            && let Some(at) = self.issuer.endpoints().first()
        {
            let (verdict, refuses_others) =
                join(self.issuer.try_key(value, *at), self.refuses_others(value, *at)).await;
            let open = matches!(verdict, KeyProbe::Accepted(_)) && !refuses_others;
            if verdict != KeyProbe::NoSuchEndpoint && !open {
                return Ok(Tried { verdict, at: Some(*at), refuses_others: Some(refuses_others) });
            }
        }
        for at in self.issuer.endpoints().iter().rev() {
            self.checkpoint()?;
            match self.issuer.try_key(value, *at).await {
                KeyProbe::NoSuchEndpoint => {}
                verdict => return Ok(Tried { verdict, at: Some(*at), refuses_others: None }),
            }
        }
        Ok(Tried { verdict: KeyProbe::NoSuchEndpoint, at: None, refuses_others: None })
    }

    /// What the endpoint that knows whose a key is says, where another one was tried.
    async fn asked_about(&self, value: &Secret, tried: Option<Endpoint>) -> About {
        match self.issuer.endpoints().last() {
            Some(at) if Some(*at) != tried => match self.issuer.try_key(value, *at).await {
                KeyProbe::Accepted(about) => about,
                _ => About::default(),
            },
            _ => About::default(),
        }
    }

    /// Whose value is in hand. That it is the only live key's takes one more request to prove, which is left to the
    /// moment when the value is put back wherever the plan does not turn on it: where the family has a current key that
    /// its name and its commit tell.
    async fn identify(
        &self,
        listing: &Listing,
        value: &Secret,
        tried: Tried,
        (fixed, origin): (bool, Origin),
    ) -> HeldKey {
        let (about, alive) = match tried.verdict {
            KeyProbe::Accepted(about) => (about, Some(true)),
            KeyProbe::Refused => return HeldKey { alive: Some(false), is: None, perhaps: None, at: tried.at },
            _ => (About::default(), None),
        };
        let live = live(&listing.keys, listing.date);
        let mut held = HeldKey { alive, is: None, perhaps: None, at: tried.at };
        held.is = provably(&listing.keys, &live, value, &about, false);
        // The guide's dialect, which can't rename either, knows no endpoint that tells whose a key is.
        if held.is.is_none() && self.issuer.manages_itself() && listing.may_rename && live.len() > 1 {
            let about = self.asked_about(value, tried.at).await;
            held.is = provably(&listing.keys, &live, value, &about, false);
        }
        let is = |alive| provably(&listing.keys, &live, value, &about, alive);
        let (None, Some(true), Some(at), Some(only)) = (&held.is, alive, tried.at, is(true)) else { return held };
        let is_another = match origin {
            Origin::Handed => self.replaced_another_lately(listing, &only),
            Origin::Target(written) => was_made_after(listing, &only, written),
        };
        if is_another {
            return held;
        }
        let told = |row: &&KeyRow| {
            let name = FamilyName::parse(&self.policy.key_name, &row.name);
            row.updated_at.is_some() && name.is_some_and(|name| name.is_confirmed())
        };
        if !fixed && listing.may_rename && live.iter().any(told) {
            return HeldKey { perhaps: Some(only), ..held };
        }
        let refuses_others = match tried.refuses_others {
            Some(known) => known,
            None => self.refuses_others(value, at).await,
        };
        let is = refuses_others.then_some(only);
        HeldKey { is, ..held }
    }

    /// Whether a key was made or committed by a run so lately that the one before it, though deleted, may be accepted still.
    fn replaced_another_lately(&self, listing: &Listing, id: &KeyId) -> bool {
        let since = earlier(listing.date, CLOCK_MARGIN);
        listing.keys.iter().filter(|row| row.id == *id).any(|row| {
            let is_family = FamilyName::parse(&self.policy.key_name, &row.name).is_some();
            is_family && row.created_at.max(row.updated_at).is_none_or(|at| at >= since)
        })
    }

    /// Whether an endpoint refuses a key that was never issued, so that its acceptance of another means something.
    pub(super) async fn refuses_others(&self, like: &Secret, at: Endpoint) -> bool {
        let bogus = never_issued(like, &mut self.ctx.rng.borrow_mut());
        matches!(self.issuer.try_key(&bogus, at).await, KeyProbe::Refused)
    }

    /// Whether an endpoint accepts a value now and refuses a never-issued one.
    pub(super) async fn is_alive(&self, value: &Secret, at: Endpoint) -> bool {
        let tries = [value.clone(), never_issued(value, &mut self.ctx.rng.borrow_mut())];
        let verdicts = join_all(tries.iter().map(|value| self.issuer.try_key(value, at))).await;
        matches!(verdicts.as_slice(), [KeyProbe::Accepted(_), KeyProbe::Refused])
    }
}

/// Whether a key was made after a target was last written, which so can't hold it: it may hold one that was deleted lately
/// and is accepted still.
fn was_made_after(listing: &Listing, id: &KeyId, written: Option<Timestamp>) -> bool {
    let made = listing.keys.iter().find(|row| row.id == *id).and_then(|row| row.created_at);
    written.zip(made).is_some_and(|(written, made)| written < earlier(made, SAME_WRITE_MARGIN))
}

/// White space around a value does not make it another one.
fn trimmed(value: &Secret) -> Secret {
    Secret::new(value.expose().trim().to_owned())
}
