//! `aws-secretsmanager:NAME_OR_ARN[#JSON_FIELD] [accept=NAME[,NAME]]`.

use std::fmt;

use super::accept::Accepted;
use super::words::Words;
use super::{Kind, is_a_value};

const LONGEST_NAME: usize = 512;
/// `CreateSecret` in AWS's API reference.
const BESIDE_LETTERS: &str = "/_+=.@-";

/// An AWS secret, or one field of it where it holds JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsSecret {
    /// Its name or ARN.
    pub id: String,
    /// The field; `None`: the value is the whole secret.
    pub field: Option<String>,
    accepted: Accepted,
}

impl AwsSecret {
    /// The region that an ARN states.
    #[must_use]
    pub fn region(&self) -> Option<&str> {
        self.id.strip_prefix("arn:")?.split(':').nth(2)
    }

    /// Names beside it that are no misspelling of its own (`accept=`).
    #[must_use]
    pub fn accepted(&self) -> &[String] {
        self.accepted.names()
    }

    /// The words behind the locator, each with a space before it.
    pub(super) fn words(&self) -> String {
        self.accepted.to_string()
    }

    /// A secret's version is one however many fields are in it: two fields would each be moved to their own.
    pub(super) fn identity(&self) -> String {
        format!("{}:{}", Kind::AwsSecretsManager, self.id)
    }
}

impl fmt::Display for AwsSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", Kind::AwsSecretsManager, self.id)?;
        self.field.as_ref().map_or(Ok(()), |field| write!(f, "#{field}"))
    }
}

pub(super) fn read(locator: &str, words: &Words<'_>, problems: &mut Vec<String>) -> Option<AwsSecret> {
    let (id, field) = match locator.split_once('#') {
        Some((id, field)) => (id, Some(field)),
        None => (locator, None),
    };
    let accepted = Accepted::of_words(words, problems);
    let before = problems.len();
    let name = if id.starts_with("arn:") { name_of_arn(id) } else { Some(id) };
    if name.is_none_or(|name| !is_name(name)) {
        problems.push(format!(
            "`{id}` is neither a secret's name (letters, digits, `{BESIDE_LETTERS}`, at most {LONGEST_NAME}) nor its ARN \
             (`arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME-SUFFIX`)"
        ));
    }
    if field.is_some_and(is_a_value) {
        problems
            .push("the part after `#` looks like a key or token: expected the field in which it is stored".to_owned());
    } else if field.is_some_and(|field| field.is_empty() || field.contains(char::is_control)) {
        problems.push("the field behind `#` is empty: leave `#` out where the key is the whole secret".to_owned());
    }
    let secret = AwsSecret { id: id.to_owned(), field: field.map(ToOwned::to_owned), accepted };
    (problems.len() == before).then_some(secret)
}

/// `arn:PARTITION:secretsmanager:REGION:ACCOUNT:secret:NAME`.
fn name_of_arn(arn: &str) -> Option<&str> {
    let mut parts = arn.splitn(7, ':').skip(1);
    let partition = parts.next()?.starts_with("aws");
    let service = parts.next()? == "secretsmanager";
    let region = !parts.next()?.is_empty();
    let account = parts.next()?;
    let account = !account.is_empty() && account.bytes().all(|b| b.is_ascii_digit());
    let is_secret = parts.next()? == "secret";
    parts.next().filter(|_| partition && service && region && account && is_secret)
}

fn is_name(name: &str) -> bool {
    let letters = |c: char| c.is_ascii_alphanumeric() || BESIDE_LETTERS.contains(c);
    !name.is_empty() && name.len() <= LONGEST_NAME && name.chars().all(letters) && !is_a_value(name)
}
