//! The first step: reads only, all at once.

use futures_util::future::{join_all, try_join3};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use crate::rotation::clock::ServerClock;
use crate::rotation::identity::provably;
use crate::rotation::lease::{Mode, Watch};
use crate::rotation::observation::{HeldKey, Observation, SeenTarget, live};
use crate::rotation::outcome::Event;
use crate::rotation::port::{About, Endpoint, Held, Listing, SecretStore, Verdict};
use crate::rotation::prove::never_issued;
use crate::rotation::run::{Cause, Run};
use crate::secret::Secret;

/// How often the list is asked for while another run may be at work.
const POLL: std::time::Duration = std::time::Duration::from_millis(1_500);

/// What the one try of `current-key` said, before it is held against the list.
struct Tried {
    verdict: Verdict,
    at: Option<Endpoint>,
}

impl Run<'_> {
    /// Reads everything; waits first for any other run that may be at work on the family, then reads again.
    pub(super) async fn observe(&self, fixed: bool) -> Result<(Observation, Mode), Cause> {
        let mut watch = Watch::default();
        let mut waited = false;
        loop {
            let mut seen = self.look().await?;
            let mode = if fixed || !seen.listing.may_rename { Mode::Fixed } else { Mode::Renaming };
            let mut clear = true;
            while let Some(left) = self.lease_of_another(&seen.listing, mode, &mut watch) {
                clear = false;
                if !std::mem::replace(&mut waited, true) {
                    self.event(&Event::Waiting {
                        what: "for another run that may be at work on this family".into(),
                        at_most: left,
                    });
                }
                self.pause(left.min(POLL)).await?;
                seen.listing = self.list().await?.0;
            }
            // What is decided from must itself show no run at work: another one may have waited for the same lease.
            if clear {
                return Ok((seen, mode));
            }
        }
    }

    /// One look, for a dry run: it does not wait for anybody.
    pub(super) async fn look(&self) -> Result<Observation, Cause> {
        let (list, targets, tried) = try_join3(self.list(), self.look_at_targets(), self.try_held()).await?;
        let (listing, clock) = list;
        let held = match (&self.policy.current_key, tried) {
            (Some(value), Some(tried)) => Some(self.identify(&listing, value, tried).await),
            _ => None,
        };
        let targets = self
            .targets
            .iter()
            .zip(targets)
            .map(|(store, (held, own))| SeenTarget {
                name: store.name(),
                held,
                last_write: match held {
                    Held::Nothing => None,
                    Held::Since(at) => Some(own.translate(at, &clock)),
                },
                clock: own,
            })
            .collect();
        Ok(Observation { listing, clock, targets, held })
    }

    fn lease_of_another(&self, listing: &Listing, mode: Mode, watch: &mut Watch) -> Option<std::time::Duration> {
        let live = live(&listing.keys, listing.date);
        let keys: Vec<_> = live
            .into_iter()
            .filter(|row| {
                crate::rotation::name::FamilyName::parse(&self.policy.key_name, &row.name)
                    .is_some_and(|name| mode == Mode::Fixed || !name.is_confirmed())
            })
            .collect();
        watch.wait_for(&keys, listing.date, mode, self.policy, self.clock())
    }

    /// Every page of the key list, and the issuer's clock.
    pub(super) async fn list(&self) -> Result<(Listing, ServerClock), Cause> {
        let listing = self.read("list the keys", async || self.issuer.list().await).await?;
        let clock = ServerClock::new(listing.date, self.clock().now());
        Ok((listing, clock))
    }

    async fn look_at_targets(&self) -> Result<Vec<(Held, ServerClock)>, Cause> {
        let looks = self.targets.iter().map(|store| self.look_at(store.as_ref()));
        let looks: Vec<_> = looks.collect();
        stream::iter(looks).buffered(self.policy.parallel).try_collect().await
    }

    async fn look_at(&self, store: &dyn SecretStore) -> Result<(Held, ServerClock), Cause> {
        let sighting = self.read(&store.name(), async || store.observe().await).await?;
        Ok((sighting.held, ServerClock::new(sighting.date, self.clock().now())))
    }

    /// Tries the value in hand once, where the issuer would say whose it is.
    async fn try_held(&self) -> Result<Option<Tried>, Cause> {
        let Some(value) = &self.policy.current_key else { return Ok(None) };
        for at in self.issuer.endpoints().iter().rev() {
            self.checkpoint()?;
            match self.issuer.try_key(value, *at).await {
                Verdict::NoSuchEndpoint => {}
                verdict => return Ok(Some(Tried { verdict, at: Some(*at) })),
            }
        }
        Ok(Some(Tried { verdict: Verdict::NoSuchEndpoint, at: None }))
    }

    async fn identify(&self, listing: &Listing, value: &Secret, tried: Tried) -> HeldKey {
        let live = live(&listing.keys, listing.date);
        let (about, alive) = match tried.verdict {
            Verdict::Accepted(about) => (about, Some(true)),
            Verdict::Refused => return HeldKey { alive: Some(false), is: None, at: tried.at },
            _ => (About::default(), None),
        };
        let is = |alive| provably(&listing.keys, &live, value, &about, alive);
        let mut found = is(false);
        if found.is_none()
            && let (Some(true), Some(at)) = (alive, tried.at)
            && is(true).is_some()
            && self.refuses_others(value, at).await
        {
            found = is(true);
        }
        HeldKey { alive, is: found, at: tried.at }
    }

    /// Whether an endpoint refuses a key that was never issued, so that its acceptance of another means something.
    pub(super) async fn refuses_others(&self, like: &Secret, at: Endpoint) -> bool {
        let bogus = never_issued(like, &mut self.around.rng.borrow_mut());
        matches!(self.issuer.try_key(&bogus, at).await, Verdict::Refused)
    }

    /// Whether an endpoint accepts a value now and refuses a never-issued one.
    pub(super) async fn is_alive(&self, value: &Secret, at: Endpoint) -> bool {
        let tries = [value.clone(), never_issued(value, &mut self.around.rng.borrow_mut())];
        let verdicts = join_all(tries.iter().map(|value| self.issuer.try_key(value, at))).await;
        matches!(verdicts.as_slice(), [Verdict::Accepted(_), Verdict::Refused])
    }
}
