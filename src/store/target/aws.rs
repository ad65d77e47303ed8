//! `aws-secretsmanager:NAME_OR_ARN[#JSON_FIELD] [accept=NAME[,NAME]]` and `aws-ssm:NAME [accept=NAME[,NAME]]`.

use std::fmt;

use super::accept::Accepted;
use super::words::Words;
use super::{Kind, is_a_value};

const LONGEST_NAME: usize = 512;
/// Of the 1011 that AWS allows for the ARN.
const LONGEST_PARAMETER: usize = 900;
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

/// A parameter of AWS Systems Manager Parameter Store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsParameter {
    /// Its name, with the whole hierarchy before it.
    pub name: String,
    accepted: Accepted,
}

impl AwsParameter {
    /// Names beside it that are no misspelling of its own (`accept=`).
    #[must_use]
    pub fn accepted(&self) -> &[String] {
        self.accepted.names()
    }

    /// The words behind the locator, each with a space before it.
    pub(super) fn words(&self) -> String {
        self.accepted.to_string()
    }
}

impl fmt::Display for AwsParameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", Kind::AwsSsm, self.name)
    }
}

/// `PutParameter` in AWS's API reference: at most 15 levels, and a name in a hierarchy begins with a slash. That call
/// takes no ARN.
pub(super) fn read_parameter(name: &str, words: &Words<'_>, problems: &mut Vec<String>) -> Option<AwsParameter> {
    let accepted = Accepted::of_words(words, problems);
    let before = problems.len();
    let letters = |c: char| c.is_ascii_alphanumeric() || "/_.-".contains(c);
    let levels: Vec<&str> = name.trim_start_matches('/').split('/').collect();
    let is_whole = name.starts_with('/') || levels.len() == 1;
    let fits = name.len() <= LONGEST_PARAMETER && name.chars().all(letters) && levels.len() <= 15;
    let reserved = levels.first().is_some_and(|first| {
        let first = first.to_ascii_lowercase();
        first.starts_with("aws") || first.starts_with("ssm")
    });
    if name.starts_with("arn:") {
        problems.push("a parameter is named by its name: AWS takes no ARN when one is written".to_owned());
    } else if levels.iter().any(|level| level.is_empty() || is_a_value(level)) || !is_whole || !fits || reserved {
        problems.push(format!(
            "`{name}` is no parameter's name: letters, digits, `_.-`, with a `/` before each of at most 15 levels, and \
             neither `aws` nor `ssm` at the begin"
        ));
    }
    (problems.len() == before).then(|| AwsParameter { name: name.to_owned(), accepted })
}
