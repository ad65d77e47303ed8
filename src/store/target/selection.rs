//! `repo:OWNER/* [topic=TOPIC] [visibility=public|private|internal] [except=NAME[,NAME]]`: every repository of an owner that
//! fits. Which those are, only GitHub knows: a run asks before it does anything else.

use std::fmt;

use super::locator::check_repository_name;
use super::words::{Words, note};
use super::{GitHubTarget, Place, PlaceKind, Target};

/// What stands for every repository of an owner.
pub(super) const ALL: &str = "*";
/// The words that only a selection takes.
pub(super) const WORDS: [&str; 3] = ["topic", "visibility", "except"];

/// GitHub's page "Classifying your repository with topics".
const LONGEST_TOPIC: usize = 50;

/// Who may see a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visibility {
    /// Everybody.
    Public,
    /// Those who were given access.
    Private,
    /// The enterprise's members.
    Internal,
}

impl Visibility {
    /// GitHub's word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Private => "private",
            Self::Internal => "internal",
        }
    }

    fn parse(text: &str) -> Result<Self, String> {
        let all = [Self::Public, Self::Private, Self::Internal];
        let found = all.into_iter().find(|it| it.word() == text);
        found.ok_or_else(|| format!("`visibility={text}` is none: expected `public`, `private` or `internal`"))
    }
}

/// The repositories of an owner that fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// A target like each of them will be; its repository is called `*`.
    pub(super) like: GitHubTarget,
    /// The topic that each has.
    pub topic: Option<String>,
    /// Who may see each.
    pub visibility: Option<Visibility>,
    /// Names that are left out, without the owner.
    pub except: Vec<String>,
}

impl Selection {
    /// Reads the words of a line whose locator is `OWNER/*`.
    pub(super) fn of_words(like: GitHubTarget, words: &Words<'_>, problems: &mut Vec<String>) -> Self {
        let topic = words.get("topic").and_then(|topic| note(problems, check_topic(topic)));
        let visibility = words.get("visibility").and_then(|text| note(problems, Visibility::parse(text)));
        let mut except: Vec<String> = Vec::new();
        for name in words.get("except").into_iter().flat_map(|names| names.split(',')) {
            match check_repository_name(name) {
                Err(message) => problems.push(format!("`except=`: {message}, without the owner")),
                Ok(name) if except.iter().any(|known| known.eq_ignore_ascii_case(name)) => {
                    problems.push(format!("`except=` names `{name}` twice"));
                }
                Ok(name) => except.push(name.to_owned()),
            }
        }
        Self { like, topic: topic.map(str::to_owned), visibility, except }
    }

    /// The account whose repositories they are.
    #[must_use]
    pub fn owner(&self) -> &str {
        self.like.place.owner()
    }

    /// The secret's name in each.
    #[must_use]
    pub fn secret(&self) -> &str {
        self.like.secret.as_str()
    }

    /// What each of them will be like; for what a run needs to be allowed.
    #[must_use]
    pub fn like(&self) -> &GitHubTarget {
        &self.like
    }

    pub(super) fn like_mut(&mut self) -> &mut GitHubTarget {
        &mut self.like
    }

    /// The place that a repository of this name is.
    #[must_use]
    pub fn place(&self, name: &str) -> Place {
        Place::in_repository(self.like.place.kind(), self.owner(), name)
    }

    /// The target that a repository of this name is.
    #[must_use]
    pub fn target(&self, name: &str) -> Target {
        Target::GitHub(GitHubTarget { place: self.place(name), ..self.like.clone() })
    }

    /// The place with the words that decide which repositories fit.
    fn chosen(&self) -> String {
        let topic = self.topic.iter().map(|topic| format!(" topic={topic}"));
        let visibility = self.visibility.iter().map(|it| format!(" visibility={}", it.word()));
        [self.like.place.to_string()].into_iter().chain(topic).chain(visibility).collect()
    }

    /// For logs and reports.
    pub(super) fn label(&self) -> String {
        format!("{} {}", self.chosen(), self.secret())
    }
}

impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.chosen())?;
        if !self.except.is_empty() {
            write!(f, " except={}", self.except.join(","))?;
        }
        f.write_str(&self.like.words())
    }
}

/// Whether a locator names every repository of an owner.
///
/// # Errors
/// What is accepted, where it names them and more.
pub(super) fn is_asked(kind: PlaceKind, locator: &str) -> Result<bool, String> {
    let Some((_, names)) = locator.split_once('/') else { return Ok(false) };
    match names.split(',').any(|name| name == ALL) {
        false => Ok(false),
        true if kind != PlaceKind::Repo => {
            Err(format!("`*` stands for every repository in `repo` targets, not in `{kind}`"))
        }
        true if names != ALL => Err("`*` is every repository already: expected nothing beside it".to_owned()),
        true => Ok(true),
    }
}

fn check_topic(topic: &str) -> Result<&str, String> {
    let letters = topic.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    let begins = topic.starts_with(|c: char| c.is_ascii_alphanumeric());
    if letters && begins && topic.len() <= LONGEST_TOPIC {
        return Ok(topic);
    }
    let several = if topic.contains(',') { ", and one of them; another needs a line of its own" } else { "" };
    Err(format!(
        "`topic={topic}` is not a topic: lower-case letters, digits and hyphens, at most {LONGEST_TOPIC}{several}"
    ))
}
