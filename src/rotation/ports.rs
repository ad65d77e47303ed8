//! What a rotation needs of the world: an issuer of keys, and places that hold a secret.
//!
//! Every call is one attempt: repeating, pacing and remembering attempts is the driver's, so that the simulation drives
//! the same code. A call that writes says through [`Failure`] whether it may have taken effect.

use async_trait::async_trait;

use crate::http::Failure;
use crate::rotation::model::{
    ChatProbe, Contents, CreatedKey, Deletion, Endpoint, Entry, Guardrails, KeyId, KeyProbe, KeySpec, Listing, Renamed,
    Respell, Rollout, RolloutStatus, Sighting, Unfinished, Written,
};
use crate::secret::Secret;

/// Makes, lists, renames and deletes keys, and lets them be tried.
#[async_trait(?Send)]
pub trait KeyIssuer {
    /// Every page of the list. A read: safe to repeat.
    ///
    /// # Errors
    /// [`Failure::Refused`] where the credential may not list, or the list makes no sense.
    async fn list(&self) -> Result<Listing, Failure>;

    /// Makes a key. Never repeated blindly: there is no idempotency key, the name is the only handle on a lost one.
    ///
    /// # Errors
    /// [`Failure::Unknown`] where the key may exist although no usable answer came.
    async fn create(&self, spec: &KeySpec) -> Result<CreatedKey, Failure>;

    /// Renames a key. Safe to repeat with the same name.
    ///
    /// # Errors
    /// [`Failure::Refused`] also where the issuer has no such call.
    async fn rename(&self, id: &KeyId, name: &str) -> Result<Renamed, Failure>;

    /// Deletes a key. Safe to repeat.
    ///
    /// # Errors
    /// As any write.
    async fn delete(&self, id: &KeyId) -> Result<Deletion, Failure>;

    /// Switches a key off, or on again. Safe to repeat. What the answer shows of it, where it shows that.
    ///
    /// # Errors
    /// [`Failure::Refused`] also where the issuer has no such call, or no such key.
    async fn set_disabled(&self, id: &KeyId, disabled: bool) -> Result<Option<bool>, Failure>;

    /// The guardrails of all keys. A read: safe to repeat.
    ///
    /// # Errors
    /// [`Failure::Refused`] where the credential may not read them, or the server knows none.
    async fn guardrails(&self) -> Result<Guardrails, Failure> {
        Ok(Guardrails::new())
    }

    /// Assigns a guardrail to a key. Safe to repeat.
    ///
    /// # Errors
    /// As any write.
    async fn assign_guardrail(&self, _key: &KeyId, _guardrail: &str) -> Result<(), Failure> {
        Err(Failure::refused("issuer: keys have no guardrails here"))
    }

    /// What a guardrail is called, for a report. Never fails: a name that can't be told is `None`.
    async fn guardrail_name(&self, _guardrail: &str) -> Option<String> {
        None
    }

    /// From now on a proved new key signs the calls where live keys manage themselves: the key that signed so far may
    /// be the very one that is to be deleted.
    fn hand_over(&self, successor: &Secret);

    /// Whether the live key in hand signs the calls that manage keys, as far as is known before the first answer. An
    /// issuer where it does has probably no endpoint that tells whose a key is.
    fn manages_itself(&self) -> bool {
        false
    }

    /// Whether a value looks like a key that this issuer makes. No other one is shown to it: it may be a stranger's.
    fn may_have_made(&self, _: &Secret) -> bool {
        true
    }

    /// Where a key can be tried, best first.
    fn endpoints(&self) -> &'static [Endpoint];

    /// Tries a key once. Never fails: what can't be told is [`KeyProbe::Undecided`].
    async fn try_key(&self, value: &Secret, at: Endpoint) -> KeyProbe;

    /// One small chat completion; without a model, with the first one the key may use. Never fails.
    async fn chat(&self, value: &Secret, model: Option<&str>) -> ChatProbe;

    /// The limit of a new key was not taken: spell it another way from now on, if there is one.
    fn respell_limit(&self) -> Respell;

    /// The page that says how a job of GitHub Actions calls this issuer without any key, signed in by GitHub's OIDC token,
    /// where it can.
    fn keyless(&self) -> Option<&'static str> {
        None
    }

    /// Where a person deletes a key by hand, as one sentence for the report.
    fn manual(&self, id: &KeyId) -> String;
}

/// One place that holds the key: a target.
#[async_trait(?Send)]
pub trait SecretStore {
    /// How the user wrote the target, with the secret's name: `repo:acme/app AROUTER_API_KEY`.
    fn name(&self) -> String;

