//! Targets as users write them.

use std::collections::BTreeSet;

use arbitrary::{Result, Unstructured};
use keyrotor::store::target::{SecretName, parse};

use crate::text::{hostile, joined, likely};

const KINDS: &[&str] = &[
    "repo",
    "repo",
    "repo",
    "env",
    "org",
    "dependabot",
    "dependabot-org",
    "agents",
    "agents-org",
    "codespaces",
    "codespaces-org",
    "kubernetes",
    "vault",
    "aws-secretsmanager",
    "file",
    "Repo",
    "",
];
const LOCATOR: &str = "acme/|acme/*|acme|/|,|app,api|app|api.web|A-b|octo_org|-|--|.|..|.git|_|#|%2f|\\|production|é|?|*|:|0|\
    arn:aws:secretsmanager:eu-west-1:1:secret:x|xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx|ns/name#key|kv/app#field|./.env|.env#KEY";
const WORDS: &str = "topic=llm|topic=|visibility=internal|except=a,b|except=|secret=|secret=KEY|AROUTER_API_KEY|visibility=|visibility=all|private|selected|repos=|repos=a,b|restart=|\
    restart=deployment/x|rollout-timeout=|5m|role=|role=x|jwt-mount=|accept=|accept=a,b| | |=|==|GITHUB_X|1KEY|secret=A secret=B";

fn line(u: &mut Unstructured<'_>) -> Result<String> {
    let locator: Vec<&str> = LOCATOR.split('|').collect();
    let words: Vec<&str> = WORDS.split('|').collect();
    Ok(match u.int_in_range(0..=9)? {
        0 => hostile(u)?,
        1 => format!("# {}", hostile(u)?),
        2 => joined(u, &words, 6)?,
        _ => {
            let kind = likely(u, KINDS)?;
            format!("{kind}:{} {}", joined(u, &locator, 6)?, joined(u, &words, 4)?)
        }
    })
}

/// Whatever is written, each line comes to targets or to a problem that names it; a target reads back as it is shown, is
/// one line, and is the same target however its letters are written where the place makes no difference.
///
/// # Errors
/// Where the input is used up.
///
/// # Panics
/// Where that does not hold.
pub fn targets(u: &mut Unstructured<'_>) -> Result<()> {
    let default = SecretName::parse("AROUTER_API_KEY").expect("a name");
    let lines = crate::text::several(u, 5, line)?;
    let text = lines.join("\n");
    let (found, problems) = parse(&text, &default);
    let lines: Vec<&str> = text.lines().collect();
    for problem in &problems {
        let named = problem.line.checked_sub(1).and_then(|at| lines.get(at)).map(|line| line.trim());
        assert_eq!(named, Some(problem.text.as_str()), "{problem:?} of {text:?}");
        assert!(!problem.message.is_empty());
    }
    let wrong: BTreeSet<usize> = problems.iter().map(|problem| problem.line).collect();
    let meant = |(at, line): &(usize, &&str)| {
        !line.trim().is_empty() && !line.trim().starts_with('#') && !wrong.contains(&(at + 1))
    };
    let right = lines.iter().enumerate().filter(meant).count();
    assert!(found.len() >= right, "a line came to nothing: {text:?} to {found:?} and {problems:?}");
    for target in &found {
        let shown = target.to_string();
        let (again, problems) = parse(&shown, &default);
        assert_eq!(again, std::slice::from_ref(target), "{shown:?} of {text:?}");
        assert!(problems.is_empty(), "{shown:?} of {text:?}: {problems:?}");
        assert!(!shown.chars().any(char::is_control) && shown.trim() == shown, "{shown:?}");
        assert!(!target.label().contains(['\n', '\r']) && !target.identity().is_empty());
    }
    Ok(())
}