    /// What has to happen once every target is written and before anything is retired; `None` where the write is all.
    fn rollout(&self) -> Option<Rollout> {
        None
    }

    /// Waits, where the place limits how fast it is asked, until [`observe`](Self::observe) may be called: the time that a
    /// look takes is what two servers' clocks are compared by.
    ///
    /// # Errors
    /// As any read.
    async fn wait_for_capacity(&self) -> Result<(), Failure> {
        Ok(())
    }

    /// Reads what the target holds and proves what can be proved of our access to it. A read: safe to repeat.
    ///
    /// # Errors
    /// [`Failure::Refused`] where the place does not exist or the credential may not see it.
    async fn observe(&self) -> Result<Sighting, Failure>;

    /// What the last [`observe`](Self::observe) saw in the place. Nothing is asked for it.
    fn contents(&self) -> Contents {
        Contents::default()
    }

    /// What lies in other containers that the user may have meant: secrets of the organisation and of environments, other
    /// Secrets of the namespace, other `.env` files of the folder. Asked only where the target holds nothing. A read: safe
    /// to repeat.
    ///
    /// # Errors
    /// As any read; [`Failure::Refused`] where the credential may not list them.
    async fn elsewhere(&self) -> Result<Vec<Entry>, Failure> {
        Ok(Vec::new())
    }

    /// Fetches whatever [`write`](Self::write) needs and does not have (a public key), so that the write itself is one
    /// request. A read: safe to repeat.
    ///
    /// # Errors
    /// As any read.
    async fn ready(&self) -> Result<(), Failure> {
        Ok(())
    }

    /// Puts the value where a write has only to make it count and nobody reads it before. Comes behind
    /// [`ready`](Self::ready), before each write of a value. Safe to repeat.
    ///
    /// # Errors
    /// Never [`Failure::Unknown`]: nothing that anybody reads has changed.
    async fn stage(&self, _: &Secret) -> Result<(), Failure> {
        Ok(())
    }

    /// Gives back what [`ready`](Self::ready) took: nothing is written now.
    fn release(&self) {}

    /// Writes the value with one request. Safe to repeat with the same value. [`Failure::Transient`] where what
    /// `ready` fetched is out of date: the next `ready` fetches it anew.
    ///
    /// # Errors
    /// As any write.
    async fn write(&self, value: &Secret) -> Result<Written, Failure>;

    /// Writes the value that it held before this run wrote it, with whatever else a write of this run changes there.
    /// Otherwise as [`write`](Self::write).
    ///
    /// # Errors
    /// As any write.
    async fn write_back(&self, value: &Secret) -> Result<Written, Failure> {
        self.write(value).await
    }

    /// When the target was last written. A read: safe to repeat.
    ///
    /// # Errors
    /// As any read.
    async fn last_write(&self) -> Result<Sighting, Failure>;

    /// Whether it shows when it was written. Where it does not, its times are those of the looks, and what it holds is
    /// told by [`read_back`](Self::read_back). Asked once it was observed.
    fn shows_times(&self) -> bool {
        true
    }

    /// What else there is to tell of this run's writes, such as the version before and after them.
    fn noted(&self) -> Option<String> {
        None
    }

    /// The value, where the place lets it be read back; `Ok(None)` where it can't be.
    ///
    /// # Errors
    /// As any read.
    async fn read_back(&self) -> Result<Option<Secret>, Failure> {
        Ok(None)
    }

    /// Removes the secret, with one request. Safe to repeat; a secret that is not there counts as removed.
    ///
    /// # Errors
    /// As any write.
    async fn remove(&self) -> Result<(), Failure>;

    /// What may still use a value that the target held before: all of it, whenever it began. A read: safe to repeat.
    ///
    /// # Errors
    /// [`Failure::Refused`] where the credential may not see it, or the place can't tell.
    async fn unfinished(&self) -> Result<Vec<Unfinished>, Failure> {
        Err(Failure::refused(format!("{}: nothing tells what still uses an older value", self.name())))
    }

    /// Sets the [`rollout`](Self::rollout) of the value that the target holds now going. Safe to repeat, also for another
    /// value: what [`rollout_status`](Self::rollout_status) says is said of the last one.
    ///
    /// # Errors
    /// As any write. [`Failure::Refused`] ends the rotation as a refused write does.
    async fn start_rollout(&self) -> Result<(), Failure> {
        Ok(())
    }

    /// Looks once how far it is. A read: safe to repeat.
    ///
    /// # Errors
    /// [`Failure::Refused`] where it has failed for good: the rotation ends as with a refused write.
    async fn rollout_status(&self) -> Result<RolloutStatus, Failure> {
        Ok(RolloutStatus::Yes(None))
    }
}
